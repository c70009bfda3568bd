"""What the rows say of lines by group, in closed form: no sampler, so thousands can be graded.

Given the standard deviations of a Gaussian mixed model, everything in it is normal. `group_lines`
says what follows from standard deviations that are given; `slope_posterior` sums over a grid of
them. The likelihood is that of `lmm_large`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from lmm_large import group_statistics
from lmm_large.design import Design, design
from lmm_large.likelihood import (
    group_effects,
    integrate_population,
    pseudo_rows,
    residual_sd,
)
from lmm_large.priors import log_density, normal_coefficients, read_priors


class GroupLines(NamedTuple):
    """What `group_lines` returns; D stands for the shape of the spreads together."""

    log_likelihood: NDArray[np.float64]
    """Log density of the data given the spreads, all lines integrated out, of the shape D."""
    population: NDArray[np.float64]
    """Posterior mean of the population's intercept and slope, of the shape (D, 2)."""
    groups: NDArray[np.float64]
    """Posterior mean of each group's intercept and slope, of the shape (D, groups, 2)."""


class SlopePosterior(NamedTuple):
    """Mean, standard deviation and equal-tailed interval, in units of response per predictor."""

    mean: float
    sd: float
    lower: float
    upper: float


def group_lines(
    visits: pd.DataFrame,
    *,
    sigma: ArrayLike,
    tau0: ArrayLike,
    tau1: ArrayLike = 0.0,
    priors: Mapping[str, Any],
    response: str = "bounce_time",
    predictor: str = "std_age",
    group: str = "county",
) -> GroupLines:
    """Integrate the lines of a mixed model out, for any number of given spreads at once.

    The model has varying intercepts and slopes that are independent of each other.

    Parameters
    ----------
    visits
        One row a visit.
    sigma
        Residual standard deviations, above zero, in the unit of `response`.
    tau0, tau1
        Standard deviations of intercepts and of slopes among the groups; zero for a part of the
        line that all groups share. The three are broadcast against each other, like a grid.
    priors
        Bambi's dictionary, of which the normal priors of ``Intercept`` (the height at the mean of
        the predictor) and of `predictor` count here.
    response, predictor, group
        Columns.

    Returns
    -------
    GroupLines
        The log likelihood of the spreads and the posterior means of the lines given them. Groups
        come in the order of ordered categories, or else sorted, and only those that have visits.

    Raises
    ------
    ValueError
        If a column is missing or holds missing values, if there is no visit, if `sigma` is not
        above zero, if a spread is negative or infinite, or if a prior is missing or not normal.

    Notes
    -----
    Source: chapter 7; the algebra is that of Lindley and Smith (1972).

    See Also
    --------
    slope_posterior : The same algebra, summed over the spreads.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> from lmm_large import Prior
    >>> priors = {
    ...     "Intercept": Prior("Normal", mu=200, sigma=50),
    ...     "std_age": Prior("Normal", mu=0, sigma=10),
    ... }
    >>> found = group_lines(load_bounce(), sigma=8, tau0=[0, 13], priors=priors)
    >>> found.population[:, 1].round(0)
    array([ 4., -3.])
    """
    given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (sigma, tau0, tau1)))
    for name, spread, least in zip(("sigma", "tau0", "tau1"), given, (1e-300, 0, 0), strict=True):
        if not ((spread >= least) & np.isfinite(spread)).all():
            bound = "zero or above" if least == 0 else "above zero"
            raise ValueError(f"{name} holds {spread.ravel()!r}; all of it must be finite, {bound}.")
    shape = given[0].shape
    flat, *spreads = (spread.reshape(-1, 1) for spread in given)
    made = _lines(visits, response, predictor, group, effects=predictor)
    rows = pseudo_rows(made, pooled=True)
    mean, sd = normal_coefficients(made, priors)
    mean[0] -= rows.level
    found = integrate_population(rows, mean, sd, sigma=flat, spreads=spreads)
    own = group_effects(rows, found.mean, sigma=flat, spreads=spreads)
    at_zero = found.mean[:, 0] + rows.level - found.mean[:, 1] * rows.centre[1]
    population = np.stack([at_zero, found.mean[:, 1]], axis=-1)
    groups = population[:, None] + np.moveaxis(own, 0, -1)
    return GroupLines(
        found.log_likelihood.reshape(shape),
        population.reshape(*shape, 2),
        groups.reshape(*shape, -1, 2),
    )


