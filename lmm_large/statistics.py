"""What groups say of a linear model: counts, means and centred cross-products."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GroupStatistics:
    """Count, means and centred cross-products of every group: all that a Gaussian model asks.

    Attributes
    ----------
    formula
        What was gathered, in Bambi's notation.
    response, group
        Names of two columns.
    columns
        Names of the gathered columns without the response: numeric columns, products of them, and
        indicators of levels, such as ``age``, ``sex[male]`` and ``age:sex[male]``.
    levels
        The levels of each factor, the reference first.
    labels
        The groups. A label is its text: ``1`` and ``"1"`` are one group, ``"01"`` is another.
    count
        Rows of each group.
    means
        Groups by columns, the response last.
    products
        Groups by columns by columns: sums of products of distances from the group's means.
    dropped
        Rows left out for each column that was missing or infinite there.
    empty
        Groups of which no usable row is left.
    """

    formula: str
    response: str
    group: str
    columns: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    labels: tuple[str, ...]
    count: np.ndarray
    means: np.ndarray
    products: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
