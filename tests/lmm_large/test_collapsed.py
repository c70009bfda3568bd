"""The collapsed route against quadrature, ArviZ and the gate of the book; and where it refuses."""

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lmm_helpers import check_convergence, group_lines, load_bounce
from lmm_large import Prior, collapsed, collapsed_posterior, group_statistics
from lmm_large.collapsed import pareto_smoothed

ALL, INTERCEPTS = (f"bounce_time ~ std_age + ({effects} | county)" for effects in ("std_age", 1))
LINE = {
    "Intercept": Prior("Normal", mu=200, sigma=50),
    "std_age": Prior("Normal", mu=0, sigma=10),
    "sigma": Prior("HalfNormal", sigma=20),
    "1|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=15)),
}
SLOPES = {"std_age|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5))}
LKJ = {"std_age|county_corr": Prior("LKJ", eta=2)}


@pytest.fixture(scope="module")
def statistics():
    return group_statistics(load_bounce(), ALL)


def formula(priors):
    return ALL if "std_age|county" in priors else INTERCEPTS


def quadrature(visits, slopes):
    """Return means of everything, on a grid of midpoints over the spreads.

    The lines given the spreads are those of chapter 7, which another test holds to brute force.
    """
    nodes = [(6.5, 9.5, 12), (0, 70, 70), (0, 15, 60)][: 2 + slopes]
    axes = [low + (np.arange(n) + 0.5) * (high - low) / n for low, high, n in nodes]
    sigma, tau0, *tau1 = np.meshgrid(*axes, indexing="ij")
    found = group_lines(
        visits, sigma=sigma, tau0=tau0, tau1=tau1[0] if slopes else 0.0, priors=LINE
    )
    log_density = found.log_likelihood
    for spread, scale in zip((sigma, tau0, *tau1), (20, 15, 5), strict=False):
        log_density = log_density - 0.5 * (spread / scale) ** 2
    share = np.exp(log_density - log_density.max())
    share /= share.sum()
    effects = found.groups - found.population[..., None, :]
    means = {
        "Intercept": found.population[..., 0],
        "std_age": found.population[..., 1],
        "sigma": sigma,
        "1|county_sigma": tau0,
        "1|county": effects[..., 0],
    }
    if slopes:
        means |= {"std_age|county_sigma": tau1[0], "std_age|county": effects[..., 1]}
    over = list(range(share.ndim))
    return {name: np.tensordot(share, values, (over, over)) for name, values in means.items()}


@pytest.mark.slow
@pytest.mark.parametrize("slopes", [False, True])
def test_agrees_with_quadrature_over_twenty_seeds(statistics, slopes):
    visits = load_bounce()
    truth = quadrature(visits, slopes)
    scores = []
    for seed in range(20):
        priors = LINE | (SLOPES if slopes else {})
        draws = collapsed_posterior(
            statistics, priors=priors, seed=seed, formula=formula(priors)
        ).draws
        assert set(draws) == set(truth)
        for name, mean in truth.items():
            values = draws[name].reshape(4000, -1)
            scores += list((values.mean(axis=0) - mean) / values.std(axis=0) * np.sqrt(4000))
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.2
    assert np.max(np.abs(scores)) < 4.5


@pytest.mark.parametrize("priors", [LINE, LINE | SLOPES, LINE | SLOPES | LKJ])
def test_passes_its_judge_and_the_gate_of_the_book(statistics, priors):
    posterior = collapsed_posterior(statistics, priors=priors, seed=3, formula=formula(priors))
    assert posterior.khat < 0.7
    assert posterior.effective > 4000
    fit = posterior.to_datatree()
    verdict = check_convergence(fit)
    assert verdict.attrs["smallest_ess"] > 2000
    effects = fit["posterior/1|county"]
    assert effects.dims == ("chain", "draw", "county__factor_dim")
    assert tuple(effects["county__factor_dim"].to_numpy().tolist()) == statistics.labels


@pytest.mark.parametrize(
    ("prior", "known"),
    [
        (Prior("HalfNormal", sigma=2), stats.halfnorm(scale=2)),
        (Prior("Exponential", lam=0.5), stats.expon(scale=2)),
        (Prior("HalfStudentT", nu=5, sigma=2), stats.t(5, scale=2)),
        (Prior("HalfCauchy", beta=2), stats.cauchy(scale=2)),
        (Prior("Gamma", alpha=3, beta=0.5), stats.gamma(3, scale=2)),
        (Prior("Gamma", alpha=0.5, beta=0.5), stats.gamma(0.5, scale=2)),  # infinite at zero
        (Prior("InverseGamma", alpha=3, beta=2), stats.invgamma(3, scale=2)),
        (Prior("LogNormal", mu=0, sigma=1), stats.lognorm(1)),
        (Prior("Weibull", alpha=2, beta=2), stats.weibull_min(2, scale=2)),
        (Prior("Uniform", lower=0, upper=3), stats.uniform(0, 3)),
    ],
)
@pytest.mark.parametrize("eta", [1, 2, 5])
def test_what_the_data_do_not_tell_is_as_the_prior_has_it(prior, known, eta):
    """Where the predictor is zero throughout, slopes do not show."""
    rows = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 2], "x": 0.0, "g": list("aabbcc")})
    priors = {
        "Intercept": Prior("Normal", mu=0, sigma=5),
        "x": Prior("Normal", mu=1, sigma=3),
        "sigma": Prior("HalfNormal", sigma=3),
        "1|g": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=3)),
        "x|g": Prior("Normal", mu=0, sigma=prior),
        "x|g_corr": Prior("LKJ", eta=eta),
    }
    statistics = group_statistics(rows, "y ~ x + (x | g)")
    found = collapsed_posterior(statistics, priors=priors, seed=1).draws

    def below(value):
        return known.cdf(value) if known.support()[0] == 0 else 2 * known.cdf(value) - 1

    corr = stats.beta(eta, eta, loc=-1, scale=2).cdf
    line = stats.norm(1, 3).cdf
    for name, cdf in {"x|g_sigma": below, "x|g_corr": corr, "x": line}.items():
        assert stats.kstest(found[name].ravel(), cdf).pvalue > 0.001, name


