"""The Gaussian model of one grouping factor, said in six numbers a group instead of in rows.

A group's rows are turned by an orthogonal matrix into its mean, its slope and the rest. The rest
holds residual noise alone; mean and slope are two normal numbers with a covariance matrix of two by
two. So the likelihood is a sum of squares and a closed determinant, at any number of rows. NumPy
is all that is needed here, and PyTensor can read the same formulas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
"""A NumPy array or a PyTensor variable: the formulas are the same."""

COLUMNS = (
    "count",
    "predictor_mean",
    "response_mean",
    "predictor_ss",
    "cross_product",
    "response_ss",
)
CORRELATION = "_corr"


class Prior:
    """A prior in the words of ``bambi.Prior``, for those who do without Bambi.

    Parameters
    ----------
    name
        Name of the distribution, as in Bambi and PyMC.
    **args
        Its parameters: numbers or, for the standard deviation of group effects, another prior.

    Notes
    -----
    Wherever this is taken, ``bambi.Prior`` is taken as well. Source: chapter 9.

    Examples
    --------
    >>> Prior("Normal", mu=0, sigma=10)
    Prior("Normal", mu=0, sigma=10)
    """

    def __init__(self, name: str, **args: Any) -> None:
        self.name = name
        self.args = args

    def __repr__(self) -> str:
        """Show the prior as it is written."""
        args = "".join(f", {name}={value!r}" for name, value in self.args.items())
        return f'Prior("{self.name}"{args})'


@dataclass(frozen=True)
class GroupData:
    """What the data say, in the shapes that the formulas need.

    Each array has one entry a group. ``mean`` is the response's mean from the grand mean times the
    root of the count; ``slope`` the cross-product over the root of the predictor's sum of squares;
    ``rest`` what a line through the group leaves of the response's sum of squares.
    """

    names: tuple[str, str, str]
    labels: list[Any]
    n: np.ndarray
    root_n: np.ndarray
    root_xx: np.ndarray
    predictor_mean: np.ndarray
    predictor_distance: np.ndarray
    mean: np.ndarray
    slope: np.ndarray
    rest: np.ndarray
    grand_predictor: float
    grand_response: float

    @property
    def coordinate(self) -> np.ndarray:
        """The labels as an array: of text or numbers if that is what they all are, as in Bambi."""
        found = np.array(self.labels)
        if found.tolist() == self.labels:
            return found
        found = np.empty(len(self.labels), dtype=object)
        found[:] = self.labels
        return found

    @property
    def intercept_sd(self) -> str:
        """Name of the intercepts' standard deviation."""
        return f"1|{self.names[2]}_sigma"

    @property
    def slope_sd(self) -> str:
        """Name of the slopes' standard deviation."""
        return f"{self.names[1]}|{self.names[2]}_sigma"

    @property
    def correlation(self) -> str:
        """Name of the correlation of intercepts and slopes."""
        return f"{self.names[1]}|{self.names[2]}{CORRELATION}"


def group_data(
    statistics: Any,
) -> GroupData:
    """Read the statistics of groups.

    Parameters
    ----------
    statistics
        What `group_statistics` returns; or data that have been read, which are given back.

    Returns
    -------
    GroupData
        The same, rotated to mean, slope and rest.

    Raises
    ------
    ValueError
        If the names of predictor and group give parameters names that cannot be used.

    Notes
    -----
    Source: chapter 9.
    """
    if isinstance(statistics, GroupData):
        return statistics
    names = [statistics.attrs[key] for key in ("response", "predictor", "group")]
    columns = [np.asarray(statistics[column], dtype=float) for column in COLUMNS]
    return _rotated(columns, list(statistics.index), names)


def group_data_of_rows(
    rows: Mapping[str, Any], response: str, predictor: str, group: str
) -> GroupData:
    """Gather and read the statistics of rows in arrays, without loading even pandas.

    Parameters
    ----------
    rows
        An array for each column: numbers for `response` and `predictor`, labels for `group`.
    response, predictor, group
        Names of the three columns.

    Returns
    -------
    GroupData
        What ``group_data(group_statistics(…))`` gives; the groups are sorted.

    Raises
    ------
    ValueError
        If a number is missing or infinite, or if the names cannot be used.

    Notes
    -----
    Source: chapter 9.

    Examples
    --------
    >>> rows = {"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]}
    >>> group_data_of_rows(rows, "y", "x", "who").labels
    ['a', 'b']
    """
    y, x = (np.asarray(rows[name], dtype=float) for name in (response, predictor))
    labels, codes = np.unique(np.asarray(rows[group]), return_inverse=True)
    for name, values in ((response, y), (predictor, x)):
        if not np.isfinite(values).all():
            raise ValueError(f"missing or infinite values in {name!r}: leave those rows out.")
    return _rotated(
        moments(y, x, codes, len(labels)), labels.tolist(), (response, predictor, group)
    )


