"""The columns of one model, made of gathered statistics without a look at the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from lmm_large._columns import (
    CONSTANT,
    Column,
    Levels,
    coded_columns,
    expanded,
    gathered_columns,
    mapped,
)
from lmm_large.formula import Formula, Part, Parts, check_names, label, parse
from lmm_large.statistics import GroupStatistics


@dataclass(frozen=True)
class Term:
    """A population-level term: its name, the numbers of its columns, and its levels if it has any.

    ``levels`` are the coordinates of Bambi's ``{name}_dim``; None for a numeric term.
    """

    name: str
    columns: tuple[int, ...]
    levels: tuple[str, ...] | None


@dataclass(frozen=True)
class Effect:
    """A group-level effect: ``1|g`` without a column, ``x|g`` with the number of that of x."""

    name: str
    column: int | None


@dataclass(frozen=True, eq=False)
class Design:
    """The terms of a model, and the moments of their columns in each group.

    Counts ``n`` (G), ``means`` (G by k + 1) and centred cross-products (G by k + 1 by k + 1); the
    response comes last, ``columns`` names the k others.
    """

    response: str
    group: str
    labels: tuple[str, ...]
    intercept: bool
    terms: tuple[Term, ...]
    effects: tuple[Effect, ...]
    columns: tuple[str, ...]
    n: np.ndarray
    means: np.ndarray
    products: np.ndarray


def design(statistics: GroupStatistics, formula: str | None = None) -> Design:
    """Make the design of a model of gathered statistics: of their formula, or of a part of it."""
    asked = parse(statistics.formula if formula is None else formula)
    for what, ours, theirs in (
        ("response", asked.response, statistics.response),
        ("group", asked.group or statistics.group, statistics.group),
    ):
        if ours != theirs:
            raise ValueError(f"the {what} of these statistics is {theirs!r}, not {ours!r}.")
    levels = statistics.levels
    wanted: list[_Wanted] = []
    terms, slopes = [], {}
    for term, coding in _coded(asked, levels):
        coded = {name: levels[name][0 if full else 1 :] for name, full in coding.items()}
        lonely = [name for name, chosen in coded.items() if not chosen]
        if lonely:
            raise ValueError(f"the factor {lonely[0]!r} has one level only: leave it out.")
        found = coded_columns(term, coded)
        numbers = tuple(range(len(wanted), len(wanted) + len(found)))
        averages = tuple(part.name for part in term if part.averaged)
        wanted += [_Wanted(name, expanded(column, levels), averages) for column, name, _ in found]
        named = tuple(", ".join(chosen) for _, _, chosen in found)
        terms.append(Term(label(term), numbers, named if coded else None))
        slopes[term] = numbers[0]
    effects = []
    for effect in asked.effects:
        if effect and effect not in slopes:
            slopes[effect] = len(wanted)
            column = Column(frozenset(part.name for part in effect))
            wanted.append(_Wanted(label(effect), {column: 1.0}, ()))
        effects.append(Effect(asked.effect_name(effect), slopes.get(effect)))
    check_names(asked, [term.name for term in terms if term.name not in map(label, asked.terms)])
    means, products = _moments(statistics, wanted)
    return Design(
        response=statistics.response,
        group=statistics.group,
        labels=statistics.labels,
        intercept=asked.intercept,
        terms=tuple(terms),
        effects=tuple(effects),
        columns=tuple(column.name for column in wanted),
        n=statistics.count.astype(float),
        means=means,
        products=products,
    )


class _Wanted(NamedTuple):
    """A column of a design: a sum of gathered ones, times the group's means of some."""

    name: str
    sums: dict[Column, float]
    averages: tuple[str, ...]


def _moments(
    statistics: GroupStatistics, wanted: Sequence[_Wanted]
) -> tuple[np.ndarray, np.ndarray]:
    """Give the moments of the wanted columns, or the error that names one that was not gathered."""
    have = list(gathered_columns(parse(statistics.formula), statistics.levels))
    for column in wanted:
        averaged = [Column(frozenset({name})) for name in column.averages]
        for one in (*column.sums, *averaged):
            if one not in have and one != CONSTANT:
                factors = sorted(factor for factor, _ in one.indicators)
                raise ValueError(
                    f"the column {':'.join([*sorted(one.numbers), *factors])!r} was not gathered: "
                    f"these are statistics of {statistics.formula!r}."
                )
    scales = np.ones((len(statistics.labels), len(wanted)))
    for number, column in enumerate(wanted):
        for name in column.averages:
            scales[:, number] *= statistics.means[:, have.index(Column(frozenset({name})))]
    return mapped(
        statistics.means,
        statistics.products,
        [column.sums for column in wanted],
        have,
        scales if any(column.averages for column in wanted) else None,
    )


def _coded(formula: Formula, levels: Levels) -> list[tuple[Parts, dict[str, bool]]]:
    """Choose the coding of each term's factors, True for a column of every level, as in formulae.

    A term whose columns one coding cannot give is preceded by a further term, as b is before a:b.
    """
    terms = list(formula.terms)
    for _ in range(2):
        used: dict[frozenset[Part], set[frozenset[tuple[str, bool]]]] = {}
        used[frozenset()] = {frozenset()} if formula.intercept else set()
        found: list[tuple[Parts, dict[str, bool]]] = []
        for term in terms:
            numbers = tuple(part for part in term if part.name not in levels)
            factors = [part.name for part in term if part.name in levels]
            if not factors:
                found.append((term, {}))
                continue
            spanned = used.setdefault(frozenset(numbers), set())
            if numbers in terms:
                spanned.add(frozenset())
            codings = _codings(factors, spanned)
            if not codings:
                raise ValueError(f"the term {label(term)!r} repeats another one: leave it out.")
            for coding in codings[:-1]:
                extra = tuple(part for part in term if part.name in coding) + numbers
                found.append((extra, coding))
            found.append((term, codings[-1]))
        terms = [term for term, _ in found]
    return found


def _codings(
    factors: Sequence[str], used: set[frozenset[tuple[str, bool]]]
) -> list[dict[str, bool]]:
    """Code factors so that they span what is not spanned, and nothing twice (as Patsy does)."""
    sizes = range(len(factors) + 1)
    subsets = (some for size in sizes for some in combinations(factors, size))
    pieces = [frozenset((factor, False) for factor in some) for some in subsets]
    pieces = [piece for piece in pieces if piece not in used]
    used.update(pieces)
    while joined := _absorption(pieces):
        short, long = joined
        ((factor, _),) = pieces[long] - pieces[short]
        pieces[long] = pieces[short] | {(factor, True)}
        del pieces[short]
    return [dict(piece) for piece in pieces]


def _absorption(pieces: Sequence[frozenset[tuple[str, bool]]]) -> tuple[int, int] | None:
    """Find the first piece that a later one holds, together with one factor more."""
    for (i, short), (j, long) in combinations(enumerate(pieces), 2):
        if short < long and len(long) == len(short) + 1:
            return i, j
    return None
