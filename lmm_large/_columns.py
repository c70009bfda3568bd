"""Columns: which are gathered, how they are chosen for a model, and how parts of rows merge."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from lmm_large.formula import Formula, Part, Parts

Levels = Mapping[str, Sequence[str]]


class Column(NamedTuple):
    """A product of numeric columns and of indicators (factor, level); an empty one is constant."""

    numbers: frozenset[str] = frozenset()
    indicators: frozenset[tuple[str, str]] = frozenset()


def coded_columns(term: Parts, coded: Levels) -> list[tuple[Column, str, tuple[str, ...]]]:
    """Give the columns of a term, their names and their levels, those `coded`, in Bambi's order."""
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
    """Give the columns that any coding of the formula's terms can need, with their names."""
    found: dict[Column, str] = {}
    for term in (*formula.terms, *formula.effects):
        plain = tuple(part for part in term if not part.averaged)
        factors = [part for part in plain if part.name in levels]
        terms: list[Parts] = [(Part(part.name),) for part in term if part.averaged]
        terms += [
            tuple(part for part in plain if part in some or part not in factors)
            for size in range(len(factors) + 1)
            for some in combinations(factors, size)
        ]
        for parts in terms:
            coded = {part.name: levels[part.name] for part in parts if part in factors}
            for column, name, _ in coded_columns(parts, coded):
                found.setdefault(column, name)
    found.pop(Column(), None)
    return found


def chosen(
    means: np.ndarray, products: np.ndarray, columns: Sequence[Column], have: Sequence[Column]
) -> tuple[np.ndarray, np.ndarray]:
    """Choose columns of those we `have`; a constant is one, an unknown zero; the response last."""
    k = len(have)
    padded = np.pad(products, ((0, 0), (0, 2), (0, 2)))
    with_two = np.pad(means, ((0, 0), (0, 2)))
    with_two[:, k + 1] = 1.0
    number = {column: i for i, column in enumerate(have)} | {Column(): k + 1}
    at = [*(number.get(column, k + 2) for column in columns), k]
    return with_two[:, at], padded[:, at][:, :, at]


def merged(
    codes: np.ndarray, n: np.ndarray, means: np.ndarray, products: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge the moments of parts into those of groups; `codes` number the groups from zero.

    Source: Chan, Golub and LeVeque (1983). Means are measured from that of the largest part.
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
