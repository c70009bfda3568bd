# The book's models in lme4. `visits` is the book's data; each chunk starts at a line "# ----".

# ---- regression ----
regression <- lm(bounce_time ~ std_age, data = visits)

# ---- varying_intercept ----
varying_intercept <- lmer(bounce_time ~ std_age + (1 | county), data = visits)

# ---- varying_slope ----
varying_slope <- lmer(bounce_time ~ std_age + (std_age || county), data = visits)

# ---- correlated_slope ----
correlated_slope <- lmer(bounce_time ~ std_age + (std_age | county), data = visits)

# ---- summary ----
summary(varying_intercept)

# ---- intervals ----
confint(varying_intercept, level = 0.89, method = "profile")

# ---- diagnostics ----
c(singular = isSingular(varying_slope), messages = length(varying_slope@optinfo$conv$lme4))

# ---- group_effects ----
ranef(varying_intercept)$county

# ---- known_county ----
young_in_kent <- data.frame(std_age = -1, county = "Kent")
predict(varying_intercept, newdata = young_in_kent)

# ---- average_county ----
predict(varying_intercept, newdata = young_in_kent, re.form = NA)

# ---- new_county ----
young_elsewhere <- data.frame(std_age = -1, county = "Surrey")
predict(varying_intercept, newdata = young_elsewhere, allow.new.levels = TRUE)