def moments(
    response: np.ndarray, predictor: np.ndarray, codes: np.ndarray, groups: int
) -> list[np.ndarray]:
    """Give count, means and centred cross-products of groups, in two passes.

    Parameters
    ----------
    response, predictor
        Numbers, one a row.
    codes
        Number of each row's group, from zero.
    groups
        How many groups there are.

    Returns
    -------
    list of arrays
        The columns of `group_statistics`; not a number for the means of a group without rows.

    Notes
    -----
    The second pass also measures what rounding left in the means, and takes it out (Chan, Golub and
    LeVeque 1983).
    """

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, groups)

    count = np.bincount(codes, minlength=groups)
    with np.errstate(invalid="ignore", over="ignore"):
        means, away, left = [], [], []
        for values in (predictor, response):
            mean = total(values) / count
            distance = values - mean[codes]
            left.append(total(distance) / count)
            means.append(mean + left[-1])
            away.append(distance)
        products = [
            total(away[i] * away[j]) - count * left[i] * left[j]
            for i, j in ((0, 0), (0, 1), (1, 1))
        ]
    return [count, *means, *products]


def _rotated(columns: Sequence[np.ndarray], labels: list[Any], names: Sequence[str]) -> GroupData:
    """Rotate statistics to mean, slope and rest."""
    response, predictor, group = names
    n, m, y, xx, xy, yy = columns
    if predictor in ("Intercept", "sigma", "1") or "/" in predictor + group:
        raise ValueError(
            f"the columns {predictor!r} and {group!r} give parameters names that cannot be told "
            "from others, or that ArviZ cannot hold: rename them."
        )
    root_xx = np.sqrt(xx)
    slope = np.divide(xy, root_xx, out=np.zeros_like(xy), where=root_xx > 0)
    x0, y0 = (float(v[0] + (n * (v - v[0])).sum() / n.sum()) for v in (m, y))
    return GroupData(
        names=(response, predictor, group),
        labels=labels,
        n=n,
        root_n=np.sqrt(n),
        root_xx=root_xx,
        predictor_mean=m,
        predictor_distance=m - x0,
        mean=np.sqrt(n) * (y - y0),
        slope=slope,
        rest=np.maximum(yy - slope * slope, 0.0),
        grand_predictor=x0,
        grand_response=y0,
    )


def read_priors(data: GroupData, priors: Mapping[str, Any]) -> dict[str, Any]:
    """Sort priors under neutral names, and name the first that does not fit.

    Parameters
    ----------
    data
        The data, whose names the priors bear.
    priors
        Priors under Bambi's names; see `marginal_model`.

    Returns
    -------
    dict
        Priors of ``intercept``, ``slope`` and ``sigma`` and, where given, of the standard
        deviations ``intercept_sd``, ``slope_sd`` and ``log_sigma_sd``, and ``correlation``: the eta
        of its LKJ prior.

    Raises
    ------
    ValueError
        If a prior is missing, is not understood or belongs to no term.

    Notes
    -----
    Source: chapter 9.
    """
    _, predictor, group = data.names
    intercepts, slopes = f"1|{group}", f"{predictor}|{group}"
    names = {
        "Intercept": "intercept",
        predictor: "slope",
        "sigma": "sigma",
        intercepts: "intercept_sd",
        slopes: "slope_sd",
        slopes + CORRELATION: "correlation",
    }
    unknown = set(priors) - set(names)
    if unknown:
        raise ValueError(f"priors for {sorted(unknown)} belong to no term of {list(names)}.")
    found = {names[key]: prior for key, prior in priors.items()}
    for key in ("Intercept", predictor, "sigma"):
        if names[key] not in found:
            raise ValueError(f"priors lack {key!r}; its default is not guessed here.")
    for key in (intercepts, slopes):
        if names[key] in found:
            found[names[key]] = _spread(key, found[names[key]])
    if "correlation" in found:
        eta = _argument(found["correlation"], "LKJ", "eta", slopes + CORRELATION)
        if not {"intercept_sd", "slope_sd"} <= set(found):
            raise ValueError(f"a correlation needs priors for {intercepts!r} and {slopes!r}.")
        found["correlation"] = eta
    if isinstance(found["sigma"], Mapping):
        spread = dict(found["sigma"])
        if set(spread) != {"Intercept", intercepts}:
            raise ValueError(f"the prior of 'sigma' has the keys 'Intercept' and {intercepts!r}.")
        found["sigma"] = spread["Intercept"]
        found["log_sigma_sd"] = _spread(f"sigma: {intercepts}", spread[intercepts])
    for key, prior in found.items():
        if key != "correlation" and not (hasattr(prior, "name") and hasattr(prior, "args")):
            raise ValueError(f"the prior of the {key} is {prior!r}; give a bambi.Prior.")
    return found


def _spread(key: str, prior: Any) -> Any:
    """Return the prior of the standard deviation of normal group effects around zero."""
    spread = _argument(prior, "Normal", "sigma", key)
    if float(prior.args.get("mu", 0)) != 0 or not hasattr(spread, "args"):
        raise ValueError(
            f"the prior of {key!r} is Normal with mu=0 and a prior as its sigma; got {prior!r}."
        )
    return spread


