"""Predictive checks by group, against direct loops."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from lmm_helpers import predictive_by_group

GROUPS = pd.Series(
    pd.Categorical(
        ["a | b", "it's", "it's", "a | b", "it's", "it's", "a | b"],
        categories=["it's", "empty", "a | b"],
        ordered=True,
    ),
    name="county",
)
VISITS = pd.DataFrame({"county": GROUPS})
WITHOUT_ONE = pd.DataFrame({"county": GROUPS.where(GROUPS.index != 6)})


@pytest.fixture
def fit():
    rng = np.random.default_rng(1)
    dims = ("chain", "draw", "visit")
    pages = xr.Dataset({"time": (dims, rng.normal(200, 10, size=(2, 30, 7)).round())})
    seen = xr.Dataset({"time": ("visit", rng.normal(205, 10, size=7).round())})
    return xr.DataTree.from_dict({"posterior_predictive": pages, "observed_data": seen})


def by_hand(fit, group, statistic):
    own = (group == GROUPS).to_numpy()
    seen = statistic(fit["observed_data"]["time"].to_numpy()[own])
    pages = fit["posterior_predictive"]["time"].to_numpy()
    replicated = [statistic(page[own]) for chain in pages for page in chain]
    above = [1.0 if value > seen else 0.5 if value == seen else 0.0 for value in replicated]
    return seen, np.mean(replicated), *np.quantile(replicated, [0.1, 0.9]), np.mean(above)


@pytest.mark.parametrize(
    ("statistic", "direct"),
    [
        ("median", np.median),
        ("sd", lambda values: np.std(values, ddof=1)),
        ("skewness", stats.skew),
        (lambda values: values.min(axis=-1), np.min),
    ],
)
def test_each_number_against_a_direct_loop(fit, statistic, direct):
    table = predictive_by_group(fit, data=VISITS, group="county", statistic=statistic, ci_prob=0.8)
    for group in ["it's", "a | b"]:
        assert table.loc[group].to_list() == pytest.approx(by_hand(fit, group, direct))


def test_groups_keep_their_order_and_name_and_empty_ones_are_left_out(fit):
    table = predictive_by_group(fit, data=VISITS, group="county", statistic="median")
    assert list(table.index) == ["it's", "a | b"]
    assert table.index.name == "county"


def test_a_p_value_tells_a_model_that_predicts_too_much_from_one_that_predicts_too_little(fit):
    all_visits = {"data": VISITS.assign(visitors="all"), "group": "visitors"}
    fit["posterior_predictive"] = fit["posterior_predictive"].to_dataset() + 100
    assert predictive_by_group(fit, **all_visits, statistic="median")["p_value"].item() == 1
    fit["posterior_predictive"] = fit["posterior_predictive"].to_dataset() - 200
    assert predictive_by_group(fit, **all_visits, statistic="median")["p_value"].item() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistic": "mode"}, "statistic is 'mode'; choose 'median', 'sd'"),
        ({"ci_prob": 89}, "ci_prob is a probability"),
        ({"data": VISITS[:6]}, "6 rows for 7 observations"),
        ({"data": WITHOUT_ONE}, "column 'county' is missing in row 6"),
    ],
)
def test_what_cannot_be_compared_is_refused(fit, change, message):
    with pytest.raises(ValueError, match=message):
        predictive_by_group(
            fit, **({"data": VISITS, "group": "county", "statistic": "sd"} | change)
        )


def test_a_fit_without_predictions_is_refused(fit):
    with pytest.raises(ValueError, match='kind="response"'):
        predictive_by_group(
            xr.DataTree.from_dict({"observed_data": fit["observed_data"].to_dataset()}),
            data=VISITS,
            group="county",
            statistic="sd",
        )


@pytest.mark.parametrize("statistic", ["sd", "skewness"])
def test_what_is_not_defined_of_a_single_observation_is_nan(fit, statistic):
    visits = VISITS.assign(county=["alone", *["others"] * 6])
    table = predictive_by_group(fit, data=visits, group="county", statistic=statistic)
    assert table.loc["alone"].isna().all()
    assert table.loc["others"].notna().all()


def test_a_group_label_is_its_text(fit):
    table = predictive_by_group(
        fit,
        data=pd.DataFrame({"school": [10.0, 2, 2, 10, 2, 2, 10]}),
        group="school",
        statistic="median",
    )
    assert list(table.index) == ["2", "10"]
