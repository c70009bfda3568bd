# The article's models in brms, with its priors. `visits` is the article's data, made again.

# ---- regression ----
regression <- brm(
  bounce_time ~ std_age, data = visits, seed = 20, iter = 5000, warmup = 1000,
  prior = c(
    prior(normal(200, 1), class = Intercept),
    prior(normal(4, 1), class = b),
    prior(normal(0, 100), class = sigma)
  ),
  control = list(adapt_delta = 0.95)
)

# ---- varying_intercept ----
varying_intercept <- brm(
  bounce_time ~ std_age + (1 | county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 1), class = Intercept),
    prior(normal(4, 1), class = b),
    prior(normal(0, 10), class = sd),
    prior(normal(0, 100), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.95)
)

# ---- varying_slope ----
varying_slope <- brm(
  bounce_time ~ std_age + (std_age || county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 1), class = Intercept),
    prior(normal(4, 1), class = b),
    prior(normal(0, 10), class = sd),
    prior(normal(0, 100), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)

# ---- correlated_slope ----
correlated_slope <- brm(
  bounce_time ~ std_age + (std_age | county), data = visits, seed = 20,
  prior = c(
    prior(normal(200, 1), class = Intercept),
    prior(normal(4, 1), class = b),
    prior(normal(0, 10), class = sd),
    prior(normal(0, 100), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.98)
)
