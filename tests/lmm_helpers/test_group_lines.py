"""The closed form of the group lines against brute force: one big normal distribution."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from lmm_helpers import group_lines, load_bounce
from lmm_large import Prior

VISITS = load_bounce()
PRIORS = {
    "Intercept": Prior("Normal", mu=200, sigma=50),
    "std_age": Prior("Normal", mu=0, sigma=10),
}


def few(n, seed=1):
    return VISITS.groupby("county", observed=True).sample(n, random_state=seed)


def brute(visits, sigma, tau0, tau1):
    """Write data and lines as one normal vector and condition on the data."""
    codes = pd.factorize(visits["county"], sort=True)[0]
    x, y = visits["std_age"].to_numpy(), visits["bounce_time"].to_numpy()
    groups = codes.max() + 1
    own = np.eye(groups)[codes]
    # as in Bambi, the prior of the intercept is that at the mean of the predictor
    basis = np.column_stack([np.ones(len(x)), x - x.mean(), own, own * x[:, None]])
    mean = np.r_[200, 0, np.zeros(2 * groups)]
    covariance = np.diag(np.r_[50.0, 10.0, np.full(groups, tau0), np.full(groups, tau1)] ** 2)
    of_data = basis @ covariance @ basis.T + sigma**2 * np.eye(len(x))
    found = mean + covariance @ basis.T @ np.linalg.solve(of_data, y - basis @ mean)
    found[0] -= found[1] * x.mean()
    lines = np.column_stack([found[0] + found[2 : 2 + groups], found[1] + found[2 + groups :]])
    density = stats.multivariate_normal(basis @ mean, of_data).logpdf(y)
    return density, found[:2], lines


@settings(deadline=None)
@given(
    st.floats(0.5, 50), st.one_of(st.just(0.0), st.floats(0.01, 100)),
    st.one_of(st.just(0.0), st.floats(0.01, 30)), st.integers(1, 7),
)  # fmt: skip
def test_agrees_with_one_big_normal_distribution(sigma, tau0, tau1, n):
    visits = few(n)
    expected = brute(visits, sigma, tau0, tau1)
    found = group_lines(visits, sigma=sigma, tau0=tau0, tau1=tau1, priors=PRIORS)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)


def test_the_whole_data_set_and_a_grid_of_spreads():
    found = group_lines(
        VISITS, sigma=[[8], [9]], tau0=[2, 5, 13], tau1=[[[1]], [[4]]], priors=PRIORS
    )
    assert found.log_likelihood.shape == (2, 2, 3)
    assert found.population.shape == (2, 2, 3, 2)
    assert found.groups.shape == (2, 2, 3, 8, 2)
    density, population, lines = brute(VISITS, 9, 5, 4)
    assert found.log_likelihood[1, 1, 1] == pytest.approx(density)
    np.testing.assert_allclose(found.population[1, 1, 1], population)
    np.testing.assert_allclose(found.groups[1, 1, 1], lines)


def test_the_two_ends_are_complete_and_no_pooling():
    wide = {key: Prior("Normal", mu=0, sigma=1e5) for key in PRIORS}
    visits = few(7)
    complete = group_lines(visits, sigma=8, tau0=0, priors=wide).groups
    everybody = np.polyfit(visits["std_age"], visits["bounce_time"], 1)[::-1]
    np.testing.assert_allclose(complete, np.tile(everybody, (8, 1)), rtol=1e-5)
    alone = group_lines(visits, sigma=8, tau0=1e5, tau1=1e5, priors=wide).groups
    by_county = [
        np.polyfit(part["std_age"], part["bounce_time"], 1)[::-1]
        for _, part in visits.groupby("county", observed=True)
    ]
    np.testing.assert_allclose(alone, by_county, rtol=1e-3)


def test_the_likelihood_is_a_density_of_the_data():
    one = pd.DataFrame({"county": ["a"], "std_age": [0.7], "bounce_time": [0.0]})

    def density(time):
        spreads = {"sigma": 8, "tau0": 13, "tau1": 2}
        found = group_lines(one.assign(bounce_time=time), **spreads, priors=PRIORS)
        return np.exp(found.log_likelihood)

    assert integrate.quad(density, -200, 600)[0] == pytest.approx(1, abs=1e-6)


def test_groups_are_data_and_their_order_is_that_of_the_categories():
    names = ["z | (1", 'a"b', "<b>"]
    visits = pd.DataFrame({
        "the group": pd.Categorical(names * 2, categories=[*names, "empty"], ordered=True),
        "an x": [0.0, 1, 2, 1, 0, 1], "a y": [100.0, 200, 300, 100, 200, 300],
    })  # fmt: skip
    columns = {"predictor": "an x", "response": "a y", "group": "the group"}
    priors = {"Intercept": PRIORS["Intercept"], "an x": PRIORS["std_age"]}
    lines = group_lines(visits, sigma=1, tau0=1e3, priors=priors, **columns).groups
    assert lines.shape == (3, 2)
    assert lines[:, 0].argsort().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("visits", "changes", "message"),
    [
        (VISITS.drop(columns="std_age"), {}, "column 'std_age' is missing"),
        (VISITS.assign(bounce_time=np.nan), {}, "infinite values: 613 in column 'bounce_time'"),
        (VISITS.iloc[:0], {}, "no usable row is left"),
        (VISITS, {"sigma": 0}, "sigma holds"),
        (VISITS, {"tau0": [-1, 2]}, "tau0 holds"),
        (VISITS, {"tau1": np.inf}, "tau1 holds .* finite, zero or above"),
        (VISITS, {"priors": {"std_age": PRIORS["std_age"]}}, "priors lack 'Intercept'"),
        (VISITS, {"priors": PRIORS | {"std_age": (0, 10)}}, "the prior of 'std_age' is a Normal"),
    ],
)
def test_bad_input_is_named_with_its_remedy(visits, changes, message):
    with pytest.raises(ValueError, match=message):
        group_lines(visits, **({"sigma": 8, "tau0": 13, "priors": PRIORS} | changes))


@pytest.mark.parametrize("far", [0.0, 1e9])
def test_a_predictor_far_from_zero_costs_no_digits(far):
    """The same visits, on a grid so that moving them is exact, and their lines at the old zero."""
    steps = VISITS.assign(std_age=(VISITS["std_age"] * 256).round() / 256)
    steps = steps.groupby("county", observed=True).head(4)  # means that are exact as well
    at = {"sigma": 8, "tau0": 13, "priors": PRIORS}
    near = group_lines(steps, **at)
    moved = group_lines(steps.assign(std_age=steps["std_age"] + far), **at)
    assert moved.log_likelihood == pytest.approx(near.log_likelihood, abs=1e-7)
    assert moved.population[1] == pytest.approx(near.population[1], rel=1e-9)
