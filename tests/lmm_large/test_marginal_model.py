"""The marginal model: its density, its draws against the collapsed route's, and Bambi's names."""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import nutpie
import pandas as pd
import pymc as pm
import pytest
from scipy import stats

from lmm_helpers import (
    check_convergence,
    load_bounce,
    set_up_chapter,
    table_markup,
)
from lmm_large import (
    Prior,
    collapsed_posterior,
    draw_group_effects,
    group_statistics,
    marginal_model,
)
from lmm_large.design import design
from lmm_large.likelihood import log_likelihood, pseudo_rows

FORMULA = "bounce_time ~ std_age + (std_age | county)"
INTERCEPTS = "bounce_time ~ std_age + (1 | county)"
LINE = {
    "Intercept": Prior("Normal", mu=200, sigma=50),
    "std_age": Prior("Normal", mu=0, sigma=10),
    "sigma": Prior("HalfNormal", sigma=20),
    "1|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=15)),
}
SLOPES = {"std_age|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5))}
LKJ = {"std_age|county_corr": Prior("LKJ", eta=2)}
SIGMAS = {
    "sigma": {
        "Intercept": Prior("Normal", mu=2, sigma=1),
        "1|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=0.5)),
    }
}


@pytest.fixture(scope="module")
def visits():
    set_up_chapter()
    return load_bounce()


@pytest.fixture(scope="module")
def statistics(visits):
    return group_statistics(visits, FORMULA)


@pytest.fixture(scope="module")
def compiled(statistics):
    return nutpie.compile_pymc_model(marginal_model(statistics, priors=LINE | SLOPES))


@pytest.fixture(scope="module")
def fit(compiled, statistics, visits):
    drawn = nutpie.sample(
        compiled, draws=1000, tune=1000, chains=4, seed=1, target_accept=0.95, progress_bar=False
    )
    return draw_group_effects(drawn, statistics, seed=2, rows=visits)


@pytest.fixture(scope="module")
def collapsed_fit(statistics, visits):
    posterior = collapsed_posterior(statistics, priors=LINE | SLOPES, seed=1)
    return draw_group_effects(posterior.to_datatree(), statistics, seed=2, rows=visits)


def test_arviz_and_the_book_take_both_fits_as_they_are(fit, collapsed_fit):
    """Gate, summary, forest, scores and tables: what chapters do with a fit of Bambi."""
    fits = {"marginal": fit, "collapsed": collapsed_fit}
    for one in fits.values():
        assert check_convergence(one)["passed"].all()
        summary = az.summary(one, var_names=["1|county"], ci_prob=0.89)
        assert "1|county[Kent]" in summary.index
        assert "1|county[Kent]" in table_markup(summary, markup="html")
        az.plot_forest(one, var_names=["std_age|county"])
        for plot in (az.plot_trace, az.plot_rank, az.plot_ess):
            plot(one, var_names=["sigma"])
        az.plot_energy(one)
        plt.close("all")
    assert az.compare(fits)["elpd_diff"].abs().max() < 0.5


def test_rows_are_scored_by_their_normal_density(fit, visits):
    one = fit["posterior"].to_dataset().isel(chain=1, draw=7)
    county = {"county__factor_dim": visits["county"].to_numpy(str)}
    at = one["Intercept"].item() + one["std_age"].item() * visits["std_age"]
    at += one["1|county"].sel(county).to_numpy()
    at += one["std_age|county"].sel(county).to_numpy() * visits["std_age"]
    expected = stats.norm.logpdf(visits["bounce_time"], at, one["sigma"].item())
    found = fit["log_likelihood/bounce_time"].isel(chain=1, draw=7)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(fit["observed_data/bounce_time"], visits["bounce_time"])


def test_agrees_with_the_collapsed_route_over_twenty_seeds(compiled, statistics):
    many = collapsed_posterior(
        statistics, priors=LINE | SLOPES, seed=1, chains=20, draws=10_000
    ).draws
    scores = []
    for seed in range(20):
        drawn = nutpie.sample(
            compiled, draws=500, tune=400, chains=4, seed=seed, progress_bar=False
        )
        drawn = draw_group_effects(drawn, statistics, seed=seed)["posterior"].to_dataset()
        for name in drawn.data_vars:
            values, truth = drawn[name].to_numpy(), many[name]
            by_chain = values.mean(axis=1)
            error = np.sqrt(by_chain.var(axis=0, ddof=1) / 4 + truth.var(axis=(0, 1)) / 2e5)
            distance = (by_chain.mean(axis=0) - truth.mean(axis=(0, 1))) / error
            # four chains give the error three degrees of freedom: a z of the same probability
            scores += np.atleast_1d(stats.norm.ppf(stats.t(3).cdf(distance))).tolist()
    assert np.abs(scores).max() < 4.5
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.2


@pytest.mark.parametrize("change", [{}, SLOPES, SLOPES | LKJ | SIGMAS])
def test_density_of_pymc_is_that_of_numpy(statistics, change):
    formula = FORMULA if change else INTERCEPTS
    found = at_a_point(marginal_model(statistics, priors=LINE | change, formula=formula))
    rows = pseudo_rows(design(statistics, formula))
    sigma = found.get("sigma")
    if sigma is None:
        sigma = np.exp(found["sigma_Intercept"] + found["sigma_1|county"])
    names = ["1|county_sigma", "std_age|county_sigma"][: 2 if change else 1]
    expected = log_likelihood(
        rows,
        np.array([found["Intercept_centered"] - rows.level, found["std_age"]]),
        sigma=sigma,
        spreads=[found[name][None] for name in names],
        correlation=found.get("std_age|county_corr"),
    )
    assert found["marginal_log_likelihood"] == pytest.approx(expected, rel=1e-10)
    level = found["Intercept"] + found["std_age"] * rows.centre[1]
    assert level == pytest.approx(found["Intercept_centered"])


def at_a_point(model):
    """Compute all that a model names, at a point that is no special one."""
    point = {variable.name: model.initial_point()[variable.name] for variable in model.value_vars}
    rng = np.random.default_rng(4)
    point = {name: value + rng.normal(size=np.shape(value)) for name, value in point.items()}
    outputs = [*model.potentials, *model.free_RVs, *model.deterministics]
    compute = model.compile_fn(
        model.replace_rvs_by_values(outputs),
        inputs=model.value_vars,
        on_unused_input="ignore",
        mode="FAST_COMPILE",
    )
    return dict(zip([variable.name for variable in outputs], compute(point), strict=True))


@pytest.mark.parametrize(
    "formula",
    [
        "distance ~ age * sex + (age | subject)",
        "distance ~ 0 + sex + age:sex + (0 + age | subject)",
        "distance ~ 0 + (1 | subject)",
        "distance ~ age + sex",
    ],
)
def test_factors_interactions_and_no_intercept(children, formula):
    statistics = group_statistics(children, "distance ~ age * sex + (age | subject)")
    made = design(statistics, formula)
    spread = Prior("Normal", mu=0, sigma=Prior("Exponential", lam=1))
    priors = {term.name: Prior("StudentT", nu=4, mu=0, sigma=3) for term in made.terms}
    priors |= {effect.name: spread for effect in made.effects}
    priors |= {"sigma": Prior("Gamma", alpha=2, beta=1)}
    priors |= {"Intercept": Prior("Normal", mu=20, sigma=9)} if made.intercept else {}
    found = at_a_point(marginal_model(statistics, priors=priors, formula=formula))
    rows = pseudo_rows(made)
    columns = [np.atleast_1d(found[term.name]) for term in made.terms]
    if made.intercept:
        columns.insert(0, found["Intercept_centered"][None] - rows.level)
    expected = log_likelihood(
        rows,
        np.concatenate([np.empty(0), *columns]),
        sigma=found["sigma"],
        spreads=[found[f"{effect.name}_sigma"][None] for effect in made.effects],
    )
    assert found["marginal_log_likelihood"] == pytest.approx(expected, rel=1e-10)
    for term in made.terms:
        assert np.shape(found[term.name]) == (() if term.levels is None else (len(term.levels),))


def test_the_correlation_has_the_lkj_prior(statistics):
    model = marginal_model(statistics, priors=LINE | SLOPES | LKJ)
    draws = pm.draw(model["std_age|county_corr"], 4000, random_seed=1)
    assert stats.kstest((draws + 1) / 2, stats.beta(2, 2).cdf).pvalue > 0.001


def test_hostile_names_and_a_group_of_one():
    rng = np.random.default_rng(1)
    y, x, g = 'a"b', "x|1; drop", "Grüße {} |g"
    rows = pd.DataFrame({y: rng.normal(size=30), x: rng.normal(size=30)})
    rows[g] = ["only"] + ['o"ne|', "two"] * 14 + ["two"]
    priors = {
        "Intercept": LINE["Intercept"],
        x: LINE["std_age"],
        "sigma": LINE["sigma"],
        f"1|{g}": LINE["1|county"],
    }
    statistics = group_statistics(rows, f"`{y}` ~ `{x}` + (1 | `{g}`)")
    fit = without_effects(collapsed_posterior(statistics, priors=priors, seed=1, draws=50))
    done = draw_group_effects(fit, statistics, seed=1, rows=rows)
    assert done[f"posterior/1|{g}"].dims == ("chain", "draw", f"{g}__factor_dim")
    assert np.isfinite(done[f"log_likelihood/{y}"]).all()
    marginal_model(statistics, priors=priors)


def without_effects(posterior):
    fit = posterior.to_datatree()
    kept = fit["posterior"].to_dataset()
    others = [dim for dim in kept.dims if str(dim).endswith("__factor_dim")]
    fit["posterior"] = kept.drop_dims(others)
    return fit


def test_fits_and_rows_that_do_not_belong_are_named(statistics, visits):
    made = {"priors": LINE, "seed": 1, "formula": INTERCEPTS, "draws": 50}
    fit = without_effects(collapsed_posterior(statistics, **made))
    strangers = visits.astype({"county": str}).replace({"county": {"Kent": "Sussex"}})
    wanted = {"seed": 1, "formula": INTERCEPTS}
    with pytest.raises(ValueError, match="the group 'Sussex', which the statistics lack"):
        draw_group_effects(fit, statistics, rows=strangers, **wanted)
    with pytest.raises(ValueError, match=r"missing or infinite values.* 'std_age'"):
        draw_group_effects(fit, statistics, rows=visits.assign(std_age=np.nan), **wanted)
    with pytest.raises(ValueError, match=r"holds no 'std_age\|county_sigma'"):
        draw_group_effects(fit, statistics, seed=1)
    other = group_statistics(visits, "bounce_time ~ age + (1 | county)")
    with pytest.raises(ValueError, match="holds no 'age'"):
        draw_group_effects(fit, other, seed=1)
    elsewhere = group_statistics(strangers, INTERCEPTS)
    with pytest.raises(ValueError, match="the groups of the fit are not those"):
        draw_group_effects(collapsed_posterior(statistics, **made).to_datatree(), elsewhere, seed=1)


def test_a_fit_knows_its_statistics(compiled, statistics, visits):
    fit = nutpie.sample(compiled, draws=5, tune=50, chains=1, seed=1, progress_bar=False)
    draw_group_effects(fit, statistics, seed=1)
    fewer = group_statistics(visits.iloc[1:], FORMULA)
    with pytest.raises(ValueError, match="of other statistics or another formula: 8 groups, 613"):
        draw_group_effects(fit, fewer, seed=1)


def test_a_column_with_a_helpers_name_is_refused(visits):
    rows = visits.rename(columns={"std_age": "log_sigma"})
    statistics = group_statistics(rows, "bounce_time ~ log_sigma + (1 | county)")
    priors = {"log_sigma" if key == "std_age" else key: prior for key, prior in LINE.items()}
    with pytest.raises(ValueError, match="'log_sigma' has the name of a helper: rename it"):
        marginal_model(statistics, priors=priors)


def test_rows_are_scored_with_factors_and_group_means(children):
    formula = "distance ~ sex * age + group_mean(age) + (age | subject)"
    rows = children.assign(age=children["age"] + (children["subject"].str[1:].astype(int) % 3))
    statistics = group_statistics(rows, formula)
    made = design(statistics)
    spread = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=2))
    priors = {term.name: Prior("Normal", mu=0, sigma=2) for term in made.terms}
    priors |= {"Intercept": Prior("Normal", mu=24, sigma=5), "sigma": Prior("HalfNormal", sigma=5)}
    priors |= {effect.name: spread for effect in made.effects}
    fit = collapsed_posterior(statistics, priors=priors, seed=1).to_datatree()
    fit = draw_group_effects(fit, statistics, seed=1, rows=rows)
    one = fit["posterior"].to_dataset().isel(chain=1, draw=7)
    male = (rows["sex"] == "Male").astype(float)
    mean = rows.groupby("subject", observed=True)["age"].transform("mean")
    subject = {"subject__factor_dim": rows["subject"].to_numpy(str)}
    at = one["Intercept"].item() + one["age"].item() * rows["age"]
    at += male * (one["sex"].item() + one["sex:age"].item() * rows["age"])
    at += one["group_mean(age)"].item() * mean + one["1|subject"].sel(subject).to_numpy()
    at += one["age|subject"].sel(subject).to_numpy() * rows["age"]
    expected = stats.norm.logpdf(rows["distance"], at, one["sigma"].item())
    found = fit["log_likelihood/distance"].isel(chain=1, draw=7)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
