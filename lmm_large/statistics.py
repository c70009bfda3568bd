"""What groups say of a linear model: counts, means and centred cross-products."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmm_large._columns import chosen, gathered_columns, merged
from lmm_large.formula import parse

if TYPE_CHECKING:
    import pandas as pd

_KEY = "lmm_large"
_TEXTS = ("formula", "response", "group", "columns", "levels", "dropped", "empty")


@dataclass(frozen=True, eq=False, repr=False)
class GroupStatistics:
    """Count, means and centred cross-products of every group: all that a Gaussian model asks.

    Attributes
    ----------
    formula : str
        What was gathered, in Bambi's notation.
    response, group : str
        Names of two columns.
    columns : tuple of str
        Names of the k gathered columns without the response: numeric columns, products of them, and
        indicators of every level, such as ``age``, ``sex[male]`` and ``age:sex[male]``.
    levels : dict
        The levels of each factor, the reference first.
    labels : tuple of str
        The G groups. A label is its text: ``1`` and ``"1"`` are one group, ``"01"`` is another.
    count : array of int, (G,)
        Rows of each group.
    means : array, (G, k + 1)
        Means of the columns and, last, of the response, in their units.
    products : array, (G, k + 1, k + 1)
        Sums of products of distances from the group's means; symmetric.
    dropped : dict
        Rows left out, for each column that was missing or infinite there.
    empty : tuple of str
        Groups of which no usable row is left.

    See Also
    --------
    group_statistics : Gathers them from rows.
    merge_statistics : Merges those of separate sets of rows.
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

    def __repr__(self) -> str:
        """Say what was gathered, of how many rows, and how many were left out."""
        said = [f"{len(self.labels):,} groups", f"{int(self.count.sum()):,} rows"]
        said += [f"{rows:,} left out for {name!r}" for name, rows in self.dropped.items()]
        said += [f"{len(self.empty):,} groups without a row"] if self.empty else []
        return f"<GroupStatistics of {self.formula!r}: {', '.join(said)}>"

    def table(self) -> "pd.DataFrame":
        """Lay out counts, means and standard deviations within groups, to look at.

        Returns
        -------
        pandas.DataFrame
            One row a group: ``count``, then ``mean`` and ``sd`` (missing for a single row) of each
            column, the response first, in their units.

        Examples
        --------
        >>> from lmm_large import group_statistics
        >>> rows = {"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]}
        >>> group_statistics(rows, "y ~ x + (1 | who)").table().loc["a", "mean"].to_dict()
        {'y': 2.0, 'x': 1.0}
        """
        import pandas as pd

        names = (*self.columns, self.response)
        order = [len(names) - 1, *range(len(names) - 1)]
        free = np.where(self.count > 1, self.count - 1.0, np.nan)
        squares = np.diagonal(self.products, axis1=1, axis2=2)
        found = {("count", ""): self.count}
        found |= {("mean", names[i]): self.means[:, i] for i in order}
        found |= {("sd", names[i]): np.sqrt(squares[:, i] / free) for i in order}
        return pd.DataFrame(found, index=pd.Index(self.labels, name=self.group))

    def save(self, path: str | Path) -> None:
        """Write the statistics to a Parquet file, without loss; needs DuckDB.

        Parameters
        ----------
        path
            The file. It is written beside its place and moved there when it is whole, over a file
            that has the name. Names, levels and formula stand in its metadata.
        """
        import duckdb

        path = Path(path)
        part = path.with_name(f".{path.name}.part")
        k = len(self.columns) + 1
        numbers = {"label": np.array(self.labels, object), "count": self.count}
        numbers |= {f"mean_{i}": self.means[:, i] for i in range(k)}
        numbers |= {n: self.products[:, i, j] for n, i, j in _pairs(k) if i <= j}
        told = json.dumps({name: getattr(self, name) for name in _TEXTS})
        try:
            with duckdb.connect() as connection:
                connection.register("numbers", numbers)
                rows = "SELECT * REPLACE (label::VARCHAR AS label) FROM numbers"
                options = f"FORMAT parquet, KV_METADATA {{{_KEY}: {sql_text(told)}}}"
                connection.execute(f"COPY ({rows}) TO {sql_text(str(part))} ({options})")
            part.replace(path)
        except duckdb.Error as error:
            raise OSError(f"the statistics cannot be written to {str(path)!r}: {error}") from None
        finally:
            with suppress(FileNotFoundError):
                part.unlink()

    @classmethod
    def load(cls, path: str | Path) -> "GroupStatistics":
        """Read statistics that `save` wrote.

        Parameters
        ----------
        path
            The file; if `save` did not write it, an error says what it lacks.

        Returns
        -------
        GroupStatistics
            The same statistics, to the last bit.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from lmm_large import GroupStatistics, group_statistics
        >>> rows = {"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]}
        >>> with TemporaryDirectory() as folder:
        ...     group_statistics(rows, "y ~ x + (1 | who)").save(f"{folder}/day.parquet")
        ...     GroupStatistics.load(f"{folder}/day.parquet")
        <GroupStatistics of 'y ~ 1 + x + (1 | who)': 2 groups, 3 rows>
        """
        import duckdb

        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file has the path {str(path)!r}.")
        foreign = f"{str(path)!r} holds no statistics that `save` wrote: "
        name = literal(str(path))
        try:
            with duckdb.connect() as connection:
                metadata = connection.execute("FROM parquet_kv_metadata($1)", [name]).fetchall()
                columns = connection.execute("FROM read_parquet($1)", [name]).fetchnumpy()
        except duckdb.Error as error:
            raise ValueError(f"{foreign}it is not a whole Parquet file ({error}).") from None
        texts = [value for _, key, value in metadata if bytes(key) == _KEY.encode()]
        if not texts:
            raise ValueError(f"{foreign}its metadata lack the key {_KEY!r}.")
        told: dict[str, Any] = json.loads(bytes(texts[0]))
        told |= {name: tuple(told[name]) for name in ("columns", "empty")}
        told["levels"] = {factor: tuple(levels) for factor, levels in told["levels"].items()}
        k = len(told["columns"]) + 1
        try:
            means = np.stack([columns[f"mean_{i}"] for i in range(k)], axis=1)
            products = np.stack([columns[name] for name, _, _ in _pairs(k)], axis=1)
            count, labels = np.asarray(columns["count"]), tuple(columns["label"].tolist())
        except KeyError as error:
            raise ValueError(f"{foreign}the column {error} is missing.") from None
        products = products.reshape(-1, k, k)
        return cls(**told, labels=labels, count=count, means=means, products=products)


