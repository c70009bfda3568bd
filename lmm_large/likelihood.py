"""The likelihood of a Gaussian mixed model with one grouping factor, from a few rows a group.

An orthogonal matrix turns the rows of a group into so many pseudo-rows as there are columns, and
leaves the likelihood as it was but for its count. Those that the group effects reach come first
(the *head*); the others (the *tail*) hold residual noise alone, so that those of all groups can be
pooled. Everything is a sum of squares and a product of pivots, none below one, in arithmetic that
NumPy and PyTensor read alike. Source: Bates et al. (2015) for penalised least squares; Golub and
Van Loan (2013) for the modified Gram-Schmidt process.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lmm_large.design import Design

Array = Any  # of NumPy, or a variable of PyTensor
Log = Callable[[Array], Array]

LOG_2_PI = math.log(2 * math.pi)
CHUNK = 100_000  # draws times groups that are held at once: few enough for the cache


@dataclass(frozen=True)
class PseudoRows:
    """What the data say; G groups, q group effects, c coefficients.

    ``n`` (G) counts the rows. The head has the columns of the effects, ``z`` (head, q, G), of the
    coefficients, ``x`` (head, c, G), and of the response, ``y`` (head, G); the tail has ``tail_x``
    (tail, c, G) and ``tail_y`` (tail, G), with one entry for G once it is pooled. With an intercept
    in the model, columns and response are distances from their grand means, ``centre`` (c) and
    ``level``; the first coefficient is the height of the line there, from the response's mean.
    """

    n: Array
    z: Array
    x: Array
    y: Array
    tail_x: Array
    tail_y: Array
    centre: np.ndarray
    level: float


def pseudo_rows(design: Design, *, pooled: bool = False) -> PseudoRows:
    """Rotate the moments of a design to pseudo-rows; pool the tail where sigma is one for all."""
    slopes = [effect.column for effect in design.effects if effect.column is not None]
    terms = [column for term in design.terms for column in term.columns]
    order = [*dict.fromkeys(slopes + terms), -1]
    means = design.means[:, order]
    groups, width = means.shape
    root = np.zeros((groups, 1 + width, 1 + width))  # its first column is that of the ones
    root[:, 1:, 1:] = _upper_root(design.n, means, design.products[:, order][:, :, order])
    centre = np.zeros(1 + width)
    if design.intercept:
        first = means[0]
        centre[1:] = first + (design.n[:, None] * (means - first)).sum(axis=0) / design.n.sum()
    root_n = np.sqrt(design.n)
    top = np.column_stack([np.ones(groups), means])
    effect_columns = [0 if e.column is None else 1 + order.index(e.column) for e in design.effects]
    coefficient_columns = [0] * design.intercept + [1 + order.index(column) for column in terms]
    root[:, 0] = root_n[:, None] * (top - centre)
    head = 1 + len(slopes) if design.effects else 0
    z = root[:, :head, effect_columns]
    z[:, :1] = (root_n[:, None] * top[:, effect_columns])[:, None][:, :head]
    tail = root[:, head:, [*coefficient_columns, width]]
    if pooled:
        tail = np.linalg.qr(tail.reshape(-1, tail.shape[2]), mode="r")[None]
    x, y = root[:, :head][:, :, coefficient_columns], root[:, :head, width]
    groups_first = (z, x, y, tail[:, :, :-1], tail[:, :, -1])
    z, x, y, tail_x, tail_y = (np.moveaxis(part, 0, -1) for part in groups_first)
    level = float(centre[width])
    return PseudoRows(design.n, z, x, y, tail_x, tail_y, centre[coefficient_columns], level)


def _upper_root(n: np.ndarray, means: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Give upper triangular matrices R with R'R = products: by Cholesky, or eigenvectors if not."""
    left = np.array(products, dtype=float)
    size = np.diagonal(left, axis1=1, axis2=2).copy()
    step = 4 * np.finfo(float).eps * np.abs(means)
    constant = size <= n[:, None] * step * step  # less than rounding makes of a constant
    size[constant] = 0.0
    left[constant[:, :, None] | constant[:, None, :]] = 0.0
    root = np.zeros_like(left)
    singular = np.zeros(len(left), dtype=bool)
    whole = left.copy()
    for j in range(left.shape[1]):
        pivot = left[:, j, j]
        usable = pivot > (1e-10 if j + 1 < left.shape[1] else 0.0) * size[:, j]
        singular |= ~usable & (size[:, j] > 0) & (j + 1 < left.shape[1])
        row = left[:, j, j:] / np.sqrt(np.where(usable, pivot, 1.0))[:, None]
        row[~usable] = 0.0
        root[:, j, j:] = row
        left[:, j + 1 :, j + 1 :] -= row[:, 1:, None] * row[:, None, 1:]
    if singular.any():
        scale = np.sqrt(size[singular])
        unit = np.where(scale > 0, scale, 1.0)
        values, vectors = np.linalg.eigh(whole[singular] / (unit[:, :, None] * unit[:, None]))
        turned = np.sqrt(np.maximum(values, 0.0))[:, :, None] * np.swapaxes(vectors, 1, 2)
        root[singular] = np.linalg.qr(turned * scale[:, None], mode="r")
    return root


