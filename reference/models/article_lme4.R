# The article's models in lme4. `visits` is the article's data, made again.

# ---- regression ----
regression <- lm(bounce_time ~ std_age, data = visits)

# ---- varying_intercept ----
varying_intercept <- lmer(bounce_time ~ std_age + (1 | county), data = visits)

# ---- varying_slope ----
varying_slope <- lmer(bounce_time ~ std_age + (std_age || county), data = visits)

# ---- correlated_slope ----
correlated_slope <- lmer(bounce_time ~ std_age + (std_age | county), data = visits)
