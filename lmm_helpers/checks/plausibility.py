"""What a prior says about the data it imagines, in five numbers that mean something."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmm_helpers.checks._groups import group_codes

Simulated = ArrayLike | xr.DataArray
PAGE_DIMENSIONS = ("chain", "draw", "sample")


def plausibility(
    simulated: Simulated,
    *,
    data: pd.DataFrame,
    group: str,
    limits: tuple[float, float] = (0, 400),
    ci_prob: float = 0.89,
) -> pd.Series:
    """Sum up data sets simulated from a prior, to be held against what one knows.

    Parameters
    ----------
    simulated
        One simulated response for each row of the real data, on many pages: an array of the
        shape (pages, rows), or the ``DataArray`` that ``bambi.Model.prior_predictive`` gives,
        with the dimensions ``chain``, ``draw`` and one for the rows. In the unit of the
        response, here seconds. Values may be infinite, not missing.
    data
        The real data, one row for each simulated response of a page.
    group
        Column of `data`: the group of each row; at least two different ones.
    limits
        The lowest possible value and one that is too high to be believed, in seconds.
    ci_prob
        Probability of the two equal-tailed intervals (``ci_kind="eti"``), above 0, below 1.

    Returns
    -------
    pandas.Series
        ``below`` and ``above``: the shares of all simulated values beyond `limits`, from 0 to
        1. ``lower`` and ``upper``: the equal-tailed interval of all simulated values, in seconds.
        ``spread``: the standard deviation (divisor n - 1) between the means of the groups on a
        page, in seconds, of which this is the median over pages; ``spread_lower`` and
        ``spread_upper``: its equal-tailed interval.

    Raises
    ------
    ValueError
        If `simulated` does not have the shape (pages, rows) with a value for every row of
        `data`, or has missing values; if the column `group` is missing, has missing labels,
        mixes types or holds fewer than two different groups; if `limits` or `ci_prob` make no
        sense.

    Notes
    -----
    Quantiles are values that were simulated (no interpolation), so that a prior with infinite
    values can be summed up, too. On a page with an infinite value the spread counts as
    infinite. Source: chapter 2; Gabry et al. (2019), "Visualization in Bayesian workflow".

    See Also
    --------
    flipbook : The same data sets, page by page.
    predictive_by_group : What a fitted model predicts of each group.

    Examples
    --------
    >>> import numpy as np
    >>> pages = np.array([[-10, 10, 200, 200], [90, 110, 390, 410]])
    >>> visits = pd.DataFrame({"county": ["Kent", "Kent", "Devon", "Devon"]})
    >>> summary = plausibility(pages, data=visits, group="county")
    >>> summary[["below", "above"]].to_list()
    [0.125, 0.125]
    >>> summary[["spread_lower", "spread_upper"]].round(1).to_list()
    [141.4, 212.1]
    """
    lowest, highest = limits
    if not lowest < highest:
        raise ValueError(f"limits are {limits!r}; the first must be below the second.")
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob is a probability between 0 and 1; got {ci_prob!r}.")
    codes, labels = group_codes(data, group, rows=len(data))
    if len(labels) < 2:
        raise ValueError(
            f"column {group!r} holds fewer than two different groups; a spread needs two."
        )
    pages = simulated_pages(simulated, rows=len(codes), name="simulated")
    with np.errstate(over="ignore", invalid="ignore"):
        means = [pages[:, codes == code].mean(axis=1) for code in range(len(labels))]
        spread = np.std(means, axis=0, ddof=1)
    spread[np.isnan(spread)] = np.inf
    tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    lower, upper = np.quantile(pages, tails, method="inverted_cdf")
    spread_lower, middle, spread_upper = np.quantile(
        spread, [tails[0], 0.5, tails[1]], method="inverted_cdf"
    )
    return pd.Series(
        {
            "below": (pages < lowest).mean(),
            "above": (pages > highest).mean(),
            "lower": lower,
            "upper": upper,
            "spread": middle,
            "spread_lower": spread_lower,
            "spread_upper": spread_upper,
        }
    )


def simulated_pages(simulated: Simulated, *, rows: int, name: str) -> NDArray[np.float64]:
    """Bring simulated data sets into the shape (pages, rows); errors call them `name`."""
    if isinstance(simulated, xr.DataArray):
        turned = [dim for dim in PAGE_DIMENSIONS if dim in simulated.dims]
        others = [dim for dim in simulated.dims if dim not in turned]
        if not turned or len(others) != 1:
            raise ValueError(
                f"{name} has the dimensions {simulated.dims!r}; it needs 'chain', 'draw' and one "
                "for the rows of the data: select the response, as in "
                "prior.prior_predictive['bounce_time']."
            )
        values = simulated.transpose(*turned, *others).to_numpy()
        simulated = values.reshape(-1, values.shape[-1])
    try:
        pages = np.asarray(simulated, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is a {type(simulated).__name__} that is no table of numbers; give an array "
            "of the shape (pages, rows), or prior.prior_predictive['bounce_time']."
        ) from error
    if pages.ndim != 2 or pages.shape[1] != rows:
        hint = "transpose it" if pages.shape[:1] == (rows,) else "simulate every row of the data"
        raise ValueError(
            f"{name} has the shape {pages.shape}; it must be (pages, {rows}), a column for each "
            f"row of the data: {hint}."
        )
    if not len(pages):
        raise ValueError(f"{name} has no pages; draw some, as in prior_predictive(draws=30).")
    if np.isnan(pages).any():
        page, row = np.argwhere(np.isnan(pages))[0]
        raise ValueError(
            f"{name} is missing (NaN) on page {page}, row {row}; look for the parameter that "
            "makes it so in the prior draws."
        )
    return pages