def residual_sd(rows: PseudoRows) -> float:
    """Guess sigma from what the best coefficients leave of a pooled tail."""
    x, y = rows.tail_x[:, :, 0], rows.tail_y[:, 0]
    left = y - x @ np.linalg.lstsq(x, y)[0]
    free = rows.n.sum() - len(rows.y) * len(rows.n) - x.shape[1]
    return math.sqrt(float(left @ left) / max(float(free), 1.0))


class _Factor(NamedTuple):
    """The covariance of the head in residual variances, as F D F' with ones on F's diagonal."""

    below: list[list[Array]]
    pivots: list[Array]

    def solve(self, columns: Sequence[Array]) -> list[Array]:
        """Solve F v = column."""
        found: list[Array] = []
        for column, row in zip(columns, self.below, strict=True):
            found.append(column - sum(a * v for a, v in zip(row, found, strict=True)))
        return found

    def solve_transposed(self, columns: Sequence[Array]) -> list[Array]:
        """Solve F' v = column."""
        found = list(columns)
        for i, row in reversed([*enumerate(self.below)]):
            found[:i] = [v - a * found[i] for v, a in zip(found[:i], row, strict=True)]
        return found


def _factor(
    z: Array, heads: int, *, sigma: Array, spreads: Sequence[Array], correlation: Array = None
) -> _Factor:
    """Factor I + W W', W being `z` times the effects' Cholesky factor in residual sds.

    The rows of [I W] are made orthogonal one after another, so no pivot is a difference.
    """
    rows: list[dict[int, Array]] = []
    factor = _Factor([], [])
    for i in range(heads):
        row = {a: z[i, a] * (spread / sigma) for a, spread in enumerate(spreads)}
        if correlation is not None:
            row[0] = row[0] + row[1] * correlation
            row[1] = row[1] * ((1 - correlation) * (1 + correlation)) ** 0.5
        row[-1 - i] = 1.0
        below: list[Array] = [0.0] * i
        for j in [*range(i), *range(i)]:  # twice, for the second takes out what rounding left
            basis, pivot = rows[j], factor.pivots[j]
            share = sum(row[k] * basis[k] for k in row.keys() & basis.keys()) / pivot
            row = {k: row.get(k, 0.0) - share * basis.get(k, 0.0) for k in row | basis}
            below[j] = below[j] + share
        rows.append(row)
        factor.below.append(below)
        factor.pivots.append(sum(value * value for value in row.values()))
    return factor


