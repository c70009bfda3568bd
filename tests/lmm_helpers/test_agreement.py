"""Agreement of two fits: differences in Monte Carlo errors, and nothing left out unsaid."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lmm_helpers import agreement


def table(names="ab", mean=1.0, mcse=0.3):
    return pd.DataFrame({"mean": mean, "mcse_mean": mcse}, index=list(names))


def fit_of(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    effects = rng.normal(size=(4, 1000, 2)) + shift
    draws = {"slope": (("chain", "draw"), rng.normal(size=(4, 1000)))}
    draws["1|county"] = (("chain", "draw", "county"), effects)
    coords = {"county": ["O'Neill | Co", "Kent"]}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(draws, coords)})


def test_the_difference_is_ours_minus_theirs_in_combined_errors():
    compared = agreement(table(mean=3.0, mcse=0.3), table(mean=1.0, mcse=0.4))
    assert compared.loc["a"].to_list() == pytest.approx([3, 1, 0.5, 4])


def test_two_samples_of_one_posterior_agree_and_a_shift_shows():
    same = agreement(fit_of(1), fit_of(2))
    assert same.index.to_list() == ["slope", "1|county[O'Neill | Co]", "1|county[Kent]"]
    assert same["difference"].abs().max() < 4
    assert same["mcse"].to_numpy() == pytest.approx(np.sqrt(2 / 4000), rel=0.1)
    moved = agreement(fit_of(1), fit_of(2, shift=0.2))["difference"]
    assert (moved.filter(like="[") < -6).all()
    assert abs(moved["slope"]) < 4


def test_a_fit_and_its_summary_are_the_same():
    ours, theirs = fit_of(1), fit_of(2)
    summary = az.summary(theirs, round_to="none")
    pd.testing.assert_frame_equal(agreement(ours, theirs), agreement(ours, summary))


def test_rows_are_matched_by_name_and_what_only_theirs_has_is_left_out():
    theirs = table("cba", mean=[3.0, 2.0, 1.0])
    assert agreement(table("ab"), theirs)["theirs"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (table("abc"), table("ab"), "theirs has no parameter 'c'; its parameters are a, b"),
        (table("aa"), table("ab"), "ours has the parameter 'a' twice"),
        (table("ab"), table("abb"), "theirs has the parameter 'b' twice"),
        (table(""), table("ab"), "ours has no parameter"),
        (table(), table().drop(columns="mcse_mean"), "theirs has no column 'mcse_mean'"),
        (table(mcse=[0.3, np.nan]), table(), "ours has no finite mcse_mean of 'b'"),
        (table(), table(mean=[np.inf, 1]), "theirs has no finite mean of 'a'"),
    ],
)
def test_what_cannot_be_compared_is_refused(ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        agreement(ours, theirs)
