"""What a prior imagines, summed up: against closed forms, and what must not change it."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from lmm_helpers.checks.plausibility import plausibility

GROUPS = np.repeat(["Kent", "Devon", "Essex", "London"], 25)
INTERVAL = ["low", "high", "spread", "spread_low", "spread_high"]


def normal(mean, sd, pages=4000, rows=100, seed=1):
    return np.random.default_rng(seed).normal(mean, sd, size=(pages, rows))


def test_shares_and_interval_of_normal_draws_are_those_of_the_normal_distribution():
    law = stats.norm(200, 120)
    found = plausibility(normal(200, 120), groups=GROUPS, limits=(0, 400), ci_prob=0.8)
    assert found["below"] == pytest.approx(law.cdf(0), abs=0.002)
    assert found["above"] == pytest.approx(law.sf(400), abs=0.002)
    assert found["low"] == pytest.approx(law.ppf(0.1), abs=1.5)
    assert found["high"] == pytest.approx(law.ppf(0.9), abs=1.5)


def test_spread_between_means_follows_its_chi_distribution():
    sd, counties, visits = 30, 4, 25
    between = normal(0, sd, rows=counties)
    pages = np.repeat(between, visits, axis=1) + normal(200, 50, seed=2)
    found = plausibility(pages, groups=GROUPS)
    of_means = np.sqrt(sd**2 + 50**2 / visits)
    law = stats.chi(counties - 1, scale=of_means / np.sqrt(counties - 1))
    expected = law.ppf([0.05, 0.5, 0.95])
    np.testing.assert_allclose(
        found[["spread_low", "spread", "spread_high"]].astype(float), expected, rtol=0.05
    )


def test_the_spread_is_the_standard_deviation_of_the_county_means():
    exact = np.repeat([[190.0, 200.0, 210.0, 220.0]], 25, axis=1).repeat(3, axis=0)
    found = plausibility(exact, groups=GROUPS)
    assert found["spread"] == pytest.approx(np.std([190, 200, 210, 220], ddof=1))
    assert found["spread_low"] == found["spread_high"] == found["spread"]


simulated = arrays(float, (5, 8), elements=st.integers(-300, 700).map(float))
labels = np.array(list("aabbbccc"))


@given(simulated, st.floats(0.05, 0.95))
def test_shares_are_shares_and_intervals_are_in_order(pages, ci_prob):
    found = plausibility(pages, groups=labels, ci_prob=ci_prob)
    assert 0 <= found["below"] <= 1 - found["above"] <= 1
    assert pages.min() <= found["low"] <= found["high"] <= pages.max()
    assert 0 <= found["spread_low"] <= found["spread"] <= found["spread_high"]


@given(simulated, st.integers(-500, 500))
def test_a_shift_of_everything_moves_the_interval_and_nothing_else(pages, shift):
    before = plausibility(pages, groups=labels, limits=(0, 400))
    after = plausibility(pages + shift, groups=labels, limits=(shift, 400 + shift))
    before[["low", "high"]] += shift
    np.testing.assert_allclose(after, before, atol=1e-9)


@given(simulated, st.sampled_from([0.5, 2.0, 60.0]))
def test_another_unit_of_time_rescales_all_but_the_shares(pages, factor):
    before = plausibility(pages, groups=labels, limits=(0, 400))
    after = plausibility(pages * factor, groups=labels, limits=(0, 400 * factor))
    before[INTERVAL] *= factor
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@given(simulated, st.permutations(range(8)), st.permutations(range(5)))
def test_the_order_of_rows_and_pages_does_not_matter(pages, rows, order):
    mixed = plausibility(pages[order][:, rows], groups=labels[rows])
    np.testing.assert_allclose(mixed, plausibility(pages, groups=labels), atol=1e-9)


def test_values_on_the_limits_are_possible():
    found = plausibility(np.array([[0.0, 400.0, -0.1, 400.1]]), groups=list("aabb"))
    assert (found["below"], found["above"]) == (0.25, 0.25)


def test_wider_intervals_hold_narrower_ones():
    narrow, wide = (plausibility(normal(0, 1), groups=GROUPS, ci_prob=p) for p in (0.5, 0.9))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_draws_from_bambi_are_read_as_pages():
    pages = normal(200, 50, pages=6)
    draws = xr.DataArray(pages.reshape(2, 3, -1), dims=("chain", "draw", "__obs__"))
    for form in (draws, draws.transpose("__obs__", "draw", "chain")):
        np.testing.assert_allclose(
            plausibility(form, groups=GROUPS), plausibility(pages, groups=GROUPS)
        )


def test_infinite_and_enormous_values_are_summed_up_too():
    pages = normal(200, 50, pages=4)
    pages[0, 0], pages[1, 0], pages[1, 99], pages[2] = np.inf, -np.inf, np.inf, 1e308
    found = plausibility(pages, groups=GROUPS)
    assert found["above"] == pytest.approx(102 / 400)
    assert found["spread_high"] == np.inf
    assert np.isfinite(found["spread_low"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": (400, 0)}, "limits are"),
        ({"ci_prob": 90}, "ci_prob is a probability between 0 and 1; got 90"),
        ({"groups": ["Kent"] * 100}, "fewer than two different labels"),
        ({"groups": ["Kent", None] * 50}, r"groups\[1\] is missing"),
        ({"groups": ["Kent", "Devon"]}, r"simulated has the shape \(4000, 100\)"),
        ({"simulated": normal(0, 1, pages=0)}, "simulated has no pages"),
        ({"simulated": np.full((2, 100), np.nan)}, "page 0, row 0"),
    ],
)
def test_bad_input_is_named_with_its_remedy(changes, message):
    arguments = {"simulated": normal(0, 1), "groups": GROUPS, **changes}
    with pytest.raises(ValueError, match=message):
        plausibility(arguments.pop("simulated"), **arguments)
