"""The collapsed route: near-independent draws of the whole model in a tenth of a second.

With normal priors the coefficients can be integrated out after the group effects, and a few spreads
remain. They are drawn from a mixture that is fitted to their density; Pareto-smoothed importance
sampling judges the weights. Where it does not trust them, the spreads are looked at on another
scale, and with more proposals, before the route refuses. Coefficients and effects follow exactly.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmm_large.design import Design, design
from lmm_large.likelihood import (
    CHUNK,
    Population,
    group_effects,
    integrate_population,
    pseudo_rows,
    residual_sd,
)
from lmm_large.priors import correlation_name, log_density, normal_coefficients, read_priors
from lmm_large.statistics import GroupStatistics

if TYPE_CHECKING:
    import xarray as xr

TAIL = 4.0  # degrees of freedom of the proposals' tails
WIDE = 1.7  # width of the proposal that covers everything, in standard deviations
TRUSTED = 0.7  # below this k-hat, importance weights can be trusted (Vehtari et al. 2024)


@dataclass(frozen=True, eq=False)
class CollapsedPosterior:
    """Draws of a collapsed posterior, and what to think of them.

    Attributes
    ----------
    draws : dict of arrays
        Draws under Bambi's names: chain by draw, then by level or by group.
    log_density : array, (chain, draw)
        Log posterior density, up to a constant, of the spreads behind each draw.
    khat : float
        Pareto k-hat of the importance weights: below 0.7 they can be trusted.
    effective : float
        Effective number of the proposals: that of the draws is at most this.
    design : Design
        What was fitted.

    See Also
    --------
    collapsed_posterior : Makes it.
    """

    draws: dict[str, np.ndarray]
    log_density: np.ndarray
    khat: float
    effective: float
    design: Design

    def __repr__(self) -> str:
        """Say how many draws there are, of what, and what to think of them."""
        chains, draws = self.log_density.shape
        return (
            f"<CollapsedPosterior of {self.design.response!r}: {chains} x {draws} draws of "
            f"{', '.join(self.draws)}; k-hat {self.khat:.2f}>"
        )

    def to_datatree(self) -> "xr.DataTree":
        """Give the draws as Bambi gives a fit, for ArviZ and for a check of convergence.

        Returns
        -------
        xarray.DataTree
            ``posterior`` and ``sample_stats``, where ``diverging`` is always false and ``energy``
            the negative log density. `draw_group_effects` takes it, and scores rows.
        """
        import xarray as xr

        by_group = f"{self.design.group}__factor_dim"
        coords = {by_group: np.array(self.design.labels)} if self.design.effects else {}
        dims = {effect.name: by_group for effect in self.design.effects}
        for term in self.design.terms:
            if term.levels is not None:
                dims[term.name] = f"{term.name}_dim"
                coords[f"{term.name}_dim"] = np.array(term.levels)
        outer = ("chain", "draw")
        common = {d: np.arange(n) for d, n in zip(outer, self.log_density.shape, strict=True)}
        variables = {
            name: ((*outer, dims[name]) if name in dims else outer, values)
            for name, values in self.draws.items()
        }
        told = {"inference_library": "lmm_large", "pareto_khat": self.khat}
        posterior = xr.Dataset(variables, coords | common, told)
        stats = {"diverging": (outer, np.zeros(self.log_density.shape, bool))}
        stats["energy"] = (outer, -self.log_density)
        of_draws = xr.Dataset(stats, common)
        return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": of_draws})


def collapsed_posterior(
    statistics: GroupStatistics,
    *,
    priors: Mapping[str, Any],
    seed: int,
    formula: str | None = None,
    chains: int = 4,
    draws: int = 1000,
) -> CollapsedPosterior:
    """Draw the posterior of a model of group statistics, without a sampler or a compiler.

    Parameters
    ----------
    statistics
        What `group_statistics` or `merge_statistics` returns.
    priors
        As for `marginal_model`; those of ``Intercept`` and the terms are Normal, and one ``sigma``
        holds for all groups.
    seed
        Seed of the draws.
    formula
        A part of the formula that was gathered; None takes all of it.
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
        If a column was not gathered, or this route cannot take a prior.
    RuntimeError
        If the weights cannot be trusted: k-hat (Vehtari et al. 2024) is 0.7 or more.

    See Also
    --------
    marginal_model : The same posterior for a sampler, with any priors.
    Prior : The priors that are understood.

    Examples
    --------
    >>> from lmm_large import Prior, group_statistics
    >>> rows = {"y": [1.0, 3, 9, 4, 5], "x": [0.0, 2, 5, 1, 3], "who": ["a", "a", "b", "b", "c"]}
    >>> posterior = collapsed_posterior(
    ...     group_statistics(rows, "y ~ x + (1 | who)"),
    ...     seed=1,
    ...     priors={
    ...         "Intercept": Prior("Normal", mu=0, sigma=10),
    ...         "x": Prior("Normal", mu=0, sigma=5),
    ...         "sigma": Prior("HalfNormal", sigma=5),
    ...         "1|who": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5)),
    ...     },
    ... )
    >>> posterior.khat < 0.7, posterior.draws["1|who"].shape
    (True, (4, 1000, 3))
    """
    made = design(statistics, formula)
    wanted = chains * draws
    rng = np.random.default_rng(seed)
    target, points, weights, khat = _weighted(made, priors, max(4000, 4 * wanted), rng)
    steps = (np.arange(wanted) + rng.random()) / wanted
    chosen = points[rng.permutation(np.searchsorted(np.cumsum(weights) / weights.sum(), steps))]
    coefficients = target.coefficients(chosen, rng)
    given = target.spreads(chosen)
    effects = group_effects(target.rows, coefficients, rng=rng, **given)
    named: dict[str, np.ndarray] = {}
    column = int(made.intercept)
    if made.intercept:
        at_zero = coefficients[:, 1:] @ target.rows.centre[1:]
        named["Intercept"] = coefficients[:, 0] + target.rows.level - at_zero
    for term in made.terms:
        values = coefficients[:, column : column + len(term.columns)]
        named[term.name] = values if term.levels is not None else values[:, 0]
        column += len(term.columns)
    named["sigma"] = given["sigma"][:, 0]
    for effect, spread in zip(made.effects, given["spreads"], strict=True):
        named[f"{effect.name}_sigma"] = spread[:, 0]
    if "correlation" in given:
        named[str(correlation_name(made))] = given["correlation"][:, 0]
    named |= {effect.name: u for effect, u in zip(made.effects, effects, strict=True)}
    shaped = {name: v.reshape(chains, draws, *v.shape[1:]) for name, v in named.items()}
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    density = target(chosen).reshape(chains, draws)
    return CollapsedPosterior(shaped, density, khat, effective, made)


def _weighted(
    made: Design, priors: Mapping[str, Any], count: int, rng: np.random.Generator
) -> tuple["_Target", np.ndarray, np.ndarray, float]:
    """Give points with weights that can be trusted, from the first scale that has such."""
    best = math.inf
    for near_zero, rounds in ((True, 3), (True, 5), (False, 5), (True, 9)):
        target = _Target(made, priors, near_zero=near_zero)
        try:
            with np.errstate(all="ignore"):
                points, log_weights = _proposed(target, rng, rounds, count * rounds // 3)
                smoothed, khat = pareto_smoothed(log_weights)
        except np.linalg.LinAlgError:
            continue
        if khat < TRUSTED:
            return target, points, np.exp(smoothed), khat
        best = min(best, khat)
    raise RuntimeError(
        f"the collapsed route does not fit here (k-hat {best:.2f}, to be trusted below {TRUSTED}): "
        "sample marginal_model(statistics, priors=priors) instead."
    )


class _Target:
    """The log posterior density of sigma, the spreads and the correlation, on scales without end.

    Positive numbers are ``unit * sinh(x)``, flat at zero, or ``unit * exp(x)``; one is ``tanh(x)``.
    """

    def __init__(self, made: Design, priors: Mapping[str, Any], *, near_zero: bool) -> None:
        given = read_priors(made, priors)
        if given.log_sigma_sd is not None:
            raise ValueError(
                "the collapsed route takes one sigma for all groups: for a sigma of each group "
                "sample marginal_model(statistics, priors=priors)."
            )
        self.rows = pseudo_rows(made, pooled=True)
        self.mean, self.sd = normal_coefficients(made, given.coefficients)
        self.mean[: int(made.intercept)] -= self.rows.level
        self.log_priors = [log_density(prior) for prior in (given.sigma, *given.spreads.values())]
        self.eta = given.eta
        self.near_zero = near_zero
        # guesses of sigma, and of the least spread of each effect that would show beside it
        sigma = residual_sd(self.rows) or float(np.abs(self.rows.y).max(initial=0.0)) or 1.0
        sizes = np.sqrt((self.rows.z**2).sum(axis=0).mean(axis=-1))
        self.unit = np.array([sigma, *(sigma / np.where(sizes > 0, sizes, 1.0))])
        at_one = math.asinh(1.0) if near_zero else 0.0
        self.start = np.array([at_one] * len(self.unit) + [0.0] * (self.eta is not None))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Give the log density of points, up to a constant; beyond zero, as in a mirror."""
        with np.errstate(all="ignore"):
            value = np.concatenate([part.log_likelihood for part in self._parts(points)])
            terms = zip(self.log_priors, self.positive(points).T, points.T, strict=False)
            for log_prior, v, x in terms:
                value += log_prior(v) + (np.log(np.cosh(x)) if self.near_zero else x)
            if self.eta is not None:
                value -= 2 * self.eta * np.log(np.cosh(points[:, -1]))
        return np.where(np.isfinite(value), value, -np.inf)

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Tell which points stand for positive numbers."""
        positive = points[:, : len(self.unit)] > 0
        return np.asarray(positive.all(axis=1) if self.near_zero else np.ones(len(points), bool))

    def positive(self, points: np.ndarray) -> np.ndarray:
        """Give sigma and the standard deviations of the effects."""
        x = points[:, : len(self.unit)]
        return self.unit * np.asarray(np.sinh(np.abs(x)) if self.near_zero else np.exp(x))

    def spreads(self, points: np.ndarray) -> dict[str, Any]:
        """Give what the likelihood takes: columns of sigma, of spreads and of a correlation."""
        sigma, *spreads = self.positive(points).T[:, :, None]
        pair = {} if self.eta is None else {"correlation": np.tanh(points[:, [-1]])}
        return {"sigma": sigma, "spreads": spreads} | pair

    def coefficients(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the coefficients given the spreads."""
        return np.concatenate([part.draw(rng) for part in self._parts(points)])

    def _parts(self, points: np.ndarray) -> Iterator[Population]:
        """Integrate the coefficients out, so many points at a time as memory should hold."""
        size = self.rows.x.shape[0] * (len(self.mean) + 2) * len(self.rows.n)
        step = max(1, 4 * CHUNK // max(size, 1))
        for start in range(0, len(points), step):
            given = self.spreads(points[start : start + step])
            yield integrate_population(self.rows, self.mean, self.sd, **given)


def _mode(target: _Target, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Find the mode, and the covariance that the curvature there suggests."""
    start, size = target.start, len(target.start)
    around = start + 2 * rng.standard_normal((200, size)) * np.linspace(0, 1, 200)[:, None]
    point = around[target(around).argmax()]
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
        curved = (np.diag(ahead) + np.diag(behind) - 2 * here) / (4 * width**2)
        second[np.diag_indices(size)] = curved
        if not np.isfinite(second).all():  # at an end of what a prior allows
            cov = 0.25 * np.eye(size)
            break
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
    sided = target.near_zero * len(target.unit)
    point[:sided] = np.abs(point[:sided])
    return point, cov


def _proposed(
    target: _Target, rng: np.random.Generator, rounds: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Propose points, and give them with their log weights.

    First from a wide t around the mode; then from many small ones, which stand where the last round
    found weight and where a mirror at zero shows it, and a wide one for what lies between.
    """
    mode, cov = _mode(target, rng)
    mixture = [(1.0, mode[None], 2.0 * np.linalg.cholesky(cov))]
    size = len(mode)
    for number in (*[2000] * rounds, count):
        points = _draw_mixture(mixture, number, rng)
        log_weights = target(points) - _log_mixture(points, mixture)
        log_weights[~target.inside(points)] = -np.inf
        weights = np.exp(pareto_smoothed(log_weights)[0])
        mean = weights @ points
        away = points - mean
        factor = np.linalg.cholesky((away * weights[:, None]).T @ away + 1e-9 * cov)
        kept = 60
        flatter = np.cumsum(np.sqrt(weights))  # so that corners of little weight are not missed
        steps = (np.arange(kept) + rng.random()) / kept * flatter[-1]
        centres = points[np.searchsorted(flatter, steps)]
        narrow = (4 / ((size + 2) * kept)) ** (1 / (size + 4))
        small = 1.2 * narrow * factor
        for k in range(target.near_zero * len(target.unit)):
            near = centres[centres[:, k] < 2 * math.sqrt(float(small[k] @ small[k]))]
            centres = np.concatenate([centres, near * np.where(np.arange(size) == k, -1, 1)])
        mixture = [(0.75, centres, small), (0.25, mean[None], WIDE * factor)]
    return points, log_weights


Mixture = list[tuple[float, np.ndarray, np.ndarray]]  # share, centres and Cholesky factor of t's


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

    ArviZ has the same, and a test holds the two equal; it takes ten times as long to load.
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
