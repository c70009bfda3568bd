# The book's fourth model in brms, with the county's mean age. `visits` is the book's data.

# ---- county_age ----
visits$county_age <- ave(visits$std_age, visits$county)

# ---- within_between ----
within_between <- brm(
  bounce_time ~ std_age + county_age + (std_age || county),
  data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b, coef = std_age),
    prior(normal(0, 20), class = b, coef = county_age),
    prior(normal(0, 15), class = sd, coef = Intercept, group = county),
    prior(normal(0, 5), class = sd, coef = std_age, group = county),
    prior(normal(0, 20), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)

# ---- unequal_spread ----
unequal_spread <- brm(
  bf(
    bounce_time ~ std_age + county_age + (std_age || county),
    sigma ~ 1 + (1 | county)
  ),
  data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b, coef = std_age),
    prior(normal(0, 20), class = b, coef = county_age),
    prior(normal(0, 15), class = sd, coef = Intercept, group = county),
    prior(normal(0, 5), class = sd, coef = std_age, group = county),
    prior(normal(2, 1), class = Intercept, dpar = sigma),
    prior(normal(0, 0.5), class = sd, dpar = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)
