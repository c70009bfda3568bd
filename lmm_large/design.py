"""The columns of one model, made of gathered statistics without a look at the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from lmm_large._columns import Column, Levels, chosen, coded_columns, gathered_columns
from lmm_large._rows import Columns
from lmm_large.formula import Formula, Part, Parts, check_names, label, parse
from lmm_large.statistics import GroupStatistics


@dataclass(frozen=True)
class Term:
    """A population-level term: name, numbers of its columns, and levels; None if it is numeric."""

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
    """The terms of a model, and the moments of their columns in each group, the response last."""

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
    asked, wanted, terms, effects = _wanted(statistics, formula)
    have = list(gathered_columns(parse(statistics.formula), statistics.levels))
    columns = [column for _, column, _ in wanted]
    means, products = chosen(statistics.means, statistics.products, columns, have)
    for number, (_, _, averages) in enumerate(wanted):
        for name in averages:
            factor = statistics.means[:, have.index(Column(frozenset({name})))]
            means[:, number] *= factor
            products[:, number] *= factor[:, None]
            products[:, :, number] *= factor[:, None]
    names = tuple(name for name, _, _ in wanted)
    known = statistics.response, statistics.group, statistics.labels, asked.intercept
    return Design(*known, terms, effects, names, statistics.count.astype(float), means, products)


def row_values(
    statistics: GroupStatistics, formula: str | None, rows: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns of a design in single rows, the response last, and the rows' groups."""
    asked, wanted, _, _ = _wanted(statistics, formula)
    source = Columns(rows)

    @cache
    def numbers(name: str) -> np.ndarray:
        if source.kind(name) != "number" or not np.isfinite(source.numbers(name)).all():
            raise ValueError(f"rows hold missing or infinite values, or text, in {name!r}.")
        return source.numbers(name)

    @cache
    def codes(name: str) -> np.ndarray:
        texts = statistics.labels if name == statistics.group else statistics.levels[name]
        labels = source.labels(name)
        number = {text: i for i, text in enumerate(texts)}
        known = np.array([*(number.get(text, -1) for text in labels.texts), -1], np.intp)
        found: np.ndarray = known[labels.codes]
        if (found < 0).any():
            code = labels.codes[found < 0][0]
            what = "group" if name == statistics.group else f"level of {name!r}"
            stranger = "a missing label" if code < 0 else f"the {what} {labels.texts[code]!r}"
            raise ValueError(f"rows hold {stranger}, which the statistics lack.")
        return found

    groups = codes(statistics.group)
    have = list(gathered_columns(parse(statistics.formula), statistics.levels))
    values = np.ones((len(groups), len(wanted) + 1))
    values[:, -1] = numbers(asked.response)
    for number, (_, column, averages) in enumerate(wanted):
        for name in column.numbers:
            values[:, number] *= numbers(name)
        for factor, level in column.indicators:
            values[:, number] *= codes(factor) == statistics.levels[factor].index(level)
        for name in averages:
            values[:, number] *= statistics.means[:, have.index(Column(frozenset({name})))][groups]
    return values, groups


# a column of a design: its name, what was gathered, and what it is multiplied by the means of
_Wanted = tuple[str, Column, tuple[str, ...]]


def _wanted(
    statistics: GroupStatistics, formula: str | None
) -> tuple[Formula, list[_Wanted], tuple[Term, ...], tuple[Effect, ...]]:
    """Read a formula as one of these statistics: its columns, its terms and its effects."""
    asked = parse(statistics.formula if formula is None else formula)
    for what, ours, theirs in (
        ("response", asked.response, statistics.response),
        ("group", asked.group or statistics.group, statistics.group),
    ):
        if ours != theirs:
            raise ValueError(f"the {what} of these statistics is {theirs!r}, not {ours!r}.")
    levels = statistics.levels
    for name in sorted(asked.numeric & {*levels}):
        raise ValueError(f"the factor {name!r} has no mean and no slope by group: it is no number.")
    wanted: list[_Wanted] = []
    terms: dict[Parts, Term] = {}
    for term, coding in _coded(asked, levels):
        coded = {name: levels[name][0 if full else 1 :] for name, full in coding.items()}
        for name in (name for name, some in coded.items() if not some):
            raise ValueError(f"the factor {name!r} has one level only: leave it out.")
        found = coded_columns(term, coded)
        numbers = tuple(range(len(wanted), len(wanted) + len(found)))
        named = tuple(", ".join(some) for _, _, some in found) if coded else None
        terms[term] = Term(label(term), numbers, named)
        averages = tuple(part.name for part in term if part.averaged)
        wanted += [(name, column, averages) for column, name, _ in found]
    effects = []
    slopes = {term: found.columns[0] for term, found in terms.items()}
    for effect in asked.effects:
        if effect and effect not in slopes:
            slopes[effect] = len(wanted)
            wanted.append((label(effect), Column(frozenset(part.name for part in effect)), ()))
        effects.append(Effect(asked.effect_name(effect), slopes.get(effect)))
    check_names(asked, [found.name for term, found in terms.items() if term not in asked.terms])
    have = [*gathered_columns(parse(statistics.formula), levels), Column()]
    needed = [column for _, column, _ in wanted]
    needed += [Column(frozenset({name})) for _, _, some in wanted for name in some]
    for column in (column for column in needed if column not in have):
        spoken = ":".join(sorted(column.numbers) + sorted(f for f, _ in column.indicators))
        raise ValueError(
            f"the column {spoken!r} was not gathered: these are statistics of "
            f"{statistics.formula!r}."
        )
    return asked, wanted, tuple(terms.values()), tuple(effects)


def _coded(formula: Formula, levels: Levels) -> list[tuple[Parts, dict[str, bool]]]:
    """Choose the coding of each term's factors, True for a column of every level, as formulae."""
    terms = list(formula.terms)
    for _ in range(2):
        found: list[tuple[Parts, dict[str, bool]]] = []
        used = {frozenset[Part](): {frozenset[tuple[str, bool]]()} if formula.intercept else set()}
        for term in terms:
            numbers = tuple(part for part in term if part.name not in levels)
            factors = [part.name for part in term if part.name in levels]
            if not factors:
                found.append((term, {}))
                continue
            spanned = used.setdefault(frozenset(numbers), set())
            if numbers in terms:
                spanned.add(frozenset())
            *further, own = _codings(factors, spanned) or [{}]
            for coding in further:
                extra = tuple(part for part in term if part.name in coding) + numbers
                found.append((extra, coding))
            found.append((term, own))
        terms = list(dict.fromkeys(term for term, _ in found))
    for term, coding in found:
        if not coding and any(part.name in levels for part in term):
            raise ValueError(f"the term {label(term)!r} repeats another one: leave it out.")
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
    while joined := next(
        (
            pair
            for pair in combinations(pieces, 2)
            if pair[0] < pair[1] and len(pair[1] - pair[0]) == 1
        ),
        None,
    ):
        short, long = joined
        ((factor, _),) = long - short
        pieces[pieces.index(long)] = short | {(factor, True)}
        pieces.remove(short)
    return [dict(piece) for piece in pieces]