def rows_and_priors(response, groups):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"y": response, "x": rng.normal(size=len(response)), "g": groups})
    spread = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=3))
    line = {name: Prior("Normal", mu=0, sigma=5) for name in ("Intercept", "x")}
    spreads = {"sigma": Prior("HalfNormal", sigma=3), "1|g": spread, "x|g": spread}
    priors = line | spreads | {"x|g_corr": Prior("LKJ", eta=2)}
    return group_statistics(rows, "y ~ x + (x | g)"), priors


@pytest.mark.parametrize("groups", [[0], [0] * 40, [*([0] * 39), 1]])
def test_single_rows_and_single_groups_are_fitted(groups):
    statistics, priors = rows_and_priors(np.random.default_rng(2).normal(size=len(groups)), groups)
    found = collapsed_posterior(statistics, priors=priors, seed=1)
    assert found.khat < 0.7
    assert np.isfinite(found.draws["1|g"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("response", [np.zeros(40), np.resize([1e100, -1e100], 40)])
def test_data_that_no_spread_fits_are_refused(response):
    statistics, priors = rows_and_priors(response, np.arange(40) % 4)
    with pytest.raises(RuntimeError, match=r"does not fit here.*sample marginal_model"):
        collapsed_posterior(statistics, priors=priors, seed=1)


@pytest.mark.slow
def test_a_standard_deviation_that_piles_up_at_zero():
    refused = 0
    rng = np.random.default_rng(5)
    for seed in range(20):
        rows = pd.DataFrame(rng.normal(size=(200, 2)), columns=["y", "x"]).assign(
            g=np.arange(200) % 8
        )
        priors = {
            "Intercept": Prior("Normal", mu=0, sigma=5),
            "x": Prior("Normal", mu=0, sigma=5),
            "sigma": Prior("Exponential", lam=1),
            "1|g": Prior("Normal", mu=0, sigma=Prior("HalfStudentT", nu=3, sigma=1)),
            "x|g": Prior("Normal", mu=0, sigma=Prior("HalfCauchy", beta=1)),
        }
        try:
            collapsed_posterior(group_statistics(rows, "y ~ x + (x | g)"), priors=priors, seed=seed)
        except RuntimeError:
            refused += 1
    assert refused <= 1


def test_refuses_and_names_the_alternative(statistics, monkeypatch):
    monkeypatch.setattr(collapsed, "pareto_smoothed", lambda w: (w - np.log(len(w)), 0.9))
    with pytest.raises(RuntimeError, match=r"k-hat 0.90.*sample marginal_model"):
        collapsed_posterior(statistics, priors=LINE, seed=1, formula=INTERCEPTS)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"std_age": Prior("StudentT", nu=3, mu=0, sigma=9)},
            "under Normal priors; that of 'std_age' is .*StudentT.*marginal_model",
        ),
        ({"sigma": Prior("HalfNormal", sd=9)}, "the prior of 'sigma' is written"),
        ({"sigma": {"Intercept": LINE["Intercept"], "1|county": LINE["1|county"]}}, "one sigma"),
    ],
)
def test_priors_out_of_reach_are_refused(statistics, change, error):
    with pytest.raises(ValueError, match=error):
        collapsed_posterior(statistics, priors=LINE | change, seed=1, formula=INTERCEPTS)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), tail=st.floats(0.1, 3), count=st.integers(100, 5000))