def slope_posterior(
    visits: pd.DataFrame,
    *,
    priors: Mapping[str, Any],
    response: str = "bounce_time",
    predictor: str = "std_age",
    group: str = "county",
    ci_prob: float = 0.89,
) -> SlopePosterior:
    """Compute the posterior of the slope in ``response ~ predictor + (1 | group)``.

    Parameters
    ----------
    visits
        One row a visit.
    priors
        Bambi's dictionary: ``Intercept`` and `predictor` have normal priors, ``sigma`` and the
        standard deviation of ``1|group`` any of a positive number.
    response, predictor, group
        Columns.
    ci_prob
        Probability of the equal-tailed interval.

    Returns
    -------
    SlopePosterior
        Mean, standard deviation and interval of the slope.

    Raises
    ------
    ValueError
        If a column or a prior is missing or unusable, if `ci_prob` is out of range, or if a prior
        lies so far from the data, or groups so far apart, that the grid does not hold the
        posterior.

    See Also
    --------
    group_lines : What follows from given standard deviations.

    Notes
    -----
    A grid of the two standard deviations, even in their logarithms, is summed over. Source: Gelman
    and Hill (2007), chapter 12; chapter 10 of this book.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> from lmm_large import Prior
    >>> spread = Prior("HalfNormal", sigma=15)
    >>> slope = slope_posterior(load_bounce(), priors={
    ...     "Intercept": Prior("Normal", mu=200, sigma=50),
    ...     "std_age": Prior("Normal", mu=0, sigma=10),
    ...     "sigma": Prior("HalfNormal", sigma=20),
    ...     "1|county": Prior("Normal", mu=0, sigma=spread),
    ... })
    >>> print(f"{slope.mean:.1f}, from {slope.lower:.1f} to {slope.upper:.1f}")
    -3.0, from -3.8 to -2.3
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must lie between 0 and 1; got {ci_prob!r}.")
    made = _lines(visits, response, predictor, group, effects="1")
    weight, mean, sd = _slopes_on_a_grid(made, priors)

    def beyond(slope: float, probability: float) -> float:
        """Give the posterior probability below `slope`, less `probability`."""
        return float(weight @ special.ndtr((slope - mean) / sd)) - probability

    average = float(weight @ mean)
    spread = float(np.sqrt(weight @ (sd**2 + (mean - average) ** 2)))
    ends = average - 9 * spread, average + 9 * spread
    lower, upper = (
        optimize.brentq(beyond, *ends, args=(probability,), xtol=1e-6 * spread)
        for probability in ((1 - ci_prob) / 2, (1 + ci_prob) / 2)
    )
    return SlopePosterior(mean=average, sd=spread, lower=lower, upper=upper)


def _slopes_on_a_grid(
    made: Design, priors: Mapping[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weigh standard deviations on a grid; give weights, means and sds of the slope given them."""
    given = read_priors(made, priors)
    mean, sd = normal_coefficients(made, given.coefficients)
    rows = pseudo_rows(made, pooled=True)
    mean[0] -= rows.level
    residual = residual_sd(rows)
    width = 5 / np.sqrt(2 * max(rows.n.sum() - len(rows.n), 1))
    shape = 15, 80
    sigma, tau = np.meshgrid(
        residual * np.exp(width * np.linspace(-1, 1, shape[0])),
        residual * np.geomspace(1 / 80, 25, shape[1]),
        indexing="ij",
    )
    found = integrate_population(
        rows, mean, sd, sigma=sigma.reshape(-1, 1), spreads=[tau.reshape(-1, 1)]
    )
    (of_tau,) = given.spreads.values()
    log_weight = found.log_likelihood.reshape(shape) + np.log(sigma * tau)
    log_weight += log_density(given.sigma)(sigma) + log_density(of_tau)(tau)
    weight = special.softmax(log_weight)
    if max(weight[[0, -1]].sum(), weight[:, [0, -1]].sum()) > 0.01:
        raise ValueError(
            "the grid does not hold the posterior of the standard deviations; widen the priors "
            "that lie far from the data, or bring groups nearer than 25 residual sds."
        )
    likely = weight.ravel() > 1e-12
    return weight.ravel()[likely], found.mean[likely, 1], found.sd(1)[likely]


def _lines(
    visits: pd.DataFrame, response: str, predictor: str, group: str, *, effects: str
) -> Design:
    """Gather what a model of lines by group asks of the rows."""
    named = {name: f"`{name}`" for name in (response, predictor, group)}
    varying = named.get(effects, effects)
    formula = f"{named[response]} ~ {named[predictor]} + ({varying} | {named[group]})"
    return design(group_statistics(visits, formula))
