"""The collapsed route: near-independent draws of the whole model in a tenth of a second.

With normal priors the line can be integrated out after the group effects, and two to four numbers
remain. They are drawn from a mixture that is fitted to their density, and weighted; Pareto-smoothed
importance sampling judges the weights, and refuses if they cannot be trusted. Line and effects
follow exactly. Only NumPy is needed, and nothing is compiled.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmm_large.group_model import GroupData, covariance, draw_effects, group_data, read_priors

TAIL = 4.0
"""Degrees of freedom of the proposals' tails."""

WIDE = 1.7
"""Width of the proposal that covers everything, in standard deviations."""

Density = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CollapsedPosterior:
    """Draws of a collapsed posterior, and what to think of them.

    Attributes
    ----------
    draws
        Arrays under Bambi's names: chain by draw, and by group for group effects.
    log_density
        Log posterior density, up to a constant, of the spreads behind each draw.
    khat
        Pareto k-hat of the importance weights: below 0.7 they can be trusted.
    efficiency
        Effective share of the proposals, from 0 to 1.
    data
        The data.
    """

    draws: dict[str, np.ndarray]
    log_density: np.ndarray
    khat: float
    efficiency: float
    data: GroupData

    def to_datatree(self) -> Any:
        """Give the draws as Bambi gives a fit, for ArviZ and for `check_convergence`.

        Nothing moves here from draw to draw, so ``diverging`` is always false, and ``energy`` is
        the negative log density of independent draws. `draw_group_effects` takes the result, and
        scores rows.
        """
        import xarray as xr

        dim = f"{self.data.names[2]}__factor_dim"
        dims = ("chain", "draw", dim)
        posterior = xr.Dataset(
            {name: (dims[: values.ndim], values) for name, values in self.draws.items()},
            {dim: self.data.coordinate},
        )
        chains, draws = self.draws["Intercept"].shape
        posterior = posterior.assign_coords(chain=np.arange(chains), draw=np.arange(draws))
        posterior.attrs = {"inference_library": "lmm_helpers", "pareto_khat": self.khat}
        stats = xr.Dataset(
            {
                "diverging": (("chain", "draw"), np.zeros((chains, draws), bool)),
                "energy": (("chain", "draw"), -self.log_density),
            },
            {"chain": posterior["chain"], "draw": posterior["draw"]},
        )
        return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def collapsed_posterior(
    statistics: Any,
    *,
    priors: Mapping[str, Any],
    seed: int,
    chains: int = 4,
    draws: int = 1000,
) -> CollapsedPosterior:
    """Draw the posterior of a model of group statistics, without a sampler or a compiler.

    Parameters
    ----------
    statistics
        What `group_statistics` returns, or, to do without even pandas, what `group_data_of_rows`
        does.
    priors
        As for `marginal_model`; the line's priors are normal, one `sigma` holds for all groups.
    seed
        Seed of the draws.
    chains, draws
        Into how many rows of how many draws the sample is laid out. All are independent but for
        repeats among the importance weights' largest.

    Returns
    -------
    CollapsedPosterior
        The draws, with the k-hat of their weights.

    Raises
    ------
    ValueError
        If a prior is of a kind that this route cannot take.
    RuntimeError
        If the weights cannot be trusted: k-hat is 0.7 or more.

    Notes
    -----
    Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024) for k-hat; chapter 9 for the rest.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> from lmm_large import Prior, group_statistics
    >>> statistics = group_statistics(load_bounce(), "bounce_time", "std_age", "county")
    >>> spread = Prior("HalfNormal", sigma=15)
    >>> posterior = collapsed_posterior(statistics, seed=1, priors={
    ...     "Intercept": Prior("Normal", mu=200, sigma=50),
    ...     "std_age": Prior("Normal", mu=0, sigma=10),
    ...     "sigma": Prior("HalfNormal", sigma=20),
    ...     "1|county": Prior("Normal", mu=0, sigma=spread),
    ... })
    >>> posterior.khat < 0.7, posterior.draws["1|county"].shape
    (True, (4, 1000, 8))
    """
    data = group_data(statistics)
    given = read_priors(data, priors)
    target = _Target(data, given)
    rng = np.random.default_rng(seed)
    wanted = chains * draws
    try:
        with np.errstate(all="ignore"):
            points, log_weights = _proposed(target, rng, max(4000, 4 * wanted))
            smoothed, khat = pareto_smoothed(log_weights)
    except np.linalg.LinAlgError:
        khat = math.inf
    if not khat < 0.7:
        raise RuntimeError(
            f"the collapsed route does not fit here (k-hat {khat:.2f}, at most 0.7): sample "
            "marginal_model(statistics, priors=priors) instead."
        )
    weights = np.exp(smoothed)
    steps = (np.arange(wanted) + rng.random()) / wanted
    chosen = rng.permutation(np.searchsorted(np.cumsum(weights) / weights.sum(), steps))
    level, slope = target.line(points[chosen], rng)
    sigma, sd0, sd1, corr = spread = target.spread(points[chosen])
    effects = draw_effects(data, level, slope, sigma, sd0, sd1, corr, rng)
    _, predictor, group = data.names
    named = {
        "Intercept": level + data.grand_response - slope * data.grand_predictor,
        predictor: slope,
        "sigma": spread[0],
    }
    if "intercept_sd" in given:
        named |= {data.intercept_sd: spread[1]}
    if "slope_sd" in given:
        named |= {data.slope_sd: spread[2]}
    if "correlation" in given:
        named |= {data.correlation: spread[3]}
    for term, values in zip((f"1|{group}", f"{predictor}|{group}"), effects, strict=True):
        if term in priors:
            named |= {term: values}
    shaped = {name: v.reshape(chains, draws, *v.shape[1:]) for name, v in named.items()}
    efficiency = float(1 / (weights**2).sum() / len(weights))
    log_density = target(points[chosen]).reshape(chains, draws)
    return CollapsedPosterior(shaped, log_density, khat, efficiency, data)


