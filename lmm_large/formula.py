"""The formulas that are understood: Bambi's notation, cut to what statistics of groups can say.

Numeric columns and factors, interactions by ``:`` and ``*``, ``0 +`` or ``1``, effects of one
group, ``(1 + x | g)``, and ``group_mean(x)``. What is accepted means what it means in Bambi; the
rest is refused by name. No data are needed: they say later which columns are factors.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import NamedTuple, NoReturn

_TOKEN = re.compile(r"\s*(?:(`[^`]*`)|([^\W\d_][\w.]*)|(\d+(?:\.\d+)?)|(\*\*|[^\s`]))", re.DOTALL)
_LITERALS = ("True", "False", "None")
_TAKEN = {"chain", "draw", "sample", "Intercept", "sigma", "1", "__obs__"}


class Part(NamedTuple):
    """A factor of a product: a column, or the mean of a column in the row's group."""

    name: str
    averaged: bool = False

    @property
    def label(self) -> str:
        """Its name in a posterior."""
        return f"group_mean({self.name})" if self.averaged else self.name


Parts = tuple[Part, ...]
"""A term: the product of its parts; an intercept has none."""


def label(term: Parts) -> str:
    """Name a term as Bambi does."""
    return ":".join(part.label for part in term)


@dataclass(frozen=True)
class Formula:
    """What a formula says: response, population-level terms, and effects of one group."""

    response: str
    intercept: bool
    terms: tuple[Parts, ...]
    group: str | None
    effects: tuple[Parts, ...]

    @property
    def predictors(self) -> tuple[str, ...]:
        """The columns in the order in which they are named."""
        parts = (part for term in (*self.terms, *self.effects) for part in term)
        return tuple(dict.fromkeys(part.name for part in parts))

    @property
    def numeric(self) -> set[str]:
        """The columns that must be numbers: means and slopes are taken of them."""
        means = {part.name for term in self.terms for part in term if part.averaged}
        return means | {part.name for term in self.effects for part in term}

    def effect_name(self, effect: Parts) -> str:
        """Name a group-level effect as Bambi does."""
        return f"{label(effect) or '1'}|{self.group}"

    def __str__(self) -> str:
        """Write the formula in its one canonical form."""
        terms = ["1" if self.intercept else "0", *map(_written, self.terms)]
        if self.group is not None:
            effects = [_written(effect) or "1" for effect in self.effects]
            at = effects.index("1") if "1" in effects else len(effects)
            for some in (["0", *effects[:at]] if at else [], effects[at:]):
                terms += [f"({' + '.join(some)} | {_quoted(self.group)})"] if some else []
        return f"{_quoted(self.response)} ~ {' + '.join(terms)}"


def parse(text: str) -> Formula:
    """Read a formula, or raise the error that names what is not understood, and the way out."""
    if not isinstance(text, str):
        raise TypeError(f"a formula is text such as 'y ~ x + (x | g)'; got {text!r}.")
    return _parsed(text)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Formula:
    """Read the text of a formula."""
    tokens = list(_tokens(text))
    tildes = [i for i, one in enumerate(tokens) if one == "~"]
    if len(tildes) != 1:
        raise ValueError(f"a formula has one '~', as in 'y ~ x + (x | g)'; got {text!r}.")
    left, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
    if len(left) != 1 or (response := _name(left[0])) is None:
        raise ValueError(
            f"the response is a column; {' '.join(left)!r} is none: compute the column first."
        )
    intercept, group = True, None
    terms: list[Parts] = []
    effects: list[Parts] = []
    for minus, chunk in _summands(right, text):
        if chunk[0] == "(" and "|" in chunk:
            found, of_group = _group_term(minus, chunk)
            if group not in (None, of_group):
                raise ValueError(
                    f"effects of two groups, {group!r} and {of_group!r}: statistics are kept by "
                    "one group; fit crossed or nested groups in Bambi."
                )
            group = of_group
            effects += found
        elif chunk in (["1"], ["0"]):
            if minus and chunk == ["0"]:
                _refuse(chunk, "write 1 for an intercept", minus=minus)
            intercept = (chunk == ["1"]) != minus
        else:
            terms += _product(minus, chunk)
    formula = Formula(
        response, intercept, tuple(dict.fromkeys(terms)), group, tuple(dict.fromkeys(effects))
    )
    if response in (*formula.predictors, group) or group in formula.predictors:
        raise ValueError(f"response, predictors and group must be different columns; got {text!r}.")
    check_names(formula)
    return formula


def check_names(formula: Formula, further: Iterable[str] = ()) -> None:
    """Refuse the first name that ArviZ or the posterior cannot hold, among further terms' too."""
    group = "g" if formula.group is None else formula.group
    for name in (formula.response, *formula.predictors, group):
        if not name or "/" in name or "`" in name or name in _TAKEN:
            _refuse_name(name)
    effects = [formula.effect_name(effect) for effect in formula.effects]
    own = {f"sigma_{name}" for name in ("Intercept", f"1|{group}", f"1|{group}_sigma")}
    own |= {"Intercept_centered", f"{group}__factor_dim", f"sigma_1|{group}_offset"}
    for ending in ("", "_sigma", "_corr", "_offset"):
        own |= {f"{name}{ending}" for name in effects}
    terms = [*map(label, formula.terms), *further]
    own |= {f"{name}_dim" for name in terms}
    seen: set[str] = set()
    for name in terms:
        if name in own or name in seen:
            _refuse_name(name)
        seen.add(name)


