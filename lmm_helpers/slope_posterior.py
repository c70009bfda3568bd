"""The slope's exact posterior in a model with varying intercepts, without a sampler.

Given the two standard deviations everything is normal and has a closed form; the two standard
deviations are summed over a grid. A data set takes milliseconds, so thousands can be graded.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special


class SlopePosterior(NamedTuple):
    """The posterior of a slope, in seconds per standard deviation of age.

    Parameters
    ----------
    mean, sd
        Its mean and standard deviation.
    lower, upper
        Its equal-tailed interval.

    Examples
    --------
    >>> SlopePosterior(mean=1.0, sd=0.5, lower=0.2, upper=1.8).sd
    0.5
    """

    mean: float
    sd: float
    lower: float
    upper: float


def slope_posterior(
    visits: pd.DataFrame,
    *,
    intercept_prior: tuple[float, float],
    slope_prior: tuple[float, float],
    county_sd_scale: float,
    sigma_scale: float,
    ci_prob: float = 0.89,
) -> SlopePosterior:
    """Compute the posterior of the slope in ``bounce_time ~ std_age + (1 | county)``.

    Parameters
    ----------
    visits
        With the columns ``bounce_time`` (seconds), ``std_age`` (standard deviations) and
        ``county``.
    intercept_prior, slope_prior
        Mean and standard deviation of a normal prior: seconds, and seconds per standard
        deviation of age.
    county_sd_scale, sigma_scale
        Scales, in seconds, of the half-normal priors on the standard deviation between county
        intercepts and on the residual one.
    ci_prob
        Probability of the equal-tailed interval.

    Returns
    -------
    SlopePosterior
        Mean, standard deviation and interval of the slope.

    Raises
    ------
    ValueError
        If a column is missing, if the spread of a prior or `ci_prob` is out of range, or if a prior
        lies so far from the data, or counties so far apart, that the grid does not hold the
        posterior.

    Notes
    -----
    A county's mean has the precision ``1 / (tau**2 + sigma**2 / n)``, a visit's distance from it
    the precision ``1 / sigma**2``: two independent regressions that share a slope. Source: Gelman
    and Hill (2007), chapter 12, for the two sources of information; chapter 8 of this book.

    See Also
    --------
    group_lines : The same algebra, with slopes that vary, for given spreads.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> slope = slope_posterior(
    ...     load_bounce(), intercept_prior=(200, 50), slope_prior=(0, 10),
    ...     county_sd_scale=15, sigma_scale=20,
    ... )
    >>> print(f"{slope.mean:.1f}, from {slope.lower:.1f} to {slope.upper:.1f}")
    -3.0, from -3.8 to -2.3
    """
    for name, spread in {
        "intercept_prior": intercept_prior[1],
        "slope_prior": slope_prior[1],
        "county_sd_scale": county_sd_scale,
        "sigma_scale": sigma_scale,
    }.items():
        if not spread > 0:
            raise ValueError(f"{name} has the spread {spread!r}, which must be above 0.")
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must lie between 0 and 1; got {ci_prob!r}.")
    for column in ("bounce_time", "std_age", "county"):
        if column not in visits.columns:
            raise ValueError(f"column {column!r} is missing; make the data with replay_article().")

    # Two regressions: of county means, and of the distances from them.
    codes = pd.factorize(visits["county"])[0]
    n = np.bincount(codes)
    x = visits["std_age"].to_numpy()
    y = visits["bounce_time"].to_numpy() - intercept_prior[0]
    mean_x, mean_y = (np.bincount(codes, values) / n for values in (x, y))
    far_x, far_y = x - mean_x[codes], y - mean_y[codes]
    xx, xy, yy = far_x @ far_x, far_x @ far_y, far_y @ far_y
    free = len(x) - len(n)

    # The grid, even in the logarithms; its axes are sigma, tau and, for a moment, the county.
    rough = np.sqrt((yy - xy**2 / xx) / free)
    sigma = rough * np.exp(np.linspace(-1, 1, 15) * 5 / np.sqrt(2 * free))[:, None]
    tau = np.geomspace(0.1, 200, 80)
    v = 1 / (tau[:, None] ** 2 + sigma[..., None] ** 2 / n)
    sums = v @ np.stack([n / n, mean_x, mean_x**2, mean_y, mean_x * mean_y, mean_y**2], axis=-1)
    v0, vx, vxx, vy, vxy, vyy = np.moveaxis(sums, -1, 0)
    p0, p1 = 1 / intercept_prior[1] ** 2, 1 / slope_prior[1] ** 2
    a00, a01, a11 = v0 + p0, vx, vxx + xx / sigma**2 + p1
    c0, c1 = vy, vxy + xy / sigma**2 + p1 * slope_prior[0]
    determinant = a00 * a11 - a01**2
    intercept = (a11 * c0 - a01 * c1) / determinant
    mean = (a00 * c1 - a01 * c0) / determinant
    sd = np.sqrt(a00 / determinant)
    log_weight = (
        0.5 * (np.log(v).sum(-1) - np.log(determinant))
        + 0.5 * (intercept * c0 + mean * c1 - vyy - yy / sigma**2)
        - free * np.log(sigma)
        - 0.5 * (sigma / sigma_scale) ** 2
        - 0.5 * (tau / county_sd_scale) ** 2
        + np.log(sigma * tau)
    )
    weight = special.softmax(log_weight)
    if max(weight[[0, -1]].sum(), weight[:, [0, -1]].sum()) > 0.01:
        raise ValueError(
            "the grid does not hold the posterior of the standard deviations; "
            "widen the priors that lie far from the data, or bring counties nearer than 200 s."
        )
    likely = weight > 1e-12
    weight, mean, sd = weight[likely], mean[likely], sd[likely]

    def beyond(slope: float, probability: float) -> float:
        """Give the posterior probability below `slope`, less `probability`."""
        return float(weight @ special.ndtr((slope - mean) / sd)) - probability

    average = float(weight @ mean)
    spread = float(np.sqrt(weight @ (sd**2 + (mean - average) ** 2)))
    ends = average - 9 * spread, average + 9 * spread
    lower, upper = (
        optimize.brentq(beyond, *ends, args=(probability,), xtol=1e-5)
        for probability in ((1 - ci_prob) / 2, (1 + ci_prob) / 2)
    )
    return SlopePosterior(mean=average, sd=spread, lower=lower, upper=upper)
