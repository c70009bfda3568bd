# Reaction times after nights of little sleep, in brms. `nights` is lme4's `sleepstudy`.

# ---- varying_slope ----
varying_slope <- brm(
  Reaction ~ Days + (Days || Subject), data = nights, seed = 20,
  prior = c(
    prior(normal(300, 100), class = Intercept),
    prior(normal(0, 20), class = b),
    prior(normal(0, 50), class = sd, coef = Intercept, group = Subject),
    prior(normal(0, 20), class = sd, coef = Days, group = Subject),
    prior(normal(0, 50), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.95)
)

# ---- correlated_slope ----
correlated_slope <- brm(
  Reaction ~ Days + (Days | Subject), data = nights, seed = 20,
  prior = c(
    prior(normal(300, 100), class = Intercept),
    prior(normal(0, 20), class = b),
    prior(normal(0, 50), class = sd, coef = Intercept, group = Subject),
    prior(normal(0, 20), class = sd, coef = Days, group = Subject),
    prior(lkj(2), class = cor),
    prior(normal(0, 50), class = sigma)
  ),
  iter = 5000, warmup = 1000, control = list(adapt_delta = 0.95)
)