def _refuse_name(name: str) -> NoReturn:
    raise ValueError(
        f"the name {name!r} cannot stand in a posterior, where ArviZ or another parameter has it "
        "or a slash divides it: rename the column."
    )


def _tokens(text: str) -> Iterator[str]:
    """Give names (back-quoted ones in their quotes), numbers and signs."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"a back-quote is not closed in the formula {text!r}.")
        yield found[found.lastindex or 0]
        at = found.end()


def _name(token: str) -> str | None:
    """Give the column that a token names, if it names one."""
    if token[0] == "`":
        return token[1:-1]
    return token if token[0].isalpha() and token not in _LITERALS else None


def _quoted(name: str) -> str:
    """Write the name of a column in a formula."""
    plain = re.fullmatch(r"[^\W\d_][\w.]*", name) and name not in _LITERALS
    return name if plain else f"`{name}`"


def _written(term: Parts) -> str:
    """Write a term in a formula."""
    columns = ((_quoted(part.name), part.averaged) for part in term)
    return ":".join(f"group_mean({name})" if averaged else name for name, averaged in columns)


def _split(tokens: list[str], signs: str) -> Iterator[tuple[str, list[str]]]:
    """Split at signs outside of brackets; give each part with the sign before it."""
    depth, sign, part = 0, "", list[str]()
    for one in tokens:
        depth += (one in "([{") - (one in ")]}")
        if depth == 0 and one in signs:
            yield sign, part
            sign, part = one, []
        else:
            part.append(one)
    yield sign, part


def _summands(tokens: list[str], text: str) -> Iterator[tuple[bool, list[str]]]:
    """Give the summands, and whether a minus stands before each."""
    signs = ""
    for sign, part in _split(tokens, "+-"):
        signs += sign
        if part:
            yield "-" in signs, part
            signs = ""
        elif len(signs) > 1:
            break
    if signs or not tokens:
        raise ValueError(f"a term is missing in the formula {text!r}.")


def _product(minus: bool, chunk: list[str]) -> list[Parts]:
    """Read a product: `*` gives both sides and their interaction."""
    if minus:
        _refuse(chunk, "leave the term out", minus=minus)
    factors = []
    for _, factor in _split(chunk, "*"):
        parts = [_part(atom, chunk) for _, atom in _split(factor, ":")]
        factors.append([tuple(dict.fromkeys(parts))])
    return reduce(_crossed, factors)


def _crossed(left: list[Parts], right: list[Parts]) -> list[Parts]:
    """Give both sides of a `*`, and their interactions."""
    if left == right:
        return left
    both = [tuple(dict.fromkeys((*a, *b))) for a in left for b in right]
    return list(dict.fromkeys([*left, *right, *both]))


def _part(atom: list[str], chunk: list[str]) -> Part:
    """Read a part of a product, or refuse the term it stands in."""
    if len(atom) == 1 and (name := _name(atom[0])) is not None:
        return Part(name)
    if len(atom) == 4 and atom[:2] == ["group_mean", "("] and atom[3] == ")":
        name = _name(atom[2])
        if name is not None:
            return Part(name, averaged=True)
    if "|" in chunk:
        _refuse(chunk, "write the effects of a group in brackets of their own, '(x | g)'")
    if "/" in chunk:
        _refuse(chunk, "write a + a:b for a/b")
    if chunk[0] == "(" or ("(" in chunk and chunk[chunk.index("(") - 1] in "*:"):
        _refuse(chunk, "write its terms out, without brackets")
    return _refuse(chunk, "compute the column first and give its name")


def _group_term(minus: bool, chunk: list[str]) -> tuple[list[Parts], str]:
    """Read the effects of a group: an intercept unless 0 comes first, and slopes."""
    split = [part for _, part in _split(chunk[1:-1], "|")]
    if minus or len(split) != 2 or chunk[-1] != ")":
        _refuse(chunk, "the effects of a group are written '(x | g)'", minus=minus)
    inside, of_group = split
    group = _name(of_group[0]) if len(of_group) == 1 else None
    if group is None:
        _refuse(chunk, "statistics are kept by one column: join columns into one, or use Bambi")
    effects: list[Parts] = [()]
    for number, (negative, part) in enumerate(_summands(inside, " ".join(chunk))):
        if part in (["0"], ["1"]):
            if number or (negative and part == ["0"]):
                _refuse(chunk, "0 or 1 stands first")
            if negative or part == ["0"]:
                effects = []
        else:
            effects += _product(negative, part)
    if any(one.averaged for effect in effects for one in effect):
        _refuse(chunk, "a mean of the group is constant in it, and has no slope there")
    if not effects:
        _refuse(chunk, "leave the term out, or name an effect")
    return effects, group


def _refuse(chunk: list[str], way_out: str, *, minus: bool = False) -> NoReturn:
    """Raise the error that names a term, and the way out."""
    text = ("- " if minus else "") + " ".join(chunk)
    for found, wanted in ((" ( ", "("), (" )", ")"), (" : ", ":"), ("( ", "("), (" ** ", "**")):
        text = text.replace(found, wanted)
    raise ValueError(f"the term {text!r} is not understood here: {way_out}.")
