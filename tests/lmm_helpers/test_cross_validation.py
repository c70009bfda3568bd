"""Cross-validation: sums by group, and groups that a model has not seen, against closed forms."""

from types import SimpleNamespace

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

from lmm_helpers import candidate_models, elpd_by_group, leave_one_group_out, load_bounce
from lmm_helpers.checks import cross_validation
from lmm_helpers.checks.convergence import judge_convergence
from lmm_helpers.checks.cross_validation import _log_density_by_group

GROUPS = ["O'Neill | Co", "b c", "b c", "O'Neill | Co", "b c", "single"]


def by(groups):
    return {"data": pd.DataFrame({"county": groups}), "group": "county"}


def loo_of(terms):
    return SimpleNamespace(elpd_i=xr.DataArray(np.asarray(terms, float), dims="visit"))


class TestElpdByGroup:
    def test_the_sums_add_up_to_the_total(self):
        terms = np.random.default_rng(1).normal(-3, 1, 6)
        table = elpd_by_group(loo_of(terms), **by(GROUPS))
        assert table["elpd"].sum() == pytest.approx(terms.sum())
        assert table["observations"].sum() == len(terms)

    def test_each_group_against_a_direct_loop(self):
        rng = np.random.default_rng(2)
        ours, theirs = rng.normal(-3, 1, 6), rng.normal(-3, 1, 6)
        table = elpd_by_group(loo_of(ours), **by(GROUPS), reference=loo_of(theirs))
        for group in set(GROUPS):
            own = [a - b for a, b, g in zip(ours, theirs, GROUPS, strict=True) if g == group]
            assert table.loc[group, "elpd"] == pytest.approx(sum(own))
            assert table.loc[group, "mean"] == pytest.approx(np.mean(own))
            if len(own) > 1:
                assert table.loc[group, "se"] == pytest.approx(
                    np.sqrt(len(own)) * np.std(own, ddof=1)
                )
            else:
                assert np.isnan(table.loc[group, "se"])

    def test_one_group_is_what_arviz_says(self):
        rng = np.random.default_rng(3)
        draws = {"y": rng.normal(-3, 0.1, size=(4, 500, 20)) + rng.normal(size=20)}
        fit = az.from_dict({"posterior": {"a": rng.normal(size=(4, 500))}, "log_likelihood": draws})
        loo = az.loo(fit, pointwise=True)
        table = elpd_by_group(loo, **by(["all"] * 20))
        assert table.loc["all", "elpd"] == pytest.approx(loo.elpd)
        assert table.loc["all", "se"] == pytest.approx(loo.se, rel=0.03)  # its divisor is n

    def test_ordered_groups_keep_their_order(self):
        groups = pd.Series(pd.Categorical(["a", "b"], categories=["b", "a"], ordered=True))
        assert list(elpd_by_group(loo_of([1, 2]), **by(groups)).index) == ["b", "a"]

    @pytest.mark.parametrize(
        ("loo", "change", "message"),
        [
            (loo_of([1, 2, np.nan, 4, 5, 6]), {}, "elpd of observation 2 is NaN"),
            (SimpleNamespace(elpd_i=None), {}, "pointwise=True"),
            (loo_of(range(6)), by(["a"]), "1 rows for 6 observations"),
            (loo_of(range(6)), by([*"abcde", None]), "column 'county' is missing in row 5"),
            (loo_of(range(6)), {"reference": loo_of([1])}, "reference has 1 observations"),
        ],
    )
    def test_what_cannot_be_added_up_is_refused(self, loo, change, message):
        with pytest.raises(ValueError, match=message):
            elpd_by_group(loo, **(by(GROUPS) | change))