class _Target:
    """The log posterior density of log sigma, the log sds and the correlation's inverse tanh."""

    def __init__(self, data: GroupData, given: Mapping[str, Any]) -> None:
        self.data = data
        if "log_sigma_sd" in given:
            raise ValueError(
                "the collapsed route takes one sigma for all groups: for a sigma of each group "
                "sample marginal_model(statistics, priors=priors)."
            )
        centre, scale = [], []
        for name in ("intercept", "slope"):
            prior = given[name]
            if prior.name != "Normal":
                raise ValueError(
                    f"the collapsed route takes Normal priors for the line; that of the {name} is "
                    f"{prior.name}: sample marginal_model(statistics, priors=priors)."
                )
            centre.append(float(prior.args["mu"]))
            scale.append(float(prior.args["sigma"]))
        self.centre = (centre[0] - data.grand_response, centre[1])
        self.scale = tuple(scale)
        self.spreads = [key for key in ("sigma", "intercept_sd", "slope_sd") if key in given]
        self.log_priors = [_log_density(given[key]) for key in self.spreads]
        self.eta = given.get("correlation")

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Give the log density of points, up to a constant."""
        step = max(1, 1_000_000 // len(self.data.n))
        parts = range(0, len(points), step)
        with np.errstate(all="ignore"):
            value = np.concatenate([self._at(points[start : start + step]) for start in parts])
        return np.where(np.isfinite(value), value, -np.inf)

    def spread(self, points: np.ndarray) -> list[np.ndarray]:
        """Give sigma, the two standard deviations and the correlation."""
        zero = np.zeros(len(points))
        found = dict(zip(self.spreads, np.exp(points.T), strict=False))
        corr = zero if self.eta is None else np.tanh(points[:, -1])
        return [found.get(key, zero) for key in ("sigma", "intercept_sd", "slope_sd")] + [corr]

    def line(self, points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the line given the spreads: its level at the grand means, and its slope."""
        step = max(1, 1_000_000 // len(self.data.n))
        found = []
        for start in range(0, len(points), step):
            mode, p00, p01, p11, _, _ = self._regression(points[start : start + step])
            z0, z1 = rng.standard_normal((2, len(p00)))
            rest = np.sqrt(p11 - p01 * p01 / p00)
            slope = mode[1] + z1 / rest
            found.append((mode[0] - p01 / p00 * (slope - mode[1]) + z0 / np.sqrt(p00), slope))
        level, slope = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return level, slope

    def _regression(self, points: np.ndarray) -> tuple[Any, ...]:
        """Regress means and slopes on the line; give mode, precision and what is left over."""
        data = self.data
        sigma, sd0, sd1, corr = (values[:, None] for values in self.spread(points))
        c00, c01, determinant = covariance(data, sigma, sd0, sd1, corr)
        scale0 = 1 / (np.sqrt(c00) * sigma)
        scale1 = np.sqrt(c00 / determinant) / sigma
        pull = c01 / c00
        rows = (
            (data.root_n * scale0, data.root_n * data.predictor_distance * scale0),
            (
                -pull * data.root_n * scale1,
                (data.root_xx - pull * data.root_n * data.predictor_distance) * scale1,
            ),
        )
        values = (data.mean * scale0, (data.slope - pull * data.mean) * scale1)
        (m0, m1), (s0, s1) = self.centre, self.scale
        offsets = [v - a * m0 - b * m1 for v, (a, b) in zip(values, rows, strict=True)]
        p00 = sum((a * a).sum(axis=1) for a, _ in rows) + s0**-2
        p01 = sum((a * b).sum(axis=1) for a, b in rows)
        p11 = sum((b * b).sum(axis=1) for _, b in rows) + s1**-2
        q0 = sum((a * v).sum(axis=1) for v, (a, _) in zip(offsets, rows, strict=True))
        q1 = sum((b * v).sum(axis=1) for v, (_, b) in zip(offsets, rows, strict=True))
        free = p11 - p01 * p01 / p00
        d1 = (q1 - p01 / p00 * q0) / free
        d0 = (q0 - p01 * d1) / p00
        squares = (d0 / s0) ** 2 + (d1 / s1) ** 2 + data.rest.sum() / sigma[:, 0] ** 2
        for v, (a, b) in zip(offsets, rows, strict=True):
            squares += ((v - a * d0[:, None] - b * d1[:, None]) ** 2).sum(axis=1)
        logs = 2 * data.n.sum() * np.log(sigma[:, 0]) + np.log(determinant).sum(axis=1)
        return (m0 + d0, m1 + d1), p00, p01, p11, squares, logs + np.log(p00 * free)

    def _at(self, points: np.ndarray) -> np.ndarray:
        *_, squares, logs = self._regression(points)
        value = -0.5 * (squares + logs)
        for column, log_prior in enumerate(self.log_priors):
            value += log_prior(np.exp(points[:, column])) + points[:, column]
        if self.eta is not None:
            value -= 2 * self.eta * np.log(np.cosh(points[:, -1]))
        return np.asarray(value)

    def start(self) -> np.ndarray:
        """Give a first guess of the mode."""
        data = self.data
        among = float((data.mean / data.root_n).std())
        residual = math.sqrt(data.rest.sum() / max(data.n.sum() - 2 * len(data.n), 1.0))
        residual = residual or among or 1.0
        guess = {
            "sigma": residual,
            "intercept_sd": among + residual / math.sqrt(data.n.mean()),
            "slope_sd": residual / (math.sqrt((data.root_xx**2).mean()) or 1.0),
        }
        points = [math.log(max(guess[key], 1e-100)) for key in self.spreads]
        return np.array(points + [0.0] * (self.eta is not None))


def _log_density(prior: Any) -> Density:
    """Give the log density of a prior of a positive number, up to a constant."""
    args = {name: float(value) for name, value in prior.args.items()}
    match prior.name, sorted(args):
        case "HalfNormal", ["sigma"]:
            return lambda v: -0.5 * (v / args["sigma"]) ** 2
        case "Exponential", ["lam"]:
            return lambda v: -args["lam"] * v
        case "HalfStudentT", ["nu", "sigma"]:
            nu = args["nu"]
            return lambda v: -(nu + 1) / 2 * np.log1p((v / args["sigma"]) ** 2 / nu)
        case "HalfCauchy", ["beta"]:
            return lambda v: -np.log1p((v / args["beta"]) ** 2)
        case "Gamma", ["alpha", "beta"]:
            return lambda v: (args["alpha"] - 1) * np.log(v) - args["beta"] * v
    raise ValueError(
        "the collapsed route takes HalfNormal, Exponential, HalfStudentT, HalfCauchy and Gamma "
        f"priors of standard deviations; got {prior!r}: sample marginal_model(statistics, "
        "priors=priors)."
    )


def _mode(target: _Target) -> tuple[np.ndarray, np.ndarray]:
    """Find the mode, and the covariance that the curvature there suggests."""
    point = target.start()
    size = len(point)
    width = np.full(size, 1e-3)
    cov = np.eye(size)
    for _ in range(100):
        steps = np.eye(size) * width
        pairs = steps[:, None] + steps[None, :]
        around = np.concatenate([pairs, -pairs, steps[:, None] - steps[None, :]])
        values = target(point + around.reshape(-1, size)).reshape(3, size, size)
        here = target(point[None])[0]
        ahead, behind, across = values
        gradient = (np.diag(ahead) - np.diag(behind)) / (4 * width)
        second = (ahead + behind - across - across.T) / (4 * np.outer(width, width))
        second[np.diag_indices(size)] = (np.diag(ahead) + np.diag(behind) - 2 * here) / (
            4 * width**2
        )
        roots, vectors = np.linalg.eigh(-second)
        cov = (vectors / np.maximum(np.abs(roots), 0.05)) @ vectors.T
        move = cov @ gradient
        move *= min(1.0, 2.0 / np.abs(move).max())
        trials = point + move * 0.5 ** np.arange(12)[:, None]
        heights = target(trials)
        best = int(heights.argmax())
        width = np.clip(0.1 * np.sqrt(np.diag(cov)), 1e-7, 0.1)
        if heights[best] <= here or np.abs(move) @ np.abs(gradient) < 1e-4:
            break
        point = trials[best]
    return point, cov


def _proposed(
    target: _Target, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Propose points, and give them with their log weights.

    First a wide t around the mode. Then a mixture of many small ones, which stand where the last
    round found weight: it follows a bend, or the long shoulder of a standard deviation near zero.
    A wide one stays among them, for what lies between and beyond.
    """
    mode, cov = _mode(target)
    mixture = [(1.0, mode[None], 2.0 * np.linalg.cholesky(cov))]
    size = len(mode)
    for number in (2000, 2000, 2000, count):
        points = _draw_mixture(mixture, number, rng)
        log_weights = target(points) - _log_mixture(points, mixture)
        weights = np.exp(pareto_smoothed(log_weights)[0])
        mean = weights @ points
        away = points - mean
        factor = np.linalg.cholesky((away * weights[:, None]).T @ away + 1e-9 * cov)
        kept = 60
        steps = (np.arange(kept) + rng.random()) / kept * weights.sum()
        centres = points[np.searchsorted(np.cumsum(weights), steps)]
        narrow = (4 / ((size + 2) * kept)) ** (1 / (size + 4))
        mixture = [(0.75, centres, 1.1 * narrow * factor), (0.25, mean[None], WIDE * factor)]
    return points, log_weights


Mixture = list[tuple[float, np.ndarray, np.ndarray]]
"""Share, centres and Cholesky factor of sets of multivariate t distributions."""


def _draw_mixture(mixture: Mixture, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a mixture; the shares are met exactly, not on average."""
    found = []
    for share, centres, factor in mixture:
        number = round(share * count)
        which = rng.permutation(np.arange(number) % len(centres))
        normal = rng.standard_normal((number, len(factor)))
        stretch = np.sqrt(TAIL / rng.chisquare(TAIL, number))
        found.append(centres[which] + stretch[:, None] * (normal @ factor.T))
    return np.concatenate(found)


def _log_mixture(points: np.ndarray, mixture: Mixture) -> np.ndarray:
    """Give the log density of a mixture, up to a constant."""
    density = np.zeros(len(points))
    for share, centres, factor in mixture:
        inverse = np.linalg.inv(factor).T
        a, b = points @ inverse, centres @ inverse
        squares = sum((a[:, None, i] - b[None, :, i]) ** 2 for i in range(len(factor)))
        kernel = (1 + squares / TAIL) ** (-(TAIL + len(factor)) / 2)
        density += share * kernel.mean(axis=1) / np.diag(factor).prod()
    return np.asarray(np.log(density))


def pareto_smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth the largest importance weights, and judge them by their Pareto k-hat.

    Parameters
    ----------
    log_weights
        Logarithms of the weights, one dimension.

    Returns
    -------
    tuple of array and float
        Logarithms of weights that sum to one, and k-hat.

    Notes
    -----
    ArviZ has the same (``arviz_stats``), and a test holds the two equal; loading it takes ten
    times as long as everything here. Source: Vehtari et al. (2024); Zhang and Stephens (2009).

    Examples
    --------
    >>> import numpy as np
    >>> _, khat = pareto_smoothed(np.random.default_rng(1).normal(size=4000))
    >>> khat < 0.7
    True
    """
    log_weights = log_weights - log_weights.max()
    count = len(log_weights)
    tail = int(3 * math.sqrt(count)) if count > 225 else count // 5
    order = np.argsort(log_weights)
    largest = order[-tail:]
    cutoff = math.exp(log_weights[order[-tail - 1]])
    excess = np.exp(log_weights[largest]) - cutoff
    khat = math.inf
    quartile = excess[int(tail / 4 + 0.5) - 1]
    if quartile > excess[0]:
        grid = 30 + int(math.sqrt(tail))
        trial = 1 - np.sqrt(grid / (np.arange(grid) + 0.5))
        trial = trial / (3 * quartile) + 1 / excess[-1]
        shape = np.log1p(-trial[:, None] * excess).mean(axis=1)
        fit = tail * (np.log(-trial / shape) - shape - 1)
        share = np.exp(fit - fit.max())
        share[share < 10 * np.finfo(float).eps * share.sum()] = 0
        rate = float((trial * share).sum() / share.sum())
        raw = float(np.log1p(-rate * excess).mean())
        khat = (tail * raw + 5) / (tail + 10)
        at = (np.arange(tail) + 0.5) / tail
        quantiles = cutoff + -raw / rate * np.expm1(-khat * np.log1p(-at)) / khat
        log_weights[largest] = np.minimum(np.log(quantiles), 0.0)
    total = np.log(np.exp(log_weights).sum())
    return log_weights - total, khat
