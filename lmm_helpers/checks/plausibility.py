"""What a prior says about the data it imagines, in five numbers that mean something."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

Simulated = ArrayLike | xr.DataArray
PAGE_DIMENSIONS = ("chain", "draw", "sample")


def plausibility(
    simulated: Simulated,
    *,
    groups: ArrayLike,
    limits: tuple[float, float] = (0, 400),
    ci_prob: float = 0.90,
) -> pd.Series:
    """Sum up data sets simulated from a prior, to be held against what one knows.

    Parameters
    ----------
    simulated
        One simulated response for each row of the real data, on many pages: an array of the
        shape (pages, rows), or the ``DataArray`` that ``bambi.Model.prior_predictive`` gives,
        with the dimensions ``chain``, ``draw`` and one for the rows. In the unit of the
        response, here seconds. Values may be infinite, not missing.
    groups
        The group of each row, here its county; at least two different ones.
    limits
        The lowest possible value and one that is too high to be believed, in seconds.
    ci_prob
        Probability of the two equal-tailed intervals (``ci_kind="eti"``), above 0, below 1.

    Returns
    -------
    pandas.Series
        ``below`` and ``above``: the shares of all simulated values beyond `limits`, from 0 to
        1. ``low`` and ``high``: the equal-tailed interval of all simulated values, in seconds.
        ``spread``: the standard deviation (divisor n - 1) between the means of the groups on a
        page, in seconds, of which this is the median over pages; ``spread_low`` and
        ``spread_high``: its equal-tailed interval.

    Raises
    ------
    ValueError
        If `simulated` does not have the shape (pages, rows) with a value for every group label,
        or has missing values; if `groups` has a missing label or fewer than two different
        ones; if `limits` or `ci_prob` make no sense.

    Notes
    -----
    Quantiles are values that were simulated (no interpolation), so that a prior with infinite
    values can be summed up, too. On a page with an infinite value the spread counts as
    infinite. Source: chapter 2; Gabry et al. (2019), "Visualization in Bayesian workflow".

    Examples
    --------
    >>> import numpy as np
    >>> pages = np.array([[-10, 10, 200, 200], [90, 110, 390, 410]])
    >>> summary = plausibility(pages, groups=["Kent", "Kent", "Devon", "Devon"])
    >>> summary[["below", "above"]].to_list()
    [0.125, 0.125]
    >>> summary[["spread_low", "spread_high"]].round(1).to_list()
    [141.4, 212.1]
    """
    lowest, highest = limits
    if not lowest < highest:
        raise ValueError(f"limits are {limits!r}; the first must be below the second.")
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob is a probability between 0 and 1; got {ci_prob!r}.")
    codes, names = pd.factorize(np.asarray(groups))
    if (codes < 0).any():
        raise ValueError(
            f"groups[{np.flatnonzero(codes < 0)[0]}] is missing; name the group of every row."
        )
    if len(names) < 2:
        raise ValueError("groups has fewer than two different labels; a spread needs two groups.")
    pages = simulated_pages(simulated, rows=len(codes), name="simulated")
    with np.errstate(over="ignore", invalid="ignore"):
        means = [pages[:, codes == code].mean(axis=1) for code in range(len(names))]
        spread = np.std(means, axis=0, ddof=1)
    spread[np.isnan(spread)] = np.inf
    tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    low, high = np.quantile(pages, tails, method="inverted_cdf")
    spread_low, middle, spread_high = np.quantile(
        spread, [tails[0], 0.5, tails[1]], method="inverted_cdf"
    )
    return pd.Series(
        {
            "below": (pages < lowest).mean(),
            "above": (pages > highest).mean(),
            "low": low,
            "high": high,
            "spread": middle,
            "spread_low": spread_low,
            "spread_high": spread_high,
        }
    )


def simulated_pages(simulated: Simulated, *, rows: int, name: str) -> NDArray[np.float64]:
    """Bring simulated data sets into the shape (pages, rows).

    Parameters
    ----------
    simulated
        See `plausibility`.
    rows
        How many rows the real data have.
    name
        What an error calls `simulated`.

    Returns
    -------
    numpy.ndarray, shape (pages, rows)
        A page for each chain and draw, in the same unit.

    Raises
    ------
    ValueError
        If there is no page, if a page does not have `rows` values, or if a value is missing.

    Notes
    -----
    Source: `flipbook` and `plausibility` read their input in this way.

    Examples
    --------
    >>> import xarray as xr
    >>> draws = xr.DataArray([[[1, 2, 3]]], dims=("chain", "draw", "__obs__"))
    >>> simulated_pages(draws, rows=3, name="draws")
    array([[1., 2., 3.]])
    """
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