@pytest.mark.parametrize("effects", [0, 1, 2, 3])
def test_log_densities_are_those_of_the_multivariate_normal(effects):
    rng = np.random.default_rng(4)
    codes = np.array([0, 1, 1, 0, 1, 2, 1])
    residual, sigma = rng.normal(size=7), rng.uniform(1, 2, size=3)
    spreads, predictors = rng.uniform(0.5, 2, size=effects), rng.normal(size=(effects, 7))
    density = _log_density_by_group(
        pt.constant(residual), pt.constant(sigma), list(spreads), predictors, codes
    ).eval(mode="FAST_COMPILE")
    for code in range(3):
        own = codes == code
        loadings = spreads[:, None] * predictors[:, own]
        covariance = np.diag(np.full(own.sum(), sigma[code] ** 2)) + loadings.T @ loadings
        exact = stats.multivariate_normal(np.zeros(own.sum()), covariance)
        assert density[code] == pytest.approx(exact.logpdf(residual[own]))


def known(value):
    """A prior that leaves next to no doubt about a positive number."""
    return bmb.Prior("Gamma", alpha=1e5, beta=1e5 / value)


@pytest.fixture(scope="module")
def few_visits():
    rng = np.random.default_rng(5)
    county = np.repeat(["x | y", "it's", "Kent"], [3, 12, 6])
    age = rng.normal(0.5, 1, size=21)
    shift = pd.Series({"x | y": 8.0, "it's": -5.0, "Kent": 0.0})[county].to_numpy()
    time = 50 - 2 * age + shift + rng.normal(0, 3, size=21)
    return pd.DataFrame({"county": county, "age": age, "time": time})


def scores(visits, formula, priors, **settings):
    model = bmb.Model(
        formula, visits.astype({"county": "category"}), priors=priors, center_predictors=False
    )
    model.build()
    log_likelihood = xr.Dataset({"time": (("chain", "draw", "row"), np.zeros((4, 10, 21)))})
    fit = xr.DataTree.from_dict({"log_likelihood": log_likelihood})
    return leave_one_group_out(fit, model=model, **by(visits["county"]), seed=1, **settings)


KNOWN_LINE = {
    "Intercept": bmb.Prior("Normal", mu=50, sigma=1e-3),
    "age": bmb.Prior("Normal", mu=-2, sigma=1e-3),
    "1|county": bmb.Prior("Normal", mu=0, sigma=known(6)),
    "age|county": bmb.Prior("Normal", mu=0, sigma=known(2)),
}


def covariance_of(own, sigma):
    age = own["age"].to_numpy()
    return 36 + 4 * np.outer(age, age) + sigma**2 * np.eye(len(own))


@pytest.mark.slow
def test_a_new_group_scores_as_the_multivariate_normal_says(few_visits):
    new = scores(few_visits, "time ~ age + (age | county)", KNOWN_LINE | {"sigma": known(3)})
    for county, own in few_visits.groupby("county"):
        mean, covariance = 50 - 2 * own["age"], covariance_of(own, 3)
        exact = stats.multivariate_normal(mean, covariance).logpdf(own["time"])
        assert new.joint[county] == pytest.approx(exact, abs=0.05)
        alone = stats.norm(mean, np.sqrt(np.diag(covariance))).logpdf(own["time"])
        assert new.pointwise.elpd_i.to_numpy()[own.index] == pytest.approx(alone, abs=0.03)
    assert new.pointwise.elpd == pytest.approx(new.pointwise.elpd_i.sum().item())


@pytest.mark.slow
def test_a_new_group_has_a_spread_of_its_own(few_visits):
    spread = {
        "Intercept": bmb.Prior("Normal", mu=1, sigma=1e-3),
        "1|county": bmb.Prior("Normal", mu=0, sigma=known(0.4)),
    }
    formula = bmb.Formula("time ~ age + (age | county)", "sigma ~ 1 + (1 | county)")
    new = scores(few_visits, formula, KNOWN_LINE | {"sigma": spread})
    sigmas = np.exp(stats.norm(1, 0.4).ppf((np.arange(400) + 0.5) / 400))
    for county, own in few_visits.groupby("county"):
        each = [
            stats.multivariate_normal(50 - 2 * own["age"], covariance_of(own, s)).logpdf(
                own["time"]
            )
            for s in sigmas
        ]
        exact = logsumexp(each) - np.log(len(each))
        assert new.joint[county] == pytest.approx(exact, abs=0.15)


