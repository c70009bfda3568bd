"""What a prior imagines, summed up: against closed forms, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from lmm_helpers.checks.plausibility import plausibility

GROUPS = np.repeat(["Kent", "Devon", "Essex", "London"], 25)
INTERVAL = ["lower", "upper", "spread", "spread_lower", "spread_upper"]


def summed_up(simulated, groups=GROUPS, **settings):
    data = pd.DataFrame({"county": groups})
    return plausibility(simulated, data=data, group="county", **settings)


def normal(mean, sd, pages=4000, rows=100, seed=1):
    return np.random.default_rng(seed).normal(mean, sd, size=(pages, rows))


def test_shares_and_interval_of_normal_draws_are_those_of_the_normal_distribution():
    law = stats.norm(200, 120)
    summary = summed_up(normal(200, 120), limits=(0, 400), ci_prob=0.8)
    assert summary["below"] == pytest.approx(law.cdf(0), abs=0.002)
    assert summary["above"] == pytest.approx(law.sf(400), abs=0.002)
    assert summary["lower"] == pytest.approx(law.ppf(0.1), abs=1.5)
    assert summary["upper"] == pytest.approx(law.ppf(0.9), abs=1.5)


def test_spread_between_means_follows_its_chi_distribution():
    sd, counties, visits = 30, 4, 25
    between = normal(0, sd, rows=counties)
    pages = np.repeat(between, visits, axis=1) + normal(200, 50, seed=2)
    summary = summed_up(pages)
    of_means = np.sqrt(sd**2 + 50**2 / visits)
    law = stats.chi(counties - 1, scale=of_means / np.sqrt(counties - 1))
    expected = law.ppf([0.055, 0.5, 0.945])
    np.testing.assert_allclose(
        summary[["spread_lower", "spread", "spread_upper"]].astype(float), expected, rtol=0.05
    )


def test_the_spread_is_the_standard_deviation_of_the_county_means():
    exact = np.repeat([[190.0, 200.0, 210.0, 220.0]], 25, axis=1).repeat(3, axis=0)
    summary = summed_up(exact)
    assert summary["spread"] == pytest.approx(np.std([190, 200, 210, 220], ddof=1))
    assert summary["spread_lower"] == summary["spread_upper"] == summary["spread"]


simulated = arrays(float, (5, 8), elements=st.integers(-300, 700).map(float))
labels = np.array(list("aabbbccc"))


@given(simulated, st.floats(0.05, 0.95))
def test_shares_are_shares_and_intervals_are_in_order(pages, ci_prob):
    summary = summed_up(pages, groups=labels, ci_prob=ci_prob)
    assert 0 <= summary["below"] <= 1 - summary["above"] <= 1
    assert pages.min() <= summary["lower"] <= summary["upper"] <= pages.max()
    assert 0 <= summary["spread_lower"] <= summary["spread"] <= summary["spread_upper"]


@given(simulated, st.integers(-500, 500))
def test_a_shift_of_everything_moves_the_interval_and_nothing_else(pages, shift):
    before = summed_up(pages, groups=labels, limits=(0, 400))
    after = summed_up(pages + shift, groups=labels, limits=(shift, 400 + shift))
    before[["lower", "upper"]] += shift
    np.testing.assert_allclose(after, before, atol=1e-9)


@given(simulated, st.sampled_from([0.5, 2.0, 60.0]))
def test_another_unit_of_time_rescales_all_but_the_shares(pages, factor):
    before = summed_up(pages, groups=labels, limits=(0, 400))
    after = summed_up(pages * factor, groups=labels, limits=(0, 400 * factor))
    before[INTERVAL] *= factor
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@given(simulated, st.permutations(range(8)), st.permutations(range(5)))
def test_the_order_of_rows_and_pages_does_not_matter(pages, rows, order):
    mixed = summed_up(pages[order][:, rows], groups=labels[rows])
    np.testing.assert_allclose(mixed, summed_up(pages, groups=labels), atol=1e-9)


def test_values_on_the_limits_are_possible():
    summary = summed_up(np.array([[0.0, 400.0, -0.1, 400.1]]), groups=list("aabb"))
    assert (summary["below"], summary["above"]) == (0.25, 0.25)


def test_wider_intervals_hold_narrower_ones():
    narrow, wide = (summed_up(normal(0, 1), ci_prob=p) for p in (0.5, 0.9))
    assert wide["lower"] < narrow["lower"] < narrow["upper"] < wide["upper"]


def test_draws_from_bambi_are_read_as_pages():
    pages = normal(200, 50, pages=6)
    draws = xr.DataArray(pages.reshape(2, 3, -1), dims=("chain", "draw", "__obs__"))
    for form in (draws, draws.transpose("__obs__", "draw", "chain")):
        np.testing.assert_allclose(summed_up(form), summed_up(pages))


def test_infinite_and_enormous_values_are_summed_up_too():
    pages = normal(200, 50, pages=4)
    pages[0, 0], pages[1, 0], pages[1, 99], pages[2] = np.inf, -np.inf, np.inf, 1e308
    summary = summed_up(pages)
    assert summary["above"] == pytest.approx(102 / 400)
    assert summary["spread_upper"] == np.inf
    assert np.isfinite(summary["spread_lower"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": (400, 0)}, "limits are"),
        ({"ci_prob": 90}, "ci_prob is a probability between 0 and 1; got 90"),
        ({"groups": ["Kent"] * 100}, "fewer than two different groups"),
        ({"groups": ["Kent", None] * 50}, "column 'county' is missing in row 1"),
        ({"groups": ["Kent", "Devon"]}, r"simulated has the shape \(4000, 100\)"),
        ({"simulated": normal(0, 1, pages=0)}, "simulated has no pages"),
        ({"simulated": np.full((2, 100), np.nan)}, "page 0, row 0"),
    ],
)
def test_bad_input_is_named_with_its_remedy(changes, message):
    arguments = {"simulated": normal(0, 1), "groups": GROUPS, **changes}
    with pytest.raises(ValueError, match=message):
        summed_up(arguments.pop("simulated"), **arguments)
