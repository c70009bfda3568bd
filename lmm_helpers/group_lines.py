"""Group lines in closed form: what the visits say once the spreads of a mixed model are given."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

POPULATION_PRIOR = MappingProxyType({"Intercept": (200.0, 50.0), "slope": (0.0, 10.0)})
"""Mean and standard deviation of the book's normal priors on the population line."""


class GroupLines(NamedTuple):
    """What `group_lines` returns; G stands for the shape of the spreads together."""

    log_likelihood: NDArray[np.float64]
    """Log density of the data given the spreads, all lines integrated out, of the shape G."""
    population: NDArray[np.float64]
    """Posterior mean of the population's intercept and slope, of the shape (G, 2)."""
    groups: NDArray[np.float64]
    """Posterior mean of each group's intercept and slope, of the shape (G, groups, 2)."""


def group_lines(
    visits: pd.DataFrame,
    *,
    sigma: ArrayLike,
    tau0: ArrayLike,
    tau1: ArrayLike = 0.0,
    x: str = "std_age",
    y: str = "bounce_time",
    group: str = "county",
    prior: Mapping[str, tuple[float, float]] = POPULATION_PRIOR,
) -> GroupLines:
    """Integrate the lines of a mixed model out, for any number of given spreads at once.

    The model has varying intercepts and slopes that are independent of each other. Given its
    three standard deviations everything in it is normal, so that no sampler is needed.

    Parameters
    ----------
    visits
        One row a visit.
    sigma
        Residual standard deviations, above zero, in the unit of `y`.
    tau0, tau1
        Standard deviations of intercepts and of slopes among the groups; zero for a part of the
        line that all groups share. The three are broadcast against each other, like a grid.
    x, y, group
        Columns: the predictor, the response and the group.
    prior
        Mean and standard deviation of the normal priors on the population's ``Intercept`` and
        ``slope``.

    Returns
    -------
    GroupLines
        The log likelihood of the spreads and the posterior means of the lines given them.
        Groups come in the order of the categories, or sorted if there are none, and only those
        that have visits.

    Raises
    ------
    ValueError
        If a column is missing or holds missing values, if there is no visit, if `sigma` is not
        above zero, if a spread is negative or infinite, or if the prior is incomplete.

    Notes
    -----
    Only two-by-two matrices are inverted, however many visits there are. Source: chapter 7; the
    algebra is that of Lindley and Smith (1972).

    See Also
    --------
    slope_posterior : The same algebra, summed over the spreads.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> found = group_lines(load_bounce(), sigma=8, tau0=[0, 13])
    >>> found.population[:, 1].round(0)
    array([ 4., -3.])
    """
    for column in (x, y, group):
        if column not in visits.columns:
            names = ", ".join(repr(str(name)) for name in visits.columns)
            raise ValueError(f"column {column!r} is missing; the data have {names or 'none'}.")
        if visits[column].isna().any():
            raise ValueError(f"column {column!r} has missing values; drop those rows.")
    if visits.empty:
        raise ValueError("there is no visit; give at least one row.")
    if not {"Intercept", "slope"} <= set(prior):
        raise ValueError("prior needs 'Intercept' and 'slope', each with a mean and an sd.")
    sigma, tau0, tau1 = np.broadcast_arrays(
        *(np.asarray(spread, dtype=float) for spread in (sigma, tau0, tau1))
    )
    for name, spread, positive in [
        ("sigma", sigma, sigma > 0), ("tau0", tau0, tau0 >= 0), ("tau1", tau1, tau1 >= 0)
    ]:  # fmt: skip
        if not (positive & np.isfinite(spread)).all():
            least = "above zero" if name == "sigma" else "zero or above"
            raise ValueError(f"{name} holds {spread.ravel()!r}; all of it must be finite, {least}.")
    prior_mean, prior_sd = np.array([prior["Intercept"], prior["slope"]]).T
    design = np.column_stack([np.ones(len(visits)), visits[x].to_numpy(dtype=float)])
    # Departures from the prior line: sums of squares stay small, and the prior mean is zero.
    departure = visits[y].to_numpy(dtype=float) - design @ prior_mean
    rows = visits.groupby(group, observed=True, sort=True).indices.values()
    crossed = np.array([design[row].T @ design[row] for row in rows])
    projected = np.array([design[row].T @ departure[row] for row in rows])

    variance = sigma[..., None, None] ** 2
    information = crossed / variance[..., None]
    pull = projected / variance
    spread = np.stack([tau0, tau1], axis=-1)[..., None, :, None] ** 2
    stretched = np.eye(2) + spread * information
    # Posterior covariance of a group's effects given the population: (1 / spread + information)^-1
    effects = np.linalg.inv(stretched) * np.swapaxes(spread, -1, -2)
    given = information @ effects
    of_population = (information - given @ information).sum(-3) + np.diag(prior_sd**-2.0)
    towards = (pull - _times(given, pull)).sum(-2)
    population = np.linalg.solve(of_population, towards[..., None])[..., 0]
    own = _times(effects, pull - _times(information, population[..., None, :]))

    squares = (
        (departure @ departure) / sigma**2
        - (pull * _times(effects, pull)).sum((-1, -2))
        - (population * towards).sum(-1)
    )
    volume = (
        len(visits) * np.log(2 * np.pi * sigma**2)
        + np.linalg.slogdet(stretched)[1].sum(-1)
        + np.linalg.slogdet(of_population)[1]
        + 2 * np.log(prior_sd).sum()
    )
    line = prior_mean + population
    return GroupLines(-(squares + volume) / 2, line, line[..., None, :] + own)


def _times(matrices: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply stacks of matrices with stacks of vectors."""
    return (matrices @ vectors[..., None])[..., 0]
