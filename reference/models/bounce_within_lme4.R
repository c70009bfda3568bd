# The book's fourth model in lme4, with the county's mean age. `visits` is the book's data.

# ---- county_age ----
visits$county_age <- ave(visits$std_age, visits$county)

# ---- within_between ----
within_between <- lmer(
  bounce_time ~ std_age + county_age + (std_age || county), data = visits
)