@pytest.mark.slow
def test_a_group_does_not_inform_its_own_prediction(few_visits):
    """With a known spread, the mean of the others is normal, and so is the prediction."""
    visits = few_visits.assign(time=np.random.default_rng(6).normal(50, 3, size=21))
    mean = bmb.Prior("Normal", mu=40, sigma=20)
    new = scores(visits, "time ~ 1", {"Intercept": mean, "sigma": known(3)})
    for county, own in visits.groupby("county"):
        others = visits.drop(index=own.index)["time"]
        precision = 1 / 20**2 + len(others) / 3**2
        centre = (40 / 20**2 + others.sum() / 3**2) / precision
        covariance = np.full((len(own), len(own)), 1 / precision) + 9 * np.eye(len(own))
        exact = stats.multivariate_normal(np.full(len(own), centre), covariance)
        assert new.joint[county] == pytest.approx(exact.logpdf(own["time"]), abs=0.1)


@pytest.mark.slow
def test_a_refit_that_does_not_converge_is_refused(few_visits):
    with pytest.raises(RuntimeError, match="the refit without 'Kent' fails R-hat"):
        scores(few_visits, "time ~ age", {}, draws=20, tune=20)


@pytest.mark.slow
def test_the_refusal_names_the_group_whose_refit_failed(few_visits, monkeypatch):
    passed = iter([True, False])

    def second_fails(fit):
        verdict = judge_convergence(fit)
        verdict["passed"] = next(passed)
        return verdict

    monkeypatch.setattr(cross_validation, "judge_convergence", second_fails)
    with pytest.raises(RuntimeError, match='the refit without "it\'s" fails divergences'):
        scores(few_visits, "time ~ age", {})


class TestRefusals:
    @pytest.fixture
    def fit(self):
        zeros = xr.Dataset({"bounce_time": (("chain", "draw", "row"), np.zeros((4, 10, 613)))})
        return xr.DataTree.from_dict({"log_likelihood": zeros})

    def test_terms_of_another_grouping(self, fit):
        visits = load_bounce()
        model = candidate_models(visits)["varying intercept"]
        with pytest.raises(ValueError, match=r"'1\|county' is grouped otherwise"):
            leave_one_group_out(fit, model=model, **by(visits["age"] > 40), seed=1)

    def test_centred_effects(self, fit):
        visits = load_bounce()
        model = bmb.Model("bounce_time ~ std_age + (1 | county)", visits, noncentered=False)
        with pytest.raises(ValueError, match="noncentered=True"):
            leave_one_group_out(fit, model=model, **by(visits["county"]), seed=1)

    def test_a_spread_that_differs_within_groups(self, fit):
        visits = load_bounce()
        model = bmb.Model(bmb.Formula("bounce_time ~ 1", "sigma ~ std_age"), visits)
        with pytest.raises(ValueError, match="intercepts only"):
            leave_one_group_out(fit, model=model, **by(visits["county"]), seed=1)

    def test_a_missing_label(self, fit):
        visits = load_bounce()
        model = candidate_models(visits)["varying intercept"]
        with pytest.raises(ValueError, match="column 'county' is missing in row 1"):
            leave_one_group_out(
                fit, model=model, **by(visits["county"].where(visits.index != 1)), seed=1
            )

    def test_another_family(self, fit):
        visits = load_bounce()
        model = bmb.Model("bounce_time ~ std_age", visits, family="t")
        with pytest.raises(ValueError, match="'gaussian'"):
            leave_one_group_out(fit, model=model, **by(visits["county"]), seed=1)
