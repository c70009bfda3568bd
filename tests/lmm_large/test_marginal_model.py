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
from lmm_large.group_model import group_data, log_likelihood

COLUMNS = ("bounce_time", "std_age", "county")
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
    return group_statistics(visits, *COLUMNS)


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
    model = marginal_model(statistics, priors=LINE | change)
    (potential,) = model.potentials
    point = {variable.name: model.initial_point()[variable.name] for variable in model.value_vars}
    rng = np.random.default_rng(4)
    point = {name: value + rng.normal(size=np.shape(value)) for name, value in point.items()}
    outputs = [potential, *model.free_RVs, *model.deterministics]
    compute = model.compile_fn(
        model.replace_rvs_by_values(outputs),
        inputs=model.value_vars,
        on_unused_input="ignore",
        mode="FAST_COMPILE",
    )
    found = dict(zip([v.name for v in outputs], compute(point), strict=True))
    data = group_data(statistics)
    sigma = found.get("sigma")
    if sigma is None:
        sigma = np.exp(found["sigma_Intercept"] + found["sigma_1|county"])
    expected = log_likelihood(
        data,
        found["Intercept_centered"] - data.grand_response,
        found["std_age"],
        sigma,
        found["1|county_sigma"],
        found.get("std_age|county_sigma", 0.0),
        found.get("std_age|county_corr", 0.0),
    )
    assert found["marginal_log_likelihood"] == pytest.approx(expected.sum(), rel=1e-10)
    level = found["Intercept"] + found["std_age"] * data.grand_predictor
    assert level == pytest.approx(found["Intercept_centered"])


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
        "Intercept": LINE["sigma"],
        x: LINE["std_age"],
        "sigma": LINE["sigma"],
        f"1|{g}": LINE["1|county"],
    }
    statistics = group_statistics(rows, y, x, g)
    fit = collapsed_like(statistics, priors)
    done = draw_group_effects(fit, statistics, seed=1, rows=rows)
    assert done[f"posterior/1|{g}"].dims == ("chain", "draw", f"{g}__factor_dim")
    assert np.isfinite(done[f"log_likelihood/{y}"]).all()
    marginal_model(statistics, priors=priors)


def collapsed_like(statistics, priors):
    usable = priors | {"Intercept": LINE["Intercept"]}
    fit = collapsed_posterior(statistics, priors=usable, seed=1, draws=50).to_datatree()
    fit["posterior"] = (
        fit["posterior"]
        .to_dataset()
        .drop_dims([dim for dim in fit["posterior"].dims if dim not in ("chain", "draw")])
    )
    return fit


def test_fits_and_rows_that_do_not_belong_are_named(statistics, visits):
    fit = collapsed_like(statistics, LINE)
    strangers = visits.astype({"county": str}).replace({"county": {"Kent": "Sussex"}})
    with pytest.raises(ValueError, match="group 'Sussex', which the statistics lack"):
        draw_group_effects(fit, statistics, seed=1, rows=strangers)
    with pytest.raises(ValueError, match="missing or infinite"):
        draw_group_effects(fit, statistics, seed=1, rows=visits.assign(std_age=np.nan))
    other = group_statistics(visits, "bounce_time", "age", "county")
    with pytest.raises(ValueError, match="holds no 'age'"):
        draw_group_effects(fit, other, seed=1)