def test_smoothing_is_that_of_arviz(seed, tail, count):
    log_weights = np.random.default_rng(seed).standard_exponential(count) * tail
    found, khat = pareto_smoothed(log_weights)
    expected, expected_khat = array_stats.psislw(-log_weights)
    assert khat == pytest.approx(float(expected_khat), abs=1e-8)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_a_seed_gives_the_same_draws(statistics):
    one, two = (
        collapsed_posterior(statistics, priors=LINE, seed=4, formula=INTERCEPTS) for _ in range(2)
    )
    np.testing.assert_array_equal(one.draws["1|county"], two.draws["1|county"])


@pytest.mark.slow
@pytest.mark.parametrize("correlated", [False, True])
def test_children_are_fitted_with_at_most_one_refusal_in_forty(children, correlated):
    statistics = group_statistics(children, "distance ~ age * sex + (age | subject)")
    priors = {
        "Intercept": Prior("Normal", mu=24, sigma=5),
        "age": Prior("Normal", mu=0, sigma=2),
        "sex": Prior("Normal", mu=0, sigma=5),
        "age:sex": Prior("Normal", mu=0, sigma=2),
        "sigma": Prior("HalfNormal", sigma=5),
        "1|subject": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5)),
        "age|subject": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=1)),
    }
    if correlated:
        priors["age|subject_corr"] = Prior("LKJ", eta=2)
    refused, means = 0, []
    for seed in range(40):
        try:
            found = collapsed_posterior(statistics, priors=priors, seed=seed)
        except RuntimeError:
            refused += 1
        else:
            means.append(found.draws["age|subject_sigma"].mean() / found.draws["sigma"].mean())
    assert refused <= 1
    assert np.std(means) < 3 * np.sqrt(1 / 4000)  # a ratio of about 0.08, its draws' sd 0.05


def test_a_factor_and_no_intercept_at_all(children):
    statistics = group_statistics(children, "distance ~ 0 + sex + age:sex + (1 | subject)")
    assert statistics.levels == {"sex": ("Female", "Male")}
    priors = {
        "sex": Prior("Normal", mu=20, sigma=10),
        "age:sex": Prior("Normal", mu=0, sigma=2),
        "sigma": Prior("HalfNormal", sigma=5),
        "1|subject": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5)),
    }
    fit = collapsed_posterior(statistics, priors=priors, seed=1).to_datatree()["posterior"]
    assert "Intercept" not in fit
    means = fit["sex"].mean(("chain", "draw"))
    assert means["sex_dim"].to_numpy().tolist() == ["Female", "Male"]
    # lme4: 17.373 and 16.341, slopes 0.480 and 0.784
    np.testing.assert_allclose(means, [17.37, 16.34], atol=0.6)
    np.testing.assert_allclose(fit["age:sex"].mean(("chain", "draw")), [0.48, 0.784], atol=0.05)
