# Reaction times after nights of little sleep, in lme4. `nights` is lme4's `sleepstudy`.

# ---- varying_slope ----
varying_slope <- lmer(Reaction ~ Days + (Days || Subject), data = nights)

# ---- correlated_slope ----
correlated_slope <- lmer(Reaction ~ Days + (Days | Subject), data = nights)
