"""The formulas that are understood: Bambi's notation, cut to what statistics of groups can say.

What is accepted means what it means in Bambi; the rest is refused by name. No data are needed: they
say later which columns are factors.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NoReturn

_NAME = re.compile(r"`([^`]*)`|(?<!\w)([^\W\d][\w.]*)")
_LITERALS = ("True", "False", "None")
_TAKEN = {"chain", "draw", "sample", "Intercept", "sigma", "1", "__obs__"}
_BRACKETS = "write the effects of a group in brackets of their own, '(x | g)'"


class Part(NamedTuple):
    """A factor of a product: a column, or the mean of a column in the row's group."""

    name: str
    averaged: bool = False

    @property
    def label(self) -> str:
        """Its name in a posterior."""
        return f"group_mean({self.name})" if self.averaged else self.name


Parts = tuple[Part, ...]  # a term, the product of its parts; an intercept has none


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
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows: response, predictors, group."""
        return (self.response, *self.predictors, str(self.group))

    @property
    def numeric(self) -> set[str]:
        """The columns that must be numbers: means and slopes are taken of them."""
        means = {part.name for term in self.terms for part in term if part.averaged}
        return means | {part.name for term in self.effects for part in term} | {self.response}

    def effect_name(self, effect: Parts) -> str:
        """Name a group-level effect as Bambi does."""
        return f"{label(effect) or '1'}|{self.group}"

    def __str__(self) -> str:
        """Write the formula in its one canonical form."""
        terms = ["1" if self.intercept else "0", *map(_written, self.terms)]
        effects = [_written(effect) or "1" for effect in self.effects]
        at = effects.index("1") if "1" in effects else len(effects)
        for some in (["0", *effects[:at]] if at else [], effects[at:]):
            terms += [f"({' + '.join(some)} | {_quoted(str(self.group))})"] if some else []
        return f"{_quoted(self.response)} ~ {' + '.join(terms)}"


@lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """Read a formula, or raise the error that names what is not understood, and the way out."""
    if not isinstance(text, str):
        raise TypeError(f"a formula is text such as 'y ~ x + (x | g)'; got {text!r}.")
    return _Reader(text).formula()


def check_names(formula: Formula, further: Iterable[str] = ()) -> None:
    """Refuse the first name that ArviZ or the posterior cannot hold, among further terms' too."""
    group = "g" if formula.group is None else formula.group
    effects = [formula.effect_name(effect) for effect in formula.effects]
    own = {f"sigma_{name}" for name in ("Intercept", f"1|{group}", f"1|{group}_sigma")}
    own |= {"Intercept_centered", f"{group}__factor_dim", f"sigma_1|{group}_offset"}
    own |= {name + end for name in effects for end in ("", "_sigma", "_corr", "_offset")}
    terms = [*map(label, formula.terms), *further]
    own |= {f"{name}_dim" for name in terms}
    columns = (formula.response, *formula.predictors, group)
    wrong = [name for name in columns if name in _TAKEN or not name or {*"/`"} & {*name}]
    wrong += [name for i, name in enumerate(terms) if name in own or name in terms[:i]]
    if wrong:
        raise ValueError(
            f"the name {wrong[0]!r} cannot stand in a posterior, where ArviZ or another parameter "
            "has it or a slash divides it: rename the column."
        )


def _quoted(name: str) -> str:
    """Write the name of a column in a formula."""
    plain = re.fullmatch(r"[^\W\d_][\w.]*", name) and name not in _LITERALS
    return name if plain else f"`{name}`"


def _written(term: Parts) -> str:
    """Write a term in a formula."""
    columns = ((_quoted(part.name), part.averaged) for part in term)
    return ":".join(f"group_mean({name})" if averaged else name for name, averaged in columns)


