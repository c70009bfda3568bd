# Sample a model of reference/models in brms: compiled once, drawn once for each seed.
#
#   Rscript brms.R CASE.json ANSWER.json

arguments <- commandArgs(trailingOnly = TRUE)
packages <- c("brms", "rstan", "posterior", "jsonlite")
if (!all(vapply(packages, requireNamespace, TRUE, quietly = TRUE))) {
  writeLines('{"status": "not installed"}', arguments[2])
  quit()
}
suppressPackageStartupMessages(library(brms))
# Debian's R package BH is a shell: it keeps Boost with the headers of the system.
if (system.file("include", package = "BH") == "") rstan::rstan_options(boost_lib = "/usr/include")
case <- jsonlite::fromJSON(arguments[1])

visits <- nights <- read.csv(text = case$data, stringsAsFactors = TRUE)
if ("Subject" %in% names(nights)) nights$Subject <- factor(nights$Subject)

# The chunk is run as it stands in `reference`, but for the draws: this only compiles.
brm <- function(...) brms::brm(..., chains = 0)
lines <- readLines(case$models)
first <- match(sprintf("# ---- %s ----", case$chunk), lines) + 1
last <- c(grep("^# ----", lines), length(lines) + 1)
last <- min(last[last > first]) - 1
compiling <- system.time(
  compiled <- eval(parse(text = lines[first:last]))
)[["elapsed"]]

measured <- list()
for (seed in case$seeds) {
  fit <- update(
    compiled,
    recompile = FALSE, seed = seed, chains = case$chains, cores = 2, refresh = 0,
    iter = case$tune + case$draws, warmup = case$tune,
    control = list(adapt_delta = case$target_accept)
  )
  draws <- posterior::as_draws_array(fit)
  wanted <- posterior::variables(draws)
  wanted <- wanted[!grepl("^(lp__|lprior|Intercept.*)$", wanted)]
  ess <- posterior::summarise_draws(
    posterior::subset_draws(draws, variable = wanted), "ess_bulk"
  )$ess_bulk
  # Stan's own clock, warm-up and draws; two chains keep two cores busy
  elapsed <- rowSums(rstan::get_elapsed_time(fit$fit))
  measured <- c(measured, list(list(
    repetition = seed, compile_seconds = compiling, seconds = sum(elapsed) / 2,
    cpu_seconds = sum(elapsed), ess_min = min(ess)
  )))
  if (sum(elapsed) / 2 > case$long) break
}
versions <- lapply(
  setNames(nm = c("brms", "rstan")), function(name) as.character(packageVersion(name))
)
jsonlite::write_json(
  list(measured = measured, versions = versions), arguments[2],
  auto_unbox = TRUE, digits = 8
)
