"""The columns of one model, made of gathered statistics without a look at the rows."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Term:
    """A population-level term: its name, the numbers of its columns, and its levels if it has any.

    ``levels`` are the coordinates of Bambi's ``{name}_dim``; a numeric term has None, and one column.
    """

    name: str
    columns: tuple[int, ...]
    levels: tuple[str, ...] | None


@dataclass(frozen=True)
class Effect:
    """A group-level effect: ``1|g`` without a column, ``x|g`` with the number of that of x."""

    name: str
    column: int | None


@dataclass(frozen=True)
class Design:
    """The terms of a model, and the moments of their columns in each group.

    ``n`` has one count a group, ``means`` one row of k + 1 means, ``products`` a symmetric matrix of
    centred cross-products (k + 1 by k + 1). The response comes last; ``columns`` names the others.
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