def _length(rows: Array) -> int:
    """Count rows, whose number PyTensor's variables know by their type."""
    return int((rows.type if hasattr(rows, "type") else rows).shape[0])


def log_density(
    n: Array, z: Array, heads: Sequence[Array], rest: Array, *, log: Log = np.log, **given: Array
) -> Array:
    """Give the log density of each group's rows with the group effects integrated out.

    `n` is (G), `z` (head, q, G); residuals of the head and the sum of squares of those of the tail,
    `heads` and `rest`, are (…, G); what is `given` as in `_factor`, (…, 1) or (…, G).
    """
    factor, sigma = _factor(z, len(heads), **given), given["sigma"]
    turned = factor.solve(heads)
    squares = rest + sum(v * v / d for v, d in zip(turned, factor.pivots, strict=True))
    logs = n * (LOG_2_PI + 2 * log(sigma)) + sum(log(pivot) for pivot in factor.pivots)
    return -0.5 * (logs + squares / sigma**2)


def log_likelihood(
    rows: PseudoRows, coefficients: Array, *, log: Log = np.log, **given: Array
) -> Array:
    """Give the log-likelihood of all rows at `coefficients` (…, c); see `log_density`."""
    heads = [rows.y[i] - coefficients @ rows.x[i] for i in range(_length(rows.y))]
    by_group = log_density(rows.n, rows.z, heads, 0.0, log=log, **given)
    tail = [rows.tail_y[i] - coefficients @ rows.tail_x[i] for i in range(_length(rows.tail_y))]
    tail = [residual / given["sigma"] for residual in tail]
    return by_group.sum(axis=-1) - 0.5 * sum((t * t).sum(axis=-1) for t in tail)