def _pairs(k: int) -> list[tuple[str, int, int]]:
    """Name the products of k columns; those of (i, j) and (j, i) are one."""
    return [(f"product_{min(i, j)}_{max(i, j)}", i, j) for i in range(k) for j in range(k)]


def merge_statistics(*parts: GroupStatistics) -> GroupStatistics:
    """Merge the statistics of separate sets of rows into the statistics of all their rows.

    Parameters
    ----------
    *parts
        Results of `group_statistics` or of this function, of one formula. No row may stand in two
        of them, which nothing here can tell.

    Returns
    -------
    GroupStatistics
        What `group_statistics` would say of all rows together, but for rounding (Chan, Golub and
        LeVeque 1983). Groups are the same if their labels are. Where each part's labels (or levels)
        are sorted, so are all; otherwise new ones come after those of the parts before.

    Raises
    ------
    ValueError
        If no part is given, formulas differ, or a column is a factor in one part and not in others.

    See Also
    --------
    GroupStatistics.load : Reads statistics that were kept.

    Examples
    --------
    >>> from lmm_large import group_statistics
    >>> rows = {"y": [1.0, 3.0], "x": [0.0, 2.0], "who": ["a", "a"]}
    >>> more = {"y": [9.0], "x": [5.0], "who": ["b"]}
    >>> merge_statistics(*(group_statistics(day, "y ~ x + (1 | who)") for day in (rows, more)))
    <GroupStatistics of 'y ~ 1 + x + (1 | who)': 2 groups, 3 rows>
    """
    if not parts:
        raise ValueError("merge_statistics needs at least one result of group_statistics.")
    strange = [part for part in parts if not isinstance(part, GroupStatistics)]
    if strange:
        raise TypeError(f"give results of group_statistics; got {type(strange[0]).__name__}.")
    formulas = sorted({part.formula for part in parts})
    if len(formulas) > 1:
        raise ValueError(
            f"statistics of different formulas cannot be merged: {formulas[0]!r} and "
            f"{formulas[1]!r}. Gather all of the larger one; a model takes a part of it."
        )
    filled = [part for part in parts if part.labels] or parts[:1]
    for name in (name for part in filled for name in {*part.levels} ^ {*filled[0].levels}):
        raise ValueError(
            f"column {name!r} is a factor in one part and numeric in another: "
            "write it with the same type in every part."
        )
    levels = {f: united([part.levels[f] for part in filled]) for f in filled[0].levels}
    labels = united([part.labels for part in filled], numbers=True)
    number = {label: i for i, label in enumerate(labels)}
    formula = parse(formulas[0])
    columns = gathered_columns(formula, levels)
    moments = [
        chosen(part.means, part.products, [*columns], [*gathered_columns(formula, part.levels)])
        for part in filled
    ]
    count, means, products = merged(
        np.array([number[label] for part in filled for label in part.labels], int),
        np.concatenate([part.count for part in filled]),
        np.concatenate([means for means, _ in moments]),
        np.concatenate([products for _, products in moments]),
    )
    dropped = dict(sum((Counter(part.dropped) for part in parts), Counter[str]()))
    gone = dict.fromkeys(label for part in parts for label in part.empty if label not in number)
    names, first = tuple(columns.values()), filled[0]
    return GroupStatistics(
        first.formula,
        first.response,
        first.group,
        names,
        levels,
        labels,
        count,
        means,
        products,
        dropped,
        tuple(gone),
    )


def united(orders: Sequence[Sequence[str]], *, numbers: bool = False) -> tuple[str, ...]:
    """Unite orders of labels: sorted if all are, by number if asked; else new ones come after."""
    everything = list(dict.fromkeys(label for order in orders for label in order))
    if all(tuple(order) == tuple(everything) for order in orders):
        return tuple(everything)
    for key in (float, str) if numbers else (str,):
        with suppress(ValueError):
            if all(sorted(order, key=key) == list(order) for order in orders):
                return tuple(sorted(everything, key=key))
    return tuple(everything)


def sql_text(value: str) -> str:
    """Write a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def literal(file: str) -> str:
    """Write a file's name as the pattern that matches it alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in file)
