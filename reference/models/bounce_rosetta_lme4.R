# The Rosetta stone's words in lme4, with letters for columns. `visits` is the book's data.

# ---- letters ----
d <- data.frame(
  y = visits$bounce_time, x = visits$std_age, a = visits$county,
  b = factor(visits$age %/% 10), long = as.integer(visits$bounce_time > 200),
  k = visits$bounce_time %/% 10, n = 30, w = 4
)

# ---- intercepts ----
m <- lmer(y ~ x + (1 | a), data = d)

# ---- slopes_only ----
slopes_only <- lmer(y ~ x + (0 + x | a), data = d)
VarCorr(slopes_only)

# ---- independent ----
independent <- lmer(y ~ x + (x || a), data = d)
VarCorr(independent)

# ---- correlated ----
correlated <- lmer(y ~ x + (x | a), data = d)
VarCorr(correlated)

# ---- crossed ----
crossed <- lmer(y ~ x + (1 | a) + (1 | b), data = d)
VarCorr(crossed)

# ---- nested ----
nested <- lmer(y ~ x + (1 | a / b), data = d)
VarCorr(nested)

# ---- combination ----
combination <- lmer(y ~ x + (1 | a:b), data = d)
VarCorr(combination)

# ---- factors ----
names(coef(lm(y ~ b, data = d)))
names(coef(lm(y ~ 0 + b, data = d)))
names(coef(lm(y ~ relevel(b, "4"), data = d)))
names(coef(lm(y ~ C(b, contr.sum), data = d)))
names(coef(lm(y ~ x * b, data = d)))

# ---- curves ----
library(splines)
fixef(lmer(y ~ x + I(x^2) + (1 | a), data = d))
fixef(lmer(y ~ poly(x, 2) + (1 | a), data = d))
fixef(lmer(y ~ bs(x, df = 5) + (1 | a), data = d))

# ---- families ----
fixef(glmer(long ~ x + (1 | a), data = d, family = binomial))
fixef(glmer(cbind(k, n - k) ~ x + (1 | a), data = d, family = binomial))
fixef(glmer(k ~ x + offset(log(n)) + (1 | a), data = d, family = poisson))

# ---- weights ----
sigma(lmer(y ~ x + (1 | a), data = d, weights = w)) / sigma(m)

# ---- fixef ----
fixef(m)

# ---- varcorr ----
VarCorr(m)

# ---- icc ----
spreads <- as.data.frame(VarCorr(m))
spreads$vcov[1] / sum(spreads$vcov)

# ---- coef ----
head(coef(m)$a, 3)

# ---- optimisers ----
by <- function(name) fixef(update(m, control = lmerControl(optimizer = name)))
sapply(c("bobyqa", "Nelder_Mead"), by)

# ---- anova ----
by_ml <- update(m, REML = FALSE)
anova(by_ml, lm(y ~ x, data = d))[, c("npar", "AIC", "Pr(>Chisq)")]

# ---- update ----
longer <- update(m, . ~ . + I(x^2))
deparse(formula(longer))

# ---- save ----
file <- tempfile(fileext = ".rds")
saveRDS(m, file)
all.equal(fixef(readRDS(file)), fixef(m))