class Population(NamedTuple):
    """Coefficients given D sets of spreads: their mean (D, c), and the log density of all rows (D).

    Coefficients, under independent normal priors, and group effects are integrated out of it.
    """

    mean: np.ndarray
    log_likelihood: np.ndarray
    factor: _Factor

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the coefficients, once for each set of spreads."""
        noise = [rng.standard_normal(len(self.mean)) / d**0.5 for d in self.factor.pivots]
        away = self.factor.solve_transposed(noise)
        return self.mean + np.stack(away, axis=-1) if away else self.mean

    def sd(self, number: int) -> np.ndarray:
        """Give the posterior standard deviation of one coefficient, (D)."""
        turned = self.factor.solve([*np.eye(self.mean.shape[1])[number]])
        variance = sum(v * v / d for v, d in zip(turned, self.factor.pivots, strict=True))
        return np.sqrt(np.broadcast_to(variance, len(self.mean)))


def integrate_population(
    rows: PseudoRows, mean: np.ndarray, sd: np.ndarray, **given: Array
) -> Population:
    """Integrate the coefficients out under priors of `mean` (c) and `sd` (c); the rest is (D, 1).

    The tail is pooled. Squares are summed at the mode, so that its error counts as its square.
    """
    head, _, groups = rows.x.shape
    sigma = given["sigma"]
    draws, number = len(sigma), len(mean)
    away = rows.tail_y[:, 0] - rows.tail_x[:, :, 0] @ mean
    columns = np.concatenate([rows.x, (rows.y - mean @ rows.x)[:, None]], axis=1)
    factor = _factor(rows.z, head, **given)
    white = np.empty((draws, number + 1, head, groups))
    scale = [1 / (sigma * np.sqrt(pivot)) for pivot in factor.pivots]
    for k in range(number + 1):
        for i, turned in enumerate(factor.solve(list(columns[:, k]))):
            np.multiply(turned, scale[i], out=white[:, k, i])
    flat = white.reshape(draws, number + 1, head * groups)
    gram = flat @ np.swapaxes(flat[:, :number], 1, 2)
    tail = np.column_stack([rows.tail_x[:, :, 0], away])
    gram += tail.T @ tail[:, :number] / sigma[..., None] ** 2
    gram[:, np.arange(number), np.arange(number)] += sd**-2.0
    solved = _cholesky(gram[:, :number])
    halfway = solved.solve([gram[:, number, k] for k in range(number)])
    scaled = [v / d for v, d in zip(halfway, solved.pivots, strict=True)]
    shift = np.stack(solved.solve_transposed(scaled), axis=-1) if number else np.zeros((draws, 0))
    left = flat[:, number] - (shift[:, None] @ flat[:, :number])[:, 0]
    squares = (left * left).sum(axis=1) + ((shift / sd) ** 2).sum(axis=1)
    squares += (((away - shift @ rows.tail_x[:, :, 0].T) / sigma) ** 2).sum(axis=1)
    logs = rows.n.sum() * (LOG_2_PI + 2 * np.log(sigma[:, 0])) + 2 * np.log(sd).sum()
    logs += sum(np.broadcast_to(np.log(d), (draws, groups)).sum(axis=1) for d in factor.pivots)
    logs += sum(np.log(d) for d in solved.pivots)
    return Population(mean + shift, -0.5 * (logs + squares), solved)


def _cholesky(matrices: np.ndarray) -> _Factor:
    """Factor many small matrices at once, column by column."""
    found = _Factor([], [])
    for i in range(matrices.shape[1]):
        row: list[Array] = []
        for j in range(i):
            inner = sum(row[k] * found.below[j][k] * found.pivots[k] for k in range(j))
            row.append((matrices[:, i, j] - inner) / found.pivots[j])
        inner = sum(a * a * d for a, d in zip(row, found.pivots, strict=True))
        found.below.append(row)
        found.pivots.append(matrices[:, i, i] - inner)
    return found


def group_effects(
    rows: PseudoRows,
    coefficients: np.ndarray,
    *,
    rng: np.random.Generator | None = None,
    **given: Array,
) -> np.ndarray:
    """Draw the group effects (q, D, G) given all else, exactly; without `rng` give their means.

    A draw from the prior is moved by what the data say of its difference from them (Matheron's
    rule; Hoffman and Ribak 1991). `coefficients` is (D, c), `sigma` (D, 1) or (D, G).
    """
    shape = (len(coefficients), rows.n.shape[0])
    sigma, spreads, correlation = given["sigma"], given["spreads"], given.get("correlation")
    found = np.empty((len(spreads), *shape))
    step = max(1, CHUNK // shape[1])
    for start in range(0, shape[0], step):
        part = slice(start, start + step)
        s = sigma[part]
        sds = [spread[part] for spread in spreads]
        r = None if correlation is None else correlation[part]
        size = (len(s), shape[1])
        draw = np.zeros if rng is None else rng.standard_normal
        effects = [draw(size) for _ in sds]
        if r is not None:
            effects[1] = r * effects[0] + np.sqrt((1 - r) * (1 + r)) * effects[1]
        effects = [sd * value for sd, value in zip(sds, effects, strict=True)]
        factor = _factor(rows.z, len(rows.y), sigma=s, spreads=sds, correlation=r)
        away = [
            y - coefficients[part] @ x - sum(a * u for a, u in zip(z, effects, strict=True))
            for x, y, z in zip(rows.x, rows.y, rows.z, strict=True)
        ]
        noisy = [value - s * draw(size) for value in away]
        turned = [v / d for v, d in zip(factor.solve(noisy), factor.pivots, strict=True)]
        weight = [v / s**2 for v in factor.solve_transposed(turned)]
        pulls = [
            sd * sum(z * w for z, w in zip(z_of, weight, strict=True))
            for z_of, sd in zip(np.swapaxes(rows.z, 0, 1), sds, strict=True)
        ]
        if r is not None:
            pulls = [pulls[0] + r * pulls[1], r * pulls[0] + pulls[1]]
        for a, sd in enumerate(sds):
            found[a, part] = effects[a] + sd * pulls[a]
    return found