def _argument(prior: Any, name: str, argument: str, key: str) -> Any:
    """Return an argument of a prior that must be of a given distribution."""
    if getattr(prior, "name", None) != name or argument not in prior.args:
        raise ValueError(f"the prior of {key!r} is {name} with {argument}=…; got {prior!r}.")
    return prior.args[argument]


def covariance(
    data: GroupData, sigma: Array, sd0: Array, sd1: Array, corr: Array
) -> tuple[Array, Array, Array]:
    """Give the covariance of a group's mean and slope, in residual variances.

    Parameters
    ----------
    data
        The data.
    sigma, sd0, sd1, corr
        Residual standard deviation, those of intercepts and slopes, and their correlation; shaped
        to broadcast against the groups in the last dimension.

    Returns
    -------
    tuple of arrays
        Variance of the mean, covariance, and the determinant of the two-by-two matrix. No term is
        subtracted, so nothing cancels.

    Notes
    -----
    Source: chapter 9.
    """
    n, m, root_xx = data.n, data.predictor_mean, data.root_xx
    t0, t1 = sd0 / sigma, sd1 / sigma
    free = (1 - corr) * (1 + corr)
    at_mean = (t0 + corr * m * t1) ** 2 + free * (m * t1) ** 2
    both = t1 * (corr * t0 + m * t1)
    slopes = (root_xx * t1) ** 2
    determinant = 1 + n * at_mean + slopes + n * t0 * t0 * slopes * free
    return 1 + n * at_mean, data.root_n * root_xx * both, determinant


def log_likelihood(
    data: GroupData,
    level: Array,
    slope: Array,
    sigma: Array,
    sd0: Array,
    sd1: Array,
    corr: Array,
    log: Callable[[Array], Array] = np.log,
) -> Array:
    """Give the log-likelihood of the rows with the group effects integrated out, by group.

    Parameters
    ----------
    data
        The data.
    level, slope
        Height of the line at the predictor's mean, from the response's mean; and its slope.
    sigma, sd0, sd1, corr
        As in `covariance`.
    log
        The logarithm that fits the arrays.

    Returns
    -------
    array
        One value a group, in the last dimension.

    Notes
    -----
    Equal to the dense multivariate normal density of all rows. Source: chapter 9.
    """
    c00, c01, determinant = covariance(data, sigma, sd0, sd1, corr)
    mean = data.mean - data.root_n * (level + slope * data.predictor_distance)
    tilt = data.slope - data.root_xx * slope - c01 / c00 * mean
    squares = data.rest + mean * mean / c00 + tilt * tilt * c00 / determinant
    constant = data.n * np.log(2 * np.pi)
    return -0.5 * (constant + 2 * data.n * log(sigma) + log(determinant) + squares / sigma**2)


def draw_effects(
    data: GroupData,
    level: np.ndarray,
    slope: np.ndarray,
    sigma: np.ndarray,
    sd0: np.ndarray,
    sd1: np.ndarray,
    corr: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the group effects, exactly, given draws of everything else.

    Parameters
    ----------
    data
        The data.
    level, slope, sigma, sd0, sd1, corr
        As in `log_likelihood`; one-dimensional, but that `sigma` may have a second dimension of
        groups.
    rng
        Source of randomness.

    Returns
    -------
    tuple of arrays
        Intercepts and slopes of the groups, draws by groups.

    Notes
    -----
    A draw from the prior is moved by what the data say about its difference from them (Matheron's
    rule; Hoffman and Ribak 1991), so no matrix is inverted, and a standard deviation of zero is
    no special case. Source: chapter 9.
    """
    shape = (len(level), len(data.n))
    effects = np.empty(shape), np.empty(shape)
    step = max(1, 1_000_000 // shape[1])
    for start in range(0, shape[0], step):
        part = slice(start, start + step)
        a, b, s0, s1, r = (v[part, None] for v in (level, slope, sd0, sd1, corr))
        s = sigma[part] if sigma.ndim == 2 else sigma[part, None]
        e0, e1, noise0, noise1 = rng.standard_normal((4, len(a), shape[1]))
        u0 = s0 * e0
        u1 = s1 * (r * e0 + np.sqrt((1 - r) * (1 + r)) * e1)
        m, root_n, root_xx = data.predictor_mean, data.root_n, data.root_xx
        mean = data.mean - root_n * (a + b * data.predictor_distance + u0 + m * u1) - s * noise0
        tilt = data.slope - root_xx * (b + u1) - s * noise1
        c00, c01, determinant = covariance(data, s, s0, s1, r)
        by_tilt = (tilt - c01 / c00 * mean) * c00 / determinant / s**2
        by_mean = (mean / s**2 - c01 * by_tilt) / c00
        common = r * s0 * s1
        effects[0][part] = u0 + root_n * (s0**2 + m * common) * by_mean + root_xx * common * by_tilt
        effects[1][part] = u1 + root_n * (common + m * s1**2) * by_mean + root_xx * s1**2 * by_tilt
    return effects
