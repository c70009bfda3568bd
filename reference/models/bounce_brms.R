# The book's models in brms. `visits` is the book's data; each chunk starts at a line "# ----".

# ---- regression ----
regression <- brm(
  bounce_time ~ std_age, data = visits, seed = 20, iter = 5000, warmup = 1000,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b),
    prior(normal(0, 20), class = sigma)
  )
)

# ---- varying_intercept ----
varying_intercept <- brm(
  bounce_time ~ std_age + (1 | county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b),
    prior(normal(0, 15), class = sd),
    prior(normal(0, 20), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.95)
)

# ---- varying_slope ----
varying_slope <- brm(
  bounce_time ~ std_age + (std_age || county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b),
    prior(normal(0, 15), class = sd, coef = Intercept, group = county),
    prior(normal(0, 5), class = sd, coef = std_age, group = county),
    prior(normal(0, 20), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)

# ---- correlated_slope ----
correlated_slope <- brm(
  bounce_time ~ std_age + (std_age | county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b),
    prior(normal(0, 15), class = sd, coef = Intercept, group = county),
    prior(normal(0, 5), class = sd, coef = std_age, group = county),
    prior(lkj(2), class = cor),
    prior(normal(0, 20), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)

# ---- unequal_spread ----
unequal_spread <- brm(
  bf(bounce_time ~ std_age + (std_age || county), sigma ~ 1 + (1 | county)),
  data = visits, seed = 20,
  prior = c(
    prior(normal(200, 50), class = Intercept),
    prior(normal(0, 10), class = b),
    prior(normal(0, 15), class = sd, coef = Intercept, group = county),
    prior(normal(0, 5), class = sd, coef = std_age, group = county),
    prior(normal(2, 1), class = Intercept, dpar = sigma),
    prior(normal(0, 0.5), class = sd, dpar = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)

# ---- default_priors ----
get_prior(bounce_time ~ std_age + (1 | county), data = visits)

# ---- summary ----
summary(varying_intercept, prob = 0.89)

# ---- diagnostics ----
c(
  divergences = sum(nuts_params(varying_intercept, pars = "divergent__")$Value),
  largest_rhat = max(rhat(varying_intercept), na.rm = TRUE),
  smallest_neff_ratio = min(neff_ratio(varying_intercept), na.rm = TRUE)
)

# ---- group_effects ----
ranef(varying_intercept, probs = c(0.055, 0.945))$county[, , "Intercept"]

# ---- known_county ----
young_in_kent <- data.frame(std_age = -1, county = "Kent")
fitted(varying_intercept, newdata = young_in_kent, probs = c(0.055, 0.945))

# ---- average_county ----
fitted(
  varying_intercept, newdata = young_in_kent, re_formula = NA, probs = c(0.055, 0.945)
)

# ---- new_county ----
young_elsewhere <- data.frame(std_age = -1, county = "Surrey")
fitted(
  varying_intercept, newdata = young_elsewhere, probs = c(0.055, 0.945),
  allow_new_levels = TRUE, sample_new_levels = "gaussian"
)

# ---- predictive_check ----
replicated <- posterior_predict(varying_intercept, ndraws = 1000)
mean(apply(replicated, 1, median) >= median(visits$bounce_time))

# ---- loo ----
loo(varying_intercept)

# ---- loo_compare ----
loo_compare(loo(regression), loo(varying_intercept), loo(varying_slope))

# ---- r_squared ----
bayes_R2(varying_intercept, probs = c(0.055, 0.945))
