"""From rows to group statistics: arrays and pandas by NumPy, Dask by parts, the rest by DuckDB.

Rows are summed up by group and levels of factors; these cells are then merged into groups.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import combinations_with_replacement
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np

from lmm_large._columns import Column, chosen, gathered_columns, merged
from lmm_large.formula import Formula, parse
from lmm_large.statistics import GroupStatistics, merge_statistics


def group_statistics(
    source: Any,
    formula: str,
    *,
    missing: Literal["error", "drop"] = "error",
    client: Any = None,
    memory_limit: str = "1GB",
    threads: int | None = None,
    progress: bool = True,
) -> GroupStatistics:
    """Gather the counts, means and centred cross-products of groups that a formula asks for.

    Parameters
    ----------
    source
        The rows: a mapping of arrays, which needs NumPy alone; a pandas, Polars or Dask dataframe;
        the path of a Parquet or CSV file, a glob (``"visits/*.parquet"``), a folder or a list of
        paths; a DuckDB relation; or an SQL query.
    formula
        A model in Bambi's notation, ``"y ~ x*sex + group_mean(x) + (x | g)"``: numeric columns in
        any units, text or categories as factors, ``:`` and ``*``, ``0 +``, intercepts and slopes of
        one group, and ``group_mean(x)``, the mean of a numeric column in the row's group. A name
        that is no word stands in back-quotes. One scan serves every model whose columns it holds.
    missing
        What to do with rows in which a number is missing or infinite, or a level or the group is
        missing: ``"error"`` refuses them, ``"drop"`` leaves them out and notes how many.
    client
        A ``dask.distributed.Client`` that does the work, for a Dask dataframe.
    memory_limit
        What DuckDB may use before it goes to disk. A relation keeps to its own connection's limit.
    threads
        How many threads DuckDB uses; all cores if None. The sums of several threads differ in
        their last bits from run to run, those of one do not.
    progress
        Show a bar where DuckDB or Dask work for longer than two seconds.

    Returns
    -------
    GroupStatistics
        One entry a group, in the order of the categories if they are ordered and sorted otherwise.

    Raises
    ------
    ValueError
        If the formula, a column or a file cannot be used, rows are unusable, or none is left; the
        error names what is wrong, and the way out.
    FileNotFoundError
        If no file has the path.
    TypeError
        If `source` is something else.

    See Also
    --------
    merge_statistics : Merges the statistics of separate sets of rows.

    Notes
    -----
    Means and products are taken in two passes, or by DuckDB's stable updates after the mean of the
    first thousand rows is subtracted, and merged by Chan, Golub and LeVeque (1983).

    Examples
    --------
    >>> rows = {"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]}
    >>> statistics = group_statistics(rows, "y ~ x + (1 | who)")
    >>> statistics
    <GroupStatistics of 'y ~ 1 + x + (1 | who)': 2 groups, 3 rows>
    >>> statistics.means.tolist()
    [[1.0, 2.0], [5.0, 9.0]]
    """
    asked = parse(formula)
    if asked.group is None:
        raise ValueError(
            f"the formula {formula!r} names no group: add the term '(1 | g)'; a model may leave "
            "it out again."
        )
    if missing not in ("error", "drop"):
        raise ValueError(f"missing is 'error' or 'drop'; got {missing!r}.")
    library = type(source).__module__.partition(".")[0]
    if isinstance(source, Mapping) or library == "pandas":
        found = _of_memory(source, asked)
    elif library.startswith("dask"):
        found = _of_dask(source, asked, client, progress)
    else:
        from lmm_large._tables import of_tables

        found = of_tables(source, asked, memory_limit, threads, progress)
    if found.dropped and missing == "error":
        said = " and ".join(f"{rows} in column {name!r}" for name, rows in found.dropped.items())
        raise ValueError(f"missing or infinite values: {said}. missing='drop' leaves them out.")
    for name, levels in found.levels.items():
        _check_levels(name, levels)
    if not found.labels:
        raise ValueError("no usable row is left: there is nothing to gather.")
    if not (np.isfinite(found.means).all() and np.isfinite(found.products).all()):
        raise ValueError("the numbers are too large to square: give them in other units.")
    return found


class Labels(NamedTuple):
    """A column of labels: the number of each row's label, -1 if it is missing, and all labels."""

    codes: np.ndarray
    texts: tuple[str, ...]
    ordered: bool = False


class Cells(NamedTuple):
    """Moments of the rows that agree in levels and group, and what became of the others."""

    labels: dict[str, Labels]
    n: np.ndarray
    means: np.ndarray
    products: np.ndarray
    dropped: dict[str, int]


def _text(value: Any) -> str:
    """Write a label as text; whole numbers have no decimals, dates no midnight."""
    if isinstance(value, str | bool | np.bool_ | Integral):
        return str(value)
    if isinstance(value, Real):
        return str(int(float(value))) if float(value).is_integer() else str(value)
    if isinstance(value, np.datetime64) or hasattr(value, "isoformat"):
        text = str(value).replace("T", " ")
        return re.sub(r"(\.\d*?)0+$", r"\1", text).removesuffix(".").removesuffix(" 00:00:00")
    raise ValueError(f"{value!r} is no label: groups and levels are text, numbers or dates.")


def _kind(value: object) -> str:
    """Name the kind of a label."""
    kinds = {str: "text", bool: "truth values", np.bool_: "truth values", Real: "numbers"}
    return next((kind for of, kind in kinds.items() if isinstance(value, of)), type(value).__name__)


def _written(
    name: str, codes: np.ndarray, values: Sequence[Any], order: Sequence[Any] | None = None
) -> Labels:
    """Write distinct labels as text, sorted or in a declared order; equal texts are one label."""
    kinds = sorted({_kind(value) for value in values})
    if len(kinds) > 1:
        raise ValueError(
            f"column {name!r} holds {' and '.join(kinds)}: write its labels with the same type."
        )
    try:
        texts = tuple(dict.fromkeys(map(_text, sorted(values) if order is None else order)))
        number = {text: i for i, text in enumerate(texts)}
        renumbered = np.array([*(number[_text(value)] for value in values), -1], np.intp)
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
    return Labels(renumbered[codes], texts, order is not None)


def labels_of(name: str, values: np.ndarray, order: Sequence[Any] | None = None) -> Labels:
    """Give the labels of an array; what is masked, None or no number is missing."""
    here = ~np.ma.getmaskarray(values)
    values = np.ma.getdata(values)
    distinct: Iterable[Any]
    if values.dtype.kind == "O":
        here[here] = [value is not None and value == value for value in values[here]]
        pairs = [(_kind(value), value) for value in values[here]]  # for 1 == True
        number = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        distinct, known = (value for _, value in number), np.array([number[p] for p in pairs], int)
    else:
        here &= values == values
        distinct, known = np.unique(values[here], return_inverse=True)
    codes = np.full(len(values), -1, np.intp)
    codes[here] = known
    return _written(name, codes, list(distinct), order)


class Columns:
    """The columns of a mapping of arrays, or of a pandas dataframe."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def _column(self, name: str) -> Any:
        """Give an array, or a pandas series as it is."""
        found = list(self.rows).count(name)
        if found != 1:
            fault = "stands twice" if found else f"is missing; there are {list(self.rows)[:20]}"
            raise ValueError(f"column {name!r} {fault}.")
        column = self.rows[name]
        if hasattr(column, "isna"):
            masked = column.dtype == object
            return np.ma.array(column.to_numpy(), mask=column.isna()) if masked else column
        values = column if isinstance(column, np.ndarray) else np.asarray(column)
        if values is not column and values.dtype.kind == "U":
            values = np.asarray(column, object)  # NumPy writes numbers among text as text
        if values.ndim != 1:
            raise ValueError(f"column {name!r} has {values.ndim} dimensions, not one.")
        return values

    def labels(self, name: str) -> Labels:
        """Give a column of labels; the order of categories counts if they are ordered."""
        column = self._column(name)
        if isinstance(column, np.ndarray):
            return labels_of(name, column)
        if hasattr(column, "cat"):
            categories = column.cat.categories.tolist()
            order = categories if column.cat.ordered else None
            return _written(name, column.cat.codes.to_numpy(np.intp), categories, order)
        codes, distinct = column.factorize()
        return _written(name, codes, list(np.asarray(distinct)))

    def kind(self, name: str) -> str:
        """Tell whether a column holds a number or text; another type by its own name."""
        column = self._column(name)
        kind = getattr(column.dtype, "kind", "O")
        if kind in "iuf":
            return "number"
        texts = (
            column[~np.ma.getmaskarray(column)] if kind == "O" and column.dtype == object else ()
        )
        is_text = kind in "OUT" and all(isinstance(t, str) or t is None or t != t for t in texts)
        return "text" if is_text else str(column.dtype)

    def numbers(self, name: str) -> np.ndarray:
        """Give a column of numbers."""
        column = self._column(name)
        if isinstance(column, np.ndarray):
            return np.asarray(np.ma.filled(np.ma.asarray(column, float), np.nan))
        return np.asarray(column.to_numpy(float, na_value=np.nan))


def factors_of(asked: Formula, kinds: Mapping[str, str]) -> list[str]:
    """Give the predictors that are factors; refuse a column whose type does not fit."""
    for name in asked.columns[:-1]:
        if kinds[name] not in (["number"] if name in asked.numeric else ["number", "text"]):
            way_out = "to numbers" if name in asked.numeric else "to numbers or to text"
            raise ValueError(f"column {name!r} is of type {kinds[name]}: cast it {way_out} first.")
    return [name for name in asked.predictors if kinds[name] == "text"]


def summed(asked: Formula, factors: Iterable[str]) -> list[tuple[str, ...]]:
    """Give the products of numeric columns that are summed up in each cell, the response last."""
    gathered = gathered_columns(asked, dict.fromkeys(factors, ("",)))
    plain = dict.fromkeys(tuple(sorted(column.numbers)) for column in gathered)
    return [*(product for product in plain if product), (asked.response,)]


def _of_memory(rows: Any, asked: Formula) -> GroupStatistics:
    """Sum up rows in memory; unusable ones are counted."""
    source = Columns(rows)
    factors = factors_of(asked, {name: source.kind(name) for name in asked.columns[:-1]})
    numbers = {name: source.numbers(name) for name in asked.columns[:-1] if name not in factors}
    labels = {name: source.labels(name) for name in (*factors, asked.columns[-1])}
    bad = {name: ~np.isfinite(values) for name, values in numbers.items()}
    bad |= {name: column.codes < 0 for name, column in labels.items()}
    if len(lengths := {len(column) for column in bad.values()}) > 1:
        raise ValueError(
            f"the columns of {str(asked)!r} have different lengths: {sorted(lengths)}."
        )
    dropped = {name: int(bad[name].sum()) for name in asked.columns if bad[name].any()}
    if dropped:
        usable = ~reduce(np.logical_or, bad.values())
        numbers = {name: values[usable] for name, values in numbers.items()}
        labels = {name: one._replace(codes=one.codes[usable]) for name, one in labels.items()}
    group = labels[asked.columns[-1]]
    cells, first = group.codes, np.arange(len(group.texts))
    if factors:
        for name in factors:
            cells = cells * len(labels[name].texts) + labels[name].codes
        _, at, cells = np.unique(cells, return_index=True, return_inverse=True)
        labels = {name: one._replace(codes=one.codes[at]) for name, one in labels.items()}
    else:
        labels = {name: one._replace(codes=first) for name, one in labels.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        columns = [reduce(np.multiply, (numbers[n] for n in s)) for s in summed(asked, factors)]
        moments = _moments(columns, cells, len(labels[asked.columns[-1]].codes))
    return statistics_of(asked, Cells(labels, *moments, dropped))


def _moments(
    columns: Sequence[np.ndarray], codes: np.ndarray, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give count, means and centred cross-products of cells, in two passes."""
    count, k = np.bincount(codes, minlength=cells), len(columns)
    means, left, products = np.empty((cells, k)), np.empty((cells, k)), np.empty((cells, k, k))
    away = []
    with np.errstate(invalid="ignore"):
        for i, values in enumerate(columns):
            mean = np.bincount(codes, values, cells) / count
            away.append(values - mean[codes])
            left[:, i] = np.bincount(codes, away[-1], cells) / count
            means[:, i] = mean + left[:, i]
        for i, j in combinations_with_replacement(range(k), 2):
            total = np.bincount(codes, away[i] * away[j], cells)
            products[:, i, j] = products[:, j, i] = total - count * left[:, i] * left[:, j]
    return count, means, products


def statistics_of(asked: Formula, cells: Cells) -> GroupStatistics:
    """Give cells the columns of their levels, and merge them into groups."""
    full = np.flatnonzero(cells.n)
    n, means, squares = cells.n[full], cells.means[full], cells.products[full]
    *factors, (_, group) = cells.labels.items()
    codes = {name: one.codes[full] for name, one in factors}
    levels = {
        name: one.texts if one.ordered else tuple(one.texts[i] for i in np.unique(codes[name]))
        for name, one in factors
    }
    columns = gathered_columns(asked, levels)
    if factors:
        sums = [Column(frozenset(product)) for product in summed(asked, levels)[:-1]]
        nothing = Column(indicators=frozenset({("", "")}))
        kinds, number = np.unique(np.stack([*codes.values()], 1), axis=0, return_inverse=True)
        parts = means, squares
        means = np.empty((len(n), len(columns) + 1))
        squares = np.empty((*means.shape, len(columns) + 1))
        for i, kind in enumerate(kinds):
            held = {(name, one.texts[c]) for (name, one), c in zip(factors, kind, strict=True)}
            these = [Column(c.numbers) if c.indicators <= held else nothing for c in columns]
            at = np.flatnonzero(number.ravel() == i)
            means[at], squares[at] = chosen(parts[0][at], parts[1][at], these, sums)
    present, of_group = np.unique(group.codes[full], return_inverse=True)
    count, means, squares = merged(of_group, n, means, squares)
    labels = tuple(group.texts[code] for code in present)
    known = {*labels}
    return GroupStatistics(
        str(asked),
        asked.response,
        str(asked.group),
        tuple(columns.values()),
        levels,
        labels,
        count,
        means,
        squares,
        cells.dropped,
        tuple(text for text in group.texts if text not in known),
    )


def _check_levels(name: str, levels: Sequence[str]) -> None:
    """Refuse a factor that is rather a column of numbers with decimal commas, or a wrong cell."""
    comma = next((level for level in levels if re.fullmatch(r"[-+]?\d+,\d+", level)), None)
    if comma is not None:
        raise ValueError(f"column {name!r} holds {comma!r}: write numbers with a decimal point.")
    words = [v for v in levels if not re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", v, re.I)]
    if words and len(levels) - len(words) > 20:
        raise ValueError(
            f"column {name!r} holds numbers and the text {words[0]!r}: write numbers only, and "
            "leave a cell empty where there is none."
        )


def _of_part(rows: Any, asked: Formula, kind: str) -> GroupStatistics:
    """Gather the statistics of a partition, whose group has the kind of the whole dataframe's."""
    found = _of_memory(rows, asked)
    ours = Columns(rows).kind(str(asked.group))
    if len(rows) and ours != kind:
        raise ValueError(
            f"column {asked.group!r} holds {kind} in one part and {ours} in another: "
            "write it with the same type in every part."
        )
    return found


def _of_dask(rows: Any, asked: Formula, client: Any, progress: bool) -> GroupStatistics:
    """Let Dask gather the statistics of every partition, and merge them like a tree."""
    from dask.delayed import delayed
    from dask.diagnostics.progress import ProgressBar

    declared = Columns(rows._meta)
    factors_of(asked, {name: declared.kind(name) for name in asked.columns[:-1]})
    kind = declared.kind(str(asked.group))
    chosen_columns = rows[list(asked.columns)].to_delayed()
    parts = [delayed(_of_part)(part, asked, kind) for part in chosen_columns]
    while len(parts) > 1:
        parts = [delayed(merge_statistics)(*parts[i : i + 16]) for i in range(0, len(parts), 16)]
    try:
        if client is not None:
            return client.compute(parts[0]).result()  # type: ignore[no-any-return]
        with ProgressBar(minimum=2 if progress else float("inf")):  # type: ignore[no-untyped-call]
            return parts[0].compute()  # type: ignore[no-any-return]
    except KeyError as error:
        raise ValueError(f"a part of the Dask dataframe lacks a column: {error}") from error