class _Reader:
    """Reads a formula as Python's parser reads it, with numbers for names and ``**`` for ``:``."""

    def __init__(self, text: str) -> None:
        self.text, self.names, self.spelt = text, list[str](), list[str]()
        code = " ".join(_NAME.sub(self._numbered, text).replace("#", "?").split())
        self.left, *right = code.replace("**", "//").replace(":", "**").split("~")
        if len(right) != 1:
            raise ValueError(f"a formula has one '~', as in 'y ~ x + (x | g)'; got {text!r}.")
        self.right = right[0].strip()

    def _numbered(self, found: re.Match[str]) -> str:
        """Note a name, and give the one that stands for it."""
        self.names.append(found[2] if found[1] is None else found[1])
        self.spelt.append(found[0])
        return f"_{len(self.names) - 1}_"

    def _shown(self, code: str) -> str:
        """Write code as it stood in the formula."""
        code = code.replace("**", ":").replace("//", "**")
        return re.sub(r"_(\d+)_", lambda found: self.spelt[int(found[1])], code).strip()

    def _refuse(self, node: ast.expr, way_out: str) -> NoReturn:
        """Raise the error that names a term, and the way out."""
        term = self._shown(ast.get_source_segment(self.right, node) or self.right)
        raise ValueError(f"the term {term!r} is not understood here: {way_out}.")

    def _name(self, node: ast.expr) -> str | None:
        """Give the column that a node names, if it names one."""
        if not isinstance(node, ast.Name) or not (found := re.fullmatch(r"_(\d+)_", node.id)):
            return None
        number = int(found[1])
        return None if self.spelt[number] in _LITERALS else self.names[number]

    def formula(self) -> Formula:
        """Read the formula."""
        try:
            response = self._name(ast.parse(self.left.strip(), mode="eval").body)
            tree = ast.parse(self.right, mode="eval").body
        except SyntaxError as error:
            raise ValueError(
                f"the formula {self.text!r} cannot be read: a sign, a term, a bracket or a "
                f"back-quote is missing ({error.msg})."
            ) from None
        if response is None:
            shown = self._shown(self.left)
            raise ValueError(
                f"the response is a column; {shown!r} is none: compute the column first."
            )
        intercept, group = True, None
        terms: list[Parts] = []
        effects: list[Parts] = []
        for minus, node in self._summands(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                found, of_group = self._group_term(minus, node)
                if group not in (None, of_group):
                    raise ValueError(
                        f"effects of two groups, {group!r} and {of_group!r}: statistics are kept "
                        "by one group; fit crossed or nested groups in Bambi."
                    )
                group = of_group
                effects += found
            elif isinstance(node, ast.Constant) and node.value in (0, 1):
                if minus and node.value == 0:
                    self._refuse(node, "write 1 for an intercept, not a minus before 0")
                intercept = (node.value == 1) != minus
            else:
                terms += self._product(minus, node)
        once, varying = tuple(dict.fromkeys(terms)), tuple(dict.fromkeys(effects))
        formula = Formula(response, intercept, once, group, varying)
        if response in (*formula.predictors, group) or group in formula.predictors:
            raise ValueError(
                f"response, predictors and group must be different columns; got {self.text!r}."
            )
        check_names(formula)
        return formula

    def _summands(self, node: ast.expr, *, minus: bool = False) -> Iterator[tuple[bool, ast.expr]]:
        """Give the summands, and whether a minus stands before each."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield from self._summands(node.left, minus=minus)
            yield from self._summands(node.right, minus=minus != isinstance(node.op, ast.Sub))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            yield from self._summands(node.operand, minus=minus != isinstance(node.op, ast.USub))
        else:
            yield minus, node

    def _product(self, minus: bool, node: ast.expr) -> list[Parts]:
        """Read a product: `*` gives both sides and their interactions."""
        if minus:
            self._refuse(node, "leave the term out instead of a minus before it")
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
            return [tuple(dict.fromkeys(self._parts(node)))]
        left, right = self._product(False, node.left), self._product(False, node.right)
        if left == right:
            return left
        both = [tuple(dict.fromkeys((*a, *b))) for a in left for b in right]
        return list(dict.fromkeys([*left, *right, *both]))

    def _parts(self, node: ast.expr) -> list[Part]:
        """Read an interaction, or refuse the term."""
        if (name := self._name(node)) is not None:
            return [Part(name)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self._parts(node.left) + self._parts(node.right)
        if isinstance(node, ast.Call) and self._name(node.func) == "group_mean":
            inside = [self._name(argument) for argument in node.args]
            if len(inside) == 1 and inside[0] is not None and not node.keywords:
                return [Part(inside[0], averaged=True)]
        ways: dict[object, str] = {ast.BitOr: _BRACKETS, ast.Div: "write a + a:b for a/b"}
        ways |= dict.fromkeys((ast.Add, ast.Sub), "write its terms out, without brackets")
        way_out = ways.get(type(getattr(node, "op", None)))
        return self._refuse(node, way_out or "compute the column first and give its name")

    def _group_term(self, minus: bool, node: ast.BinOp) -> tuple[list[Parts], str]:
        """Read the effects of a group: an intercept unless 0 comes first, and slopes."""
        before = self.right.encode()[: node.col_offset].rstrip()
        if minus or not before.endswith(b"("):
            self._refuse(node, _BRACKETS)
        if (group := self._name(node.right)) is None:
            way_out = "statistics are kept by one column: join columns into one, or use Bambi"
            self._refuse(node, way_out)
        effects: list[Parts] = [()]
        for number, (negative, one) in enumerate(self._summands(node.left)):
            if not (isinstance(one, ast.Constant) and one.value in (0, 1)):
                effects += self._product(negative, one)
            elif number or (negative and one.value == 0):
                self._refuse(node, "0 or 1 stands first")
            elif negative or one.value == 0:
                effects = []
        if any(part.averaged for effect in effects for part in effect):
            self._refuse(node, "a mean of the group is constant in it, and has no slope there")
        if not effects:
            self._refuse(node, "leave the term out, or name an effect")
        return effects, group
