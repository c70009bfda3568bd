"""Standardising, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lmm_helpers.data.standardization import Scale, standardize

values = arrays(float, st.integers(2, 40), elements=st.integers(-1000, 1000).map(float)).filter(
    lambda array: np.ptp(array) > 0
)


@given(values)
def test_standardised_values_have_mean_zero_and_sd_one_and_can_be_undone(original):
    standardized, scale = standardize(original)
    assert standardized.mean() == pytest.approx(0, abs=1e-9)
    assert standardized.std(ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(scale.undo(standardized), original, atol=1e-9)
    np.testing.assert_array_equal(scale.apply(original), standardized)


def test_new_values_are_treated_like_the_old():
    _, scale = standardize([20, 40, 60])
    assert scale == Scale(mean=40, sd=20)
    assert scale.apply(80) == 2
    assert scale.undo(-0.5) == 30


@pytest.mark.parametrize("bad", [[1.0, np.nan], [1.0, np.inf]])
def test_missing_and_infinite_values_are_named(bad):
    with pytest.raises(ValueError, match=r"values\[1\] is (nan|inf)"):
        standardize(bad)


@pytest.mark.parametrize("bad", [[], [3.0], [3.0, 3.0]])
def test_values_without_spread_are_refused(bad):
    with pytest.raises(ValueError, match="all equal"):
        standardize(bad)
