# Run the chunks of one file of models, and write what they found as JSON.
#
#   Rscript run.R models/bounce_lme4.R DATA.csv RESULT.json
#
# A chunk that makes a fit is written down number by number; of any other chunk, what R printed.

suppressPackageStartupMessages({
  library(jsonlite)
  library(lme4)
})

arguments <- commandArgs(trailingOnly = TRUE)
stopifnot("usage: Rscript run.R MODELS.R DATA.csv RESULT.json" = length(arguments) == 3)
models <- arguments[1]
data_file <- arguments[2]
result_file <- arguments[3]

uses_brms <- grepl("_brms\\.R$", models)
if (uses_brms) {
  suppressPackageStartupMessages(library(brms))
  # Debian's R package BH is a shell: it keeps Boost with the headers of the system.
  if (system.file("include", package = "BH") == "") rstan::rstan_options(boost_lib = "/usr/include")
}
options(mc.cores = 2, width = 96)

probabilities <- c(0.055, 0.5, 0.945)

sha256 <- function(file) {
  sub(" .*", "", system2("sha256sum", shQuote(file), stdout = TRUE))
}

chunks_of <- function(file) {
  lines <- readLines(file)
  starts <- grep("^# ---- .* ----$", lines)
  ends <- c(starts[-1] - 1, length(lines))
  code <- Map(function(from, to) paste(lines[(from + 1):to], collapse = "\n"), starts, ends)
  setNames(code, sub("^# ---- (.*) ----$", "\\1", lines[starts]))
}

describe <- function(object) UseMethod("describe")

describe.default <- function(object) NULL

describe.brmsfit <- function(object) {
  draws <- posterior::as_draws_array(object)
  wanted <- posterior::variables(draws)
  wanted <- wanted[!grepl("^(lp__|lprior|Intercept.*)$", wanted)]
  draws <- posterior::subset_draws(draws, variable = wanted)
  table <- posterior::summarise_draws(
    draws, "mean", "sd",
    ~ setNames(posterior::quantile2(.x, probs = probabilities), c("q5.5", "q50", "q94.5")),
    "mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "rhat"
  )
  scores <- loo(object)
  unsafe <- loo::pareto_k_ids(scores, threshold = 0.7)
  if (length(unsafe)) scores <- loo(object, reloo = TRUE)
  sampler <- nuts_params(object)
  list(
    parameters = lapply(split(as.data.frame(table)[-1], factor(table$variable, levels = wanted)), as.list),
    loo = list(
      elpd = scores$estimates["elpd_loo", "Estimate"],
      se = scores$estimates["elpd_loo", "SE"],
      p = scores$estimates["p_loo", "Estimate"],
      mcse = loo::mcse_loo(scores),
      largest_khat = max(loo::pareto_k_values(scores)),
      rows_refitted = unsafe
    ),
    draws = posterior::ndraws(draws),
    chains = posterior::nchains(draws),
    divergences = sum(sampler$Value[sampler$Parameter == "divergent__"]),
    seconds_sampling_all_chains = sum(rstan::get_elapsed_time(object$fit))
  )
}

describe.lm <- function(object) {
  list(
    fixed = as.list(coef(object)),
    fixed_se = as.list(sqrt(diag(vcov(object)))),
    sigma = sigma(object),
    log_likelihood = as.numeric(logLik(object, REML = TRUE))
  )
}

describe.lmerMod <- function(object) {
  spreads <- as.data.frame(VarCorr(object))
  spreads$grp <- sub("\\.[0-9]+$", "", spreads$grp)
  single <- is.na(spreads$var2) & spreads$grp != "Residual"
  correlated <- !is.na(spreads$var2)
  effects <- as.data.frame(ranef(object, condVar = TRUE))
  list(
    group = names(ranef(object)),
    fixed = as.list(fixef(object)),
    fixed_se = as.list(sqrt(diag(as.matrix(vcov(object))))),
    group_sds = as.list(setNames(spreads$sdcor[single], spreads$var1[single])),
    correlation = if (any(correlated)) spreads$sdcor[correlated],
    sigma = sigma(object),
    group_effects = lapply(
      split(effects, effects$term),
      function(part) as.list(setNames(part$condval, as.character(part$grp)))
    ),
    log_likelihood = as.numeric(logLik(object)),
    singular = isSingular(object)
  )
}

data <- read.csv(data_file)
data[vapply(data, is.character, TRUE)] <- lapply(data[vapply(data, is.character, TRUE)], factor)
scene <- new.env()
assign("visits", data, scene)
if ("Subject" %in% names(data)) {
  data$Subject <- factor(data$Subject)
  assign("nights", data, scene)
}

fits <- list()
printed <- list()
for (name in names(chunks <- chunks_of(models))) {
  cat(basename(models), name, format(Sys.time(), "%H:%M:%S"), "\n")
  started <- proc.time()[["elapsed"]]
  text <- capture.output(
    for (expression in parse(text = chunks[[name]])) {
      step <- withVisible(eval(expression, scene))
      if (step$visible) print(step$value)
    }
  )
  seconds <- proc.time()[["elapsed"]] - started
  found <- describe(step$value)
  if (is.null(found)) {
    printed[[name]] <- text
  } else {
    fits[[name]] <- c(found, list(seconds_in_all = seconds))
  }
}

packages <- c("lme4", if (uses_brms) c("brms", "rstan", "StanHeaders", "loo", "posterior"))
result <- list(
  provenance = list(
    models = basename(models), models_sha256 = sha256(models), data_sha256 = sha256(data_file),
    made_on = format(Sys.Date()), R = paste(R.version$major, R.version$minor, sep = "."),
    packages = lapply(setNames(packages, packages), function(x) as.character(packageVersion(x))),
    platform = R.version$platform, seed = 20
  ),
  fits = fits,
  printed = printed
)
write(toJSON(result, auto_unbox = TRUE, digits = 10, pretty = TRUE, null = "null"), result_file)
