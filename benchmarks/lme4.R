# Fit rows of a CSV file in lme4.
#
#   Rscript lme4.R CASE.json ANSWER.json

arguments <- commandArgs(trailingOnly = TRUE)
if (!all(vapply(c("lme4", "jsonlite"), requireNamespace, TRUE, quietly = TRUE))) {
  writeLines('{"status": "not installed"}', arguments[2])
  quit()
}
suppressPackageStartupMessages(library(lme4))
case <- jsonlite::fromJSON(arguments[1])

reading <- system.time({
  rows <- read.csv(
    case$file,
    colClasses = c("numeric", "numeric", "integer"), nrows = case$rows
  )
  rows$g <- factor(rows$g)
})[["elapsed"]]
formula <- if (case$model == "varying slope") y ~ x + (x || g) else y ~ x + (1 | g)
measured <- list()
for (seed in case$seeds) {
  fitting <- system.time(fit <- lmer(formula, rows))
  stopifnot(length(fixef(fit)) == 2)
  measured <- c(measured, list(list(
    repetition = seed, read_seconds = reading, seconds = fitting[["elapsed"]],
    cpu_seconds = fitting[["user.self"]] + fitting[["sys.self"]]
  )))
  if (fitting[["elapsed"]] > case$long) break
}
jsonlite::write_json(
  list(measured = measured, versions = list(lme4 = as.character(packageVersion("lme4")))),
  arguments[2],
  auto_unbox = TRUE, digits = 8
)
