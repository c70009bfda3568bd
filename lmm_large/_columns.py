"""The algebra of columns: which are gathered, and how others are made of them.

A column is a product of numeric columns and of indicators of levels. The indicator of a factor's
reference is one minus those of its other levels, so every column of a model is a sum of gathered
ones, and its moments are a linear map of theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from lmm_large.formula import Formula, Part, Parts

Levels = Mapping[str, Sequence[str]]


class Column(NamedTuple):
    """A product of numeric columns and of indicators (factor, level); an empty one is constant."""

    numbers: frozenset[str] = frozenset()
    indicators: frozenset[tuple[str, str]] = frozenset()


CONSTANT = Column()


def coded_columns(term: Parts, coded: Levels) -> list[tuple[Column, str, tuple[str, ...]]]:
    """Give the columns of a term, their names and their levels, all in Bambi's order.

    `coded` holds, for each factor, the levels that have a column.
    """
    choices = [[(part, level) for level in coded.get(part.name, ("",))] for part in term]
    found = []
    for chosen in product(*choices):
        levels = [(part.name, level) for part, level in chosen if part.name in coded]
        plain = (part for part in term if not part.averaged and part.name not in coded)
        column = Column(frozenset(part.name for part in plain), frozenset(levels))
        names = [f"{part.name}[{lv}]" if part.name in coded else part.label for part, lv in chosen]
        found.append((column, ":".join(names), tuple(level for _, level in levels)))
    return found


def gathered_columns(formula: Formula, levels: Levels) -> dict[Column, str]:
    """Give the columns that any coding of the formula's terms can be made of, with their names."""
    found: dict[Column, str] = {}
    for term in (*formula.terms, *formula.effects):
        plain = tuple(part for part in term if not part.averaged)
        factors = [part for part in plain if part.name in levels]
        products: list[Parts] = [(Part(part.name),) for part in term if part.averaged]
        sizes = range(len(factors) + 1)
        products += [
            tuple(part for part in plain if part in some or part not in factors)
            for size in sizes
            for some in combinations(factors, size)
        ]
        for parts in products:
            coded = {part.name: levels[part.name][1:] for part in parts if part in factors}
            for column, name, _ in coded_columns(parts, coded):
                found.setdefault(column, name)
    found.pop(CONSTANT, None)
    return found


def expanded(column: Column, levels: Levels) -> dict[Column, float]:
    """Write a column as a sum of columns that bear no reference level."""
    sums: dict[Column, float] = {Column(column.numbers): 1.0}
    for factor, level in column.indicators:
        reference, *others = levels[factor]
        step: dict[Column, float] = {}
        for (numbers, indicators), sign in sums.items():
            if level == reference:
                step[Column(numbers, indicators)] = sign
            for other in others if level == reference else (level,):
                one = Column(numbers, indicators | {(factor, other)})
                step[one] = -sign if level == reference else sign
        sums = step
    return sums


def mapped(
    means: np.ndarray,
    products: np.ndarray,
    sums: Sequence[Mapping[Column, float]],
    have: Iterable[Column],
    scales: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give means and products of sums of columns, each times a number a group; the response stays.

    Raises KeyError with the first column that there is none of.
    """
    number = {column: i for i, column in enumerate(have)}
    matrix = np.zeros((len(sums) + 1, len(number) + 1))
    matrix[-1, -1] = 1.0
    constant = np.zeros(len(sums) + 1)
    for row, terms in enumerate(sums):
        for column, sign in terms.items():
            if column == CONSTANT:
                constant[row] += sign
            else:
                matrix[row, number[column]] += sign
    if not constant.any() and np.isin(matrix, (0, 1)).all() and (matrix.sum(1) == 1).all():
        chosen = matrix.argmax(1)
        means, products = means[:, chosen], products[:, chosen][:, :, chosen]
    else:
        means, products = means @ matrix.T + constant, matrix @ products @ matrix.T
        products = (products + products.transpose(0, 2, 1)) / 2
    if scales is not None:
        factors = np.concatenate([scales, np.ones((len(means), 1))], axis=1)
        means, products = means * factors, products * factors[:, :, None] * factors[:, None, :]
    diagonal = np.arange(len(sums) + 1)
    products[:, diagonal, diagonal] = np.maximum(products[:, diagonal, diagonal], 0.0)
    return means, products


def merged(
    codes: np.ndarray, n: np.ndarray, means: np.ndarray, products: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge the moments of parts into those of groups; `codes` number the groups from zero.

    Source: the pairwise update of Chan, Golub and LeVeque (1983), for any number of parts. Means
    are measured from that of the group's largest part, so a group in one part stays as it is.
    """
    order = np.lexsort((-n, codes))
    codes, n, means, products = codes[order], n[order], means[order], products[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    if len(starts) == len(codes):
        return n, means, products
    count = np.add.reduceat(n, starts)
    largest = means[starts]
    away = n[:, None] * (means - largest[codes])
    centre = largest + np.add.reduceat(away, starts) / count[:, None]
    away = means - centre[codes]
    spread = products + n[:, None, None] * (away[:, :, None] * away[:, None, :])
    return count, centre, np.add.reduceat(spread, starts)
