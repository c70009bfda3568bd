# Many data sets simulated as the book's was, each fitted by lme4. `visits` holds one below the
# other, and its column `world` says which is which.

# ---- fit_world ----
fit_world <- function(visits) {
  independent <- lmer(bounce_time ~ std_age + (std_age || county), data = visits)
  correlated <- lmer(bounce_time ~ std_age + (std_age | county), data = visits)
  data.frame(
    world = visits$world[1],
    slope_sd = as.data.frame(VarCorr(independent))$sdcor[2],
    singular = isSingular(independent),
    correlation = attr(VarCorr(correlated)$county, "correlation")[1, 2],
    correlated_singular = isSingular(correlated)
  )
}

# ---- fit_all ----
found <- do.call(rbind, lapply(split(visits, visits$world), fit_world))
print(format(found, digits = 6), row.names = FALSE)
