"""What a fitted model predicts of each group, held against what was observed there."""

import warnings
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from lmm_helpers.checks._groups import group_codes
from lmm_helpers.checks.plausibility import simulated_pages

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

STATISTICS = MappingProxyType(
    {
        "median": lambda values: np.median(values, axis=-1),
        "sd": lambda values: np.std(values, axis=-1, ddof=1),
        "skewness": lambda values: stats.skew(values, axis=-1),
    }
)


def predictive_by_group(
    fit: xr.DataTree,
    *,
    data: pd.DataFrame,
    group: str,
    statistic: str | Statistic,
    ci_prob: float = 0.89,
) -> pd.DataFrame:
    """Compare a statistic of each group's observations with what a model predicts of it.

    Parameters
    ----------
    fit
        A fit with the groups ``posterior_predictive`` and ``observed_data``, as it is after
        ``model.predict(fit, kind="response")``; one response.
    data
        The rows that were modelled, in their order.
    group
        Column of `data`: the group of each row. Its text is its label. Categories keep their
        order; equal labels in all rows give one statistic of all the data.
    statistic
        ``"median"``, ``"sd"`` (divisor n - 1), ``"skewness"``, or a function that takes an
        array and gives the statistic along its last axis.
    ci_prob
        Probability of the equal-tailed interval (``ci_kind="eti"``), above 0, below 1.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``observed``, the statistic of the data; ``predicted``, its mean over
        the replicated data sets; ``lower`` and ``upper``, the interval of these; all in the unit
        of the statistic. ``p_value`` is the share of replicated data sets with a statistic
        above the observed one, ties counted half: near 0 or 1 where the model fails. All are
        NaN where a statistic is not defined, as the sd of a group of one.

    Raises
    ------
    ValueError
        If the fit lacks predictions, if `data` has another number of rows, if the column `group`
        is missing, has missing labels or mixes types, or if `statistic` or `ci_prob` is unknown.

    Notes
    -----
    Source: chapter 5; Gelman et al. (2013), *Bayesian Data Analysis*, section 6.3.

    See Also
    --------
    elpd_by_group : How well each group's observations are predicted, in one number.
    plausibility : The same question asked of a prior.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> def times(values, *dims):
    ...     return xr.Dataset({"time": (dims, np.array(values, dtype=float))})
    >>> fit = xr.DataTree.from_dict({
    ...     "posterior_predictive": times([[[1, 3, 5, 9], [2, 4, 5, 9]]], "chain", "draw", "row"),
    ...     "observed_data": times([2, 3, 6, 6], "row"),
    ... })
    >>> visits = pd.DataFrame({"county": ["Kent", "Kent", "Devon", "Devon"]})
    >>> table = predictive_by_group(fit, data=visits, group="county", statistic="median")
    >>> table["predicted"].to_dict(), table["p_value"].to_dict()
    ({'Devon': 7.0, 'Kent': 2.5}, {'Devon': 1.0, 'Kent': 0.5})
    """
    if isinstance(statistic, str) and statistic not in STATISTICS:
        known = ", ".join(map(repr, STATISTICS))
        raise ValueError(f"statistic is {statistic!r}; choose {known}, or give a function.")
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob is a probability between 0 and 1; got {ci_prob!r}.")
    if not {"posterior_predictive", "observed_data"} <= set(fit.children):
        raise ValueError(
            'the fit has no posterior_predictive; call model.predict(fit, kind="response") first.'
        )
    measure = STATISTICS[statistic] if isinstance(statistic, str) else statistic
    ((name, observed),) = fit["observed_data"].data_vars.items()
    codes, labels = group_codes(data, group, rows=observed.size)
    pages = simulated_pages(
        fit["posterior_predictive"][str(name)], rows=observed.size, name="posterior_predictive"
    )
    rows = []
    for code in range(len(labels)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a statistic of too few values is NaN
            replicated = measure(pages[:, codes == code])
            seen = float(measure(observed.to_numpy()[codes == code]))
        if np.isnan(replicated).any() or np.isnan(seen):
            rows.append((seen, *[np.nan] * 4))
            continue
        lower, upper = np.quantile(replicated, [(1 - ci_prob) / 2, (1 + ci_prob) / 2])
        above = np.mean(replicated > seen) + np.mean(replicated == seen) / 2
        rows.append((seen, replicated.mean(), lower, upper, above))
    columns = ["observed", "predicted", "lower", "upper", "p_value"]
    return pd.DataFrame(rows, index=labels, columns=columns, dtype=float)
