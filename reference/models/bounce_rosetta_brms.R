# The Rosetta stone's formulas in brms. None is compiled: `make_standata` reads a formula and data.

# ---- letters ----
d <- data.frame(
  y = visits$bounce_time, x = visits$std_age, a = visits$county,
  b = factor(visits$age %/% 10, ordered = TRUE), long = as.integer(visits$bounce_time > 200),
  k = visits$bounce_time %/% 10, n = 30, w = 4,
  capped = pmin(visits$bounce_time, 210),
  status = ifelse(visits$bounce_time >= 210, "right", "none")
)
rows_read <- function(...) make_standata(..., data = d)$N

# ---- groups ----
rows_read(y ~ x + (1 | a))
rows_read(y ~ x + (0 + x | a))
rows_read(y ~ x + (x || a))
rows_read(y ~ x + (x | a))
rows_read(y ~ x + (1 | a) + (1 | b))
rows_read(y ~ x + (1 | a / b))
rows_read(y ~ x + (1 | a:b))

# ---- curves ----
rows_read(y ~ s(x))
rows_read(y ~ gp(x, k = 10, c = 1.5))

# ---- families ----
rows_read(long ~ x + (1 | a), family = bernoulli())
rows_read(k | trials(n) ~ x + (1 | a), family = binomial())
rows_read(k ~ x + offset(log(n)), family = poisson())
rows_read(k ~ x, family = negbinomial())
rows_read(k ~ x, family = zero_inflated_poisson())
rows_read(y ~ x, family = student())
rows_read(y ~ x, family = Gamma(link = "log"))
rows_read(b ~ x, family = cumulative())
rows_read(b ~ x, family = categorical())

# ---- responses ----
rows_read(y | weights(w) ~ x)
rows_read(capped | cens(status) ~ x)
rows_read(y | trunc(lb = 0) ~ x)
rows_read(bf(y ~ x, sigma ~ x + (1 | a)))
