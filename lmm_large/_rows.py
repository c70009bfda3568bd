"""From rows to group statistics: arrays by NumPy, frames by pandas, the rest by DuckDB or Dask.

Rows are read once, and twice more if some are unusable. Factors are no columns of the scan: rows
are summed up by group and levels, and these cells are merged into groups.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from itertools import combinations_with_replacement
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lmm_large._columns import Column, chosen, gathered_columns, merged
from lmm_large.formula import Formula, parse
from lmm_large.statistics import GroupStatistics, literal, merge_statistics

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_FILES = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_NONE = Column(indicators=frozenset({("", "")}))
"""A column of levels that a cell has not: it is zero there."""
Missing = Literal["error", "drop"]


def group_statistics(
    source: Any,
    formula: str,
    *,
    missing: Missing = "error",
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
        the path of a Parquet or CSV file, a glob (``"visits/*.parquet"``) or a list of paths; a
        DuckDB relation; or an SQL query.
    formula
        A model in Bambi's notation, ``"y ~ x*sex + group_mean(x) + (x | g)"``: numeric columns in
        any units, and text or categories as factors, coded as in Bambi; interactions by ``:`` and
        ``*``; ``0 +`` for no intercept; effects of one group, with slopes of numeric columns; and
        ``group_mean(x)``, the mean of a numeric column in the row's group. A name that is no word
        stands in back-quotes. One scan serves every model whose columns the formula holds.
    missing
        What to do with rows in which a number is missing or infinite, or a level or the group is
        missing: ``"error"`` refuses them, ``"drop"`` leaves them out and notes how many.
    client
        A ``dask.distributed.Client`` that does the work, for a Dask dataframe.
    memory_limit
        What DuckDB may use before it goes to disk, such as ``"1GB"``. A relation keeps to the limit
        of its own connection, and to its threads.
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
        If the formula holds what is not understood, if a column is missing, doubled or of a type
        that does not fit, if rows are unusable and `missing` is ``"error"``, if no row is left, or
        if a file cannot be read or is given twice.
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
    >>> statistics.means
    array([[1., 2.],
           [5., 9.]])
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
    if isinstance(source, Mapping):
        found = _of_cells(asked, _cells_of_columns(asked, _Arrays(source)))
    elif library == "pandas":
        found = _of_cells(asked, _cells_of_columns(asked, _Frame(source)))
    elif library.startswith("dask"):
        found = _of_dask(source, asked, client, progress)
    else:
        found = _by_duckdb(source, asked, library, memory_limit, threads, progress)
    if found.dropped and missing == "error":
        said = " and ".join(f"{rows} in column {name!r}" for name, rows in found.dropped.items())
        raise ValueError(
            f"missing or infinite values: {said}. missing='drop' leaves those rows out."
        )
    if not found.labels:
        raise ValueError("no usable row is left: there is nothing to gather.")
    if not (np.isfinite(found.means).all() and np.isfinite(found.products).all()):
        raise ValueError("the numbers are too large to square: give them in other units.")
    return found


class _Labels(NamedTuple):
    """A column of labels: the number of each row's label, -1 if it is missing, and all labels."""

    codes: np.ndarray
    texts: tuple[str, ...]
    ordered: bool
    kind: str


class _Cells(NamedTuple):
    """Moments of the rows that agree in group and levels, and what became of the others."""

    group: _Labels
    factors: dict[str, _Labels]
    n: np.ndarray
    means: np.ndarray
    products: np.ndarray
    dropped: dict[str, int]
    kinds: dict[str, str]


def _label_text(value: Any) -> str:
    """Write a group or a level as text; whole numbers have no decimals, dates no midnight."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return str(int(float(value))) if float(value).is_integer() else str(value)
    if isinstance(value, np.datetime64) or hasattr(value, "isoformat"):
        text = str(value).replace("T", " ")
        return re.sub(r"(\.\d*?)0+$", r"\1", text).removesuffix(".").removesuffix(" 00:00:00")
    raise ValueError(f"{value!r} is no label: groups and levels are text, numbers or dates.")


def _kind(value: object) -> str:
    """Name the kind of a label."""
    kinds = {str: "text", bool: "truth values", np.bool_: "truth values", Real: "numbers"}
    found = next((kind for of, kind in kinds.items() if isinstance(value, of)), None)
    return found or type(value).__name__


def _labelled(
    name: str, codes: np.ndarray, values: Sequence[Any], order: Sequence[Any] | None = None
) -> _Labels:
    """Write distinct labels as text, sorted or in a declared order; equal texts are one label."""
    kinds = sorted({_kind(value) for value in values})
    if len(kinds) > 1:
        raise ValueError(
            f"column {name!r} holds {' and '.join(kinds)}: write its labels with the same type."
        )
    try:
        texts = tuple(dict.fromkeys(map(_label_text, sorted(values) if order is None else order)))
        number = {text: i for i, text in enumerate(texts)}
        renumbered = np.array([*(number[_label_text(value)] for value in values), -1], np.intp)
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
    return _Labels(renumbered[codes], texts, order is not None, kinds[0] if kinds else "")


def _labels_of_array(name: str, values: np.ndarray, order: Sequence[Any] | None = None) -> _Labels:
    """Give the labels of an array their numbers; None and what is no number are missing."""
    missing = np.ma.getmaskarray(values)
    values = np.ma.getdata(values)
    if values.dtype.kind == "O":
        number: dict[tuple[str, Any], int] = {}
        codes = np.full(len(values), -1, np.intp)
        for i, (value, gone) in enumerate(zip(values.tolist(), missing, strict=True)):
            if not (gone or value is None or value != value):
                codes[i] = number.setdefault((_kind(value), value), len(number))
        return _labelled(name, codes, [value for _, value in number], order)
    missing = missing | (values != values)
    distinct, known = np.unique(values[~missing], return_inverse=True)
    codes = np.full(len(values), -1, np.intp)
    codes[~missing] = known
    return _labelled(name, codes, list(distinct), order)


def _is_text(values: Iterable[Any]) -> bool:
    """Tell whether objects are text, but for those that are missing."""
    return all(isinstance(v, str) or v is None or v != v for v in values)


class _Arrays:
    """The columns of a mapping of arrays."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        self.rows = rows

    def _column(self, name: str) -> np.ndarray:
        if name not in self.rows:
            raise ValueError(f"column {name!r} is missing; there are {list(self.rows)[:20]}.")
        values = self.rows[name]
        if not isinstance(values, np.ndarray):
            values = np.asarray(values)
            if values.dtype.kind == "U":  # NumPy writes numbers among text as text
                values = np.asarray(self.rows[name], object)
        if values.ndim != 1:
            raise ValueError(f"column {name!r} has {values.ndim} dimensions, not one.")
        return values

    def labels(self, name: str) -> _Labels:
        """Give a column of labels."""
        return _labels_of_array(name, self._column(name))

    def numbers(self, name: str) -> np.ndarray | str:
        """Give a column of numbers, or the name of its type."""
        values = self._column(name)
        if values.dtype.kind in "iuf":
            return np.asarray(np.ma.filled(np.ma.asarray(values, float), np.nan))
        is_text = values.dtype.kind in "UT" or (values.dtype.kind == "O" and _is_text(values))
        return "text" if is_text else str(values.dtype)


class _Frame:
    """The columns of a pandas dataframe."""

    def __init__(self, rows: "pd.DataFrame") -> None:
        self.rows = rows

    def _column(self, name: str) -> Any:
        found = list(self.rows.columns).count(name)
        if found != 1:
            raise ValueError(f"column {name!r} {'stands twice' if found else 'is missing'}.")
        return self.rows[name]

    def labels(self, name: str) -> _Labels:
        """Give a column of labels; the order of categories counts if they are ordered."""
        import pandas as pd

        column = self._column(name)
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, categories = column.cat.codes.to_numpy(np.intp), column.cat.categories.tolist()
            return _labelled(name, codes, categories, categories if column.cat.ordered else None)
        if column.dtype == object:
            return _labels_of_array(name, column.to_numpy())
        codes, distinct = pd.factorize(column)
        return _labelled(name, codes, list(np.asarray(distinct)))

    def numbers(self, name: str) -> np.ndarray | str:
        """Give a column of numbers, or the name of its type."""
        import pandas as pd

        column = self._column(name)
        kind = getattr(column.dtype, "kind", "O")
        if kind in "iuf":
            return np.asarray(column.to_numpy(float, na_value=np.nan))
        is_text = isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype)
        is_text = is_text or (kind == "O" and _is_text(column))
        return "text" if is_text else str(column.dtype)


def _typed(asked: Formula, kinds: Mapping[str, str]) -> list[str]:
    """Give the predictors that are factors; refuse a column whose type does not fit."""
    for name in asked.columns[:-1]:
        if kinds[name] not in ("number", "text") or (
            kinds[name] == "text" and name in asked.numeric
        ):
            way_out = "to numbers" if name in asked.numeric else "to numbers or to text"
            raise ValueError(f"column {name!r} is of type {kinds[name]}: cast it {way_out} first.")
    return [name for name in asked.predictors if kinds[name] == "text"]


def _numeric_products(asked: Formula, factors: Iterable[str]) -> list[Column]:
    """Give the products of numeric columns that are summed up in each cell."""
    plain = (
        Column(found.numbers) for found in gathered_columns(asked, dict.fromkeys(factors, ("",)))
    )
    return [column for column in dict.fromkeys(plain) if column.numbers]


def _cells_of_columns(asked: Formula, source: _Arrays | _Frame) -> _Cells:
    """Sum up rows in memory, in two passes; unusable rows are counted."""
    given = {name: source.numbers(name) for name in asked.columns[:-1]}
    kinds = {name: v if isinstance(v, str) else "number" for name, v in given.items()}
    factors = _typed(asked, kinds)
    numbers = {name: v for name, v in given.items() if not isinstance(v, str)}
    labels = {name: source.labels(name) for name in (*factors, asked.columns[-1])}
    kinds |= {name: column.kind for name, column in labels.items()}
    lengths = {len(column) for column in numbers.values()} | {len(c.codes) for c in labels.values()}
    if len(lengths) > 1:
        raise ValueError(
            f"the columns of {str(asked)!r} have different lengths: {sorted(lengths)}."
        )
    bad = {name: ~np.isfinite(values) for name, values in numbers.items()}
    bad |= {name: column.codes < 0 for name, column in labels.items()}
    unusable = reduce(np.logical_or, bad.values())
    dropped: dict[str, int] = {}
    if unusable.any():
        dropped = {name: int(bad[name].sum()) for name in asked.columns if bad[name].any()}
        numbers = {name: values[~unusable] for name, values in numbers.items()}
        labels = {n: column._replace(codes=column.codes[~unusable]) for n, column in labels.items()}
    group = labels.pop(asked.columns[-1])
    cells, first = group.codes, np.arange(len(group.texts))
    if factors:
        for column in labels.values():
            cells = cells * len(column.texts) + column.codes
        _, first, cells = np.unique(cells, return_index=True, return_inverse=True)
        group = group._replace(codes=group.codes[first])
        labels = {n: column._replace(codes=column.codes[first]) for n, column in labels.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        columns = [
            reduce(np.multiply, (numbers[name] for name in sorted(column.numbers)))
            for column in _numeric_products(asked, factors)
        ]
        n, means, products = _moments([*columns, numbers[asked.response]], cells, len(first))
    if not factors:
        full = np.flatnonzero(n)
        group, n, means, products = group._replace(codes=full), n[full], means[full], products[full]
    return _Cells(group, labels, n, means, products, dropped, kinds)


def _moments(
    columns: Sequence[np.ndarray], codes: np.ndarray, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give count, means and centred cross-products of cells, in two passes.

    The second pass also measures what rounding left in the means, and takes it out (Chan, Golub and
    LeVeque 1983).
    """

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, cells)

    count = np.bincount(codes, minlength=cells)
    k = len(columns)
    means, left, products = np.empty((cells, k)), np.empty((cells, k)), np.empty((cells, k, k))
    away = []
    with np.errstate(invalid="ignore"):
        for i, values in enumerate(columns):
            mean = total(values) / count
            away.append(values - mean[codes])
            left[:, i] = total(away[-1]) / count
            means[:, i] = mean + left[:, i]
        for i, j in combinations_with_replacement(range(k), 2):
            products[:, i, j] = total(away[i] * away[j]) - count * left[:, i] * left[:, j]
            products[:, j, i] = products[:, i, j]
    return count, means, products


def _of_cells(asked: Formula, cells: _Cells) -> GroupStatistics:
    """Give cells the columns of their levels, and merge them into groups."""
    levels = {
        name: column.texts
        if column.ordered
        else tuple(column.texts[code] for code in np.unique(column.codes))
        for name, column in cells.factors.items()
    }
    columns = gathered_columns(asked, levels)
    sums = _numeric_products(asked, levels)
    means, squares = cells.means, cells.products
    if levels:
        coded = np.stack([column.codes for column in cells.factors.values()], axis=1)
        combinations, number = np.unique(coded, axis=0, return_inverse=True)
        means = np.empty((len(coded), len(columns) + 1))
        squares = np.empty((*means.shape, len(columns) + 1))
        for i, codes in enumerate(combinations):
            kept = zip(cells.factors.items(), codes, strict=True)
            held = {(name, column.texts[code]) for (name, column), code in kept}
            these = [Column(c.numbers) if c.indicators <= held else _NONE for c in columns]
            at = np.flatnonzero(number.ravel() == i)
            means[at], squares[at] = chosen(cells.means[at], cells.products[at], these, sums)
    present, codes = np.unique(cells.group.codes, return_inverse=True)
    count, means, squares = merged(codes, cells.n, means, squares)
    texts = cells.group.texts
    here = {*present.tolist()}
    return GroupStatistics(
        formula=str(asked),
        response=asked.response,
        group=str(asked.group),
        columns=tuple(columns.values()),
        levels=levels,
        labels=tuple(texts[code] for code in present),
        count=count,
        means=means,
        products=squares,
        dropped=cells.dropped,
        empty=tuple(text for i, text in enumerate(texts) if i not in here),
    )


_Part = tuple[GroupStatistics, dict[str, str]]
"""The statistics of a part of the rows, and the kinds of its columns."""


def _of_part(rows: "pd.DataFrame", asked: Formula) -> _Part:
    """Gather the statistics of a partition."""
    cells = _cells_of_columns(asked, _Frame(rows))
    return _of_cells(asked, cells), cells.kinds if len(rows) else {}


def _of_parts(*parts: _Part) -> _Part:
    """Merge the statistics of partitions whose columns are of the same types."""
    kinds: dict[str, str] = {}
    for name, kind in (item for _, of_part in parts for item in of_part.items()):
        if kind and kinds.setdefault(name, kind) != kind:
            raise ValueError(
                f"column {name!r} holds {kinds[name]} in one part and {kind} in another: "
                "write it with the same type in every part."
            )
    return merge_statistics(*(statistics for statistics, _ in parts)), kinds


def _of_dask(rows: Any, asked: Formula, client: Any, progress: bool) -> GroupStatistics:
    """Let Dask gather the statistics of every partition, and merge them like a tree."""
    from dask.delayed import delayed
    from dask.diagnostics.progress import ProgressBar

    for name in asked.columns:
        if list(rows.columns).count(name) != 1:
            raise ValueError(f"column {name!r} is missing, or stands twice.")
    parts = [delayed(_of_part)(part, asked) for part in rows[list(asked.columns)].to_delayed()]
    while len(parts) > 1:
        parts = [delayed(_of_parts)(*parts[at : at + 16]) for at in range(0, len(parts), 16)]
    try:
        if client is not None:
            return client.compute(parts[0]).result()[0]  # type: ignore[no-any-return]
        with ProgressBar(minimum=2 if progress else float("inf")):  # type: ignore[no-untyped-call]
            return parts[0].compute()[0]  # type: ignore[no-any-return]
    except KeyError as error:
        raise ValueError(f"a part of the Dask dataframe lacks a column: {error}") from error


def _by_duckdb(
    source: Any,
    asked: Formula,
    library: str,
    memory_limit: str,
    threads: int | None,
    progress: bool,
) -> GroupStatistics:
    """Let DuckDB gather the statistics in one scan, or in two more if rows are unusable.

    DuckDB hears Ctrl-C late while it works, so it works beside the thread that hears it at once.
    """
    import duckdb

    try:
        if isinstance(source, duckdb.DuckDBPyRelation):
            return _of_relation(source, asked)
        with duckdb.connect() as connection, ThreadPoolExecutor(1) as beside:
            connection.execute("SET memory_limit = $1", [memory_limit])
            connection.execute("SET preserve_insertion_order = false")
            if threads is not None:
                connection.execute("SET threads = $1", [threads])
            if progress:  # off unless asked for
                with suppress(duckdb.InvalidInputException):  # Jupyter without ipywidgets
                    connection.execute("SET enable_progress_bar = true")
            work = beside.submit(_of_source, connection, source, asked, library)
            try:
                return work.result()
            except KeyboardInterrupt:
                while wait([work], timeout=0.1).not_done:
                    connection.interrupt()
                raise
    except duckdb.Error as error:
        shown = source if isinstance(source, str | Path | list) else type(source).__name__
        raise ValueError(f"DuckDB cannot read {shown}: {error}") from error


def _of_source(
    connection: "duckdb.DuckDBPyConnection",
    source: Any,
    asked: Formula,
    library: str,
) -> GroupStatistics:
    """Open what is not DuckDB's yet, and gather its statistics."""
    if library == "polars":
        import polars as pl

        names = asked.columns
        schema = source.collect_schema()
        _require(list(schema.names()), names)
        orders = {n: schema[n].categories.to_list() for n in names if schema[n] == pl.Enum}
        as_text = [
            pl.col(n).cast(pl.String) if schema[n] in (pl.Categorical, pl.Enum) else pl.col(n)
            for n in names
        ]
        chosen = source.lazy().select(as_text).collect()
        return _of_relation(connection.from_arrow(chosen.to_arrow()), asked, orders)
    paths = _paths(source)
    if paths is not None:
        return _of_relation(_opened(connection, paths, asked), asked)
    if not isinstance(source, str):
        raise TypeError(
            "source is a mapping of arrays, a pandas, Polars or Dask dataframe, a path, a glob, a "
            f"list of paths, a DuckDB relation or an SQL query; got {type(source).__name__}."
        )
    return _of_relation(connection.sql(source), asked)


def _paths(source: object) -> list[str] | None:
    """Give the paths that `source` stands for, or None if it is an SQL query or no text at all."""
    if isinstance(source, str | Path):
        path = str(source)
        is_file = isinstance(source, Path) or Path(path).suffix.lower() in _FILES
        return [path] if is_file or not any(map(str.isspace, path)) else None
    if isinstance(source, Iterable) and not hasattr(source, "columns"):
        paths = list(source)
        if paths and all(isinstance(path, str | Path) for path in paths):
            return [str(path) for path in paths]
    return None


def _files(connection: "duckdb.DuckDBPyConnection", patterns: list[str]) -> list[str]:
    """Give the files of patterns; refuse one that comes twice, under whatever names."""
    files: list[str] = []
    for pattern in patterns:
        path = literal(pattern) if Path(pattern).is_file() else pattern
        matched = connection.execute("SELECT file FROM glob($1) ORDER BY file", [path])
        found = [file for (file,) in matched.fetchall()]
        if not found:
            raise FileNotFoundError(f"no file has the path {pattern!r}.")
        files += found
    first: dict[object, str] = {}
    for file in files:
        known: object = file
        if Path(file).exists():
            status = Path(file).stat()
            known = status.st_dev, status.st_ino
        if known in first:
            also = "" if first[known] == file else f", also as {first[known]!r}"
            raise ValueError(f"file {file!r} is given twice{also}; its rows would count twice.")
        first[known] = file
    return files


def _opened(
    connection: "duckdb.DuckDBPyConnection", patterns: list[str], asked: Formula
) -> "duckdb.DuckDBPyRelation":
    """Open files whose columns agree; without the check DuckDB would cast all to the first's."""
    import duckdb

    files = _files(connection, patterns)
    readers = {_FILES.get(Path(file).suffix.lower(), "") for file in files}
    if len(readers) > 1 or "" in readers:
        raise ValueError(f"the files must be all Parquet or all CSV (named so): {files[:3]}…")
    (reader,) = readers
    names = asked.columns
    kinds: dict[str, str] = {}
    for file in files:
        try:
            one = getattr(connection, reader)(literal(file), hive_partitioning=False)
            _require(one.columns, names)
            types = {
                n: str(one.types[[c.lower() for c in one.columns].index(n.lower())]) for n in names
            }
            found = {name: _type_kind(types[name]) for name in names[:-1]}
            _typed(asked, found)
        except (ValueError, duckdb.Error) as error:
            raise ValueError(f"file {file!r}: {error}") from None
        found[names[-1]] = types[names[-1]]
        for name, kind in found.items():
            if kinds.setdefault(name, kind) != kind:
                raise ValueError(
                    f"file {file!r}: column {name!r} is {kind}, but {kinds[name]} in "
                    f"{files[0]!r}: write it with the same type in every file."
                )
    files = [literal(file) for file in files]
    if reader == "read_parquet":
        query = "SELECT * FROM read_parquet($1, union_by_name=true, hive_partitioning=false)"
        return connection.sql(query, params=[files])
    # a label is its text in the file: 01 stays 01
    casts = {"number": "DOUBLE", "DOUBLE": "DOUBLE"}
    return connection.sql(
        "SELECT * FROM read_csv($1, union_by_name=true, hive_partitioning=false, types=$2)",
        params=[files, {name: casts.get(kind, "VARCHAR") for name, kind in kinds.items()}],
    )


def _of_relation(
    relation: "duckdb.DuckDBPyRelation",
    asked: Formula,
    orders: Mapping[str, Sequence[str]] | None = None,
) -> GroupStatistics:
    """Gather the statistics of a relation, its columns renamed before anything is said of them."""
    names = asked.columns
    _require(relation.columns, names)
    types = dict(zip((c.lower() for c in relation.columns), relation.types, strict=True))
    of = {name: types[name.lower()] for name in names}
    kinds = {name: _type_kind(str(of[name])) for name in names[:-1]}
    factors = _typed(asked, kinds)
    declared: dict[str, Any] = {n: of[n].children[0][1] for n in names if of[n].id == "enum"}
    declared |= orders or {}
    numbers = [name for name in names[:-1] if name not in factors]
    short = {name: f"a{i}" for i, name in enumerate(numbers)}
    short |= {name: f"f{i}" for i, name in enumerate(factors)} | {names[-1]: "g"}
    rows = relation.project(
        ", ".join(
            f"{_quoted(name)}{'::DOUBLE' if name in numbers else _as_label(of[name])} AS {alias}"
            for name, alias in short.items()
        )
    )
    products = _numeric_products(asked, factors)
    columns = [" * ".join(short[n] for n in sorted(product.numbers)) for product in products]
    columns.append(short[names[0]])
    keys = ", ".join(short[name] for name in (names[-1], *factors))
    finite = " AND ".join(f"isfinite({short[name]})" for name in numbers)
    averages = ", ".join(f"avg({column})" for column in columns)
    typical = rows.filter(finite).limit(1000).aggregate(averages).fetchall()[0]
    origins = [float(v) if v is not None and np.isfinite(v) else 0.0 for v in typical]
    k = len(columns)
    # sums skip what is missing, but not what is no number
    shift = ", ".join(
        f"coalesce({column}, 'nan'::DOUBLE) - {origin!r}::DOUBLE AS v{i}"
        for i, (column, origin) in enumerate(zip(columns, origins, strict=True))
    )
    shift += f", {keys}"
    pairs = list(combinations_with_replacement(range(k), 2))
    sums = ", ".join(
        [keys, "count(*) AS n", *(f"favg(v{i}) AS m{i}" for i in range(k))]
        + [f"var_pop(v{i}) AS c{i}_{j}" for i, j in pairs if i == j]
        + [f"covar_pop(v{j}, v{i}) AS c{i}_{j}" for i, j in pairs if i < j]
    )
    dropped: dict[str, int] = {}
    faults: dict[str, np.ndarray] = {}
    found = _aggregated(rows.project(shift), sums, keys)
    if found is None:
        bad = {name: f"{short[name]} IS NULL OR NOT isfinite({short[name]})" for name in numbers}
        for name in (*factors, names[-1]):
            is_nan = f" OR isnan({short[name]})" if str(of[name]) in ("FLOAT", "DOUBLE") else ""
            bad[name] = f"{short[name]} IS NULL{is_nan}"
        counted = [f"count_if({bad[name]}) AS b{i}" for i, name in enumerate(names)]
        faults = rows.aggregate(", ".join(["g", *counted]), "g").fetchnumpy()
        for i, name in enumerate(names):
            if faults[f"b{i}"].any():
                dropped[name] = int(faults[f"b{i}"].sum())
        usable = rows.filter(f"NOT ({' OR '.join(bad.values())})")
        found = _aggregated(usable.project(shift), sums, keys)
        if found is None:
            raise ValueError("the numbers are too large to square: give them in other units.")
    count = np.asarray(found["n"])
    means = np.stack([found[f"m{i}"] + origins[i] for i in range(k)], axis=1)
    squares = np.empty((len(count), k, k))
    for i, j in pairs:
        squares[:, i, j] = squares[:, j, i] = count * found[f"c{i}_{j}"]
    labels = {
        name: _labels_of_array(name, found[short[name]], declared.get(name))
        for name in (*factors, names[-1])
    }
    group = labels.pop(names[-1])
    cells = _Cells(group, labels, count, means, squares, dropped, {})
    statistics = _of_cells(asked, cells)
    if not faults:
        return statistics
    every = _labels_of_array(names[-1], faults["g"], declared.get(names[-1])).texts
    return replace(statistics, empty=tuple(t for t in every if t not in {*statistics.labels}))


def _aggregated(
    rows: "duckdb.DuckDBPyRelation", sums: str, keys: str
) -> dict[str, np.ndarray] | None:
    """Aggregate by keys; None if an infinity or what is missing has spoilt a sum or a key."""
    import duckdb

    try:
        found = rows.aggregate(sums, keys).fetchnumpy()
    except duckdb.OutOfRangeException:
        return None
    for name, values in found.items():
        lost = np.ma.getmaskarray(values).any()
        if lost or (values.dtype.kind == "f" and not _all_usable(name, values)):
            return None
    return found


def _all_usable(name: str, values: np.ndarray) -> bool:
    """Tell whether sums are finite and keys are numbers."""
    return not np.isnan(values).any() if name[0] in "gf" else bool(np.isfinite(values).all())


def _type_kind(dtype: str) -> str:
    """Name the kind of a type of DuckDB; a type that is neither number nor text by its own name."""
    if dtype.endswith("INT") or dtype.startswith(("INTEGER", "UINTEGER", *_FRACTIONS)):
        return "number"
    return "text" if dtype == "VARCHAR" or dtype.startswith("ENUM") else dtype


def _as_label(dtype: Any) -> str:
    """Cast labels of a type that NumPy lacks; refuse those that are no labels."""
    if dtype.id in ("hugeint", "uhugeint", "uuid"):
        return "::VARCHAR"
    if dtype.id == "decimal":
        return "::DOUBLE"
    if dtype.id in ("list", "array", "struct", "map", "union", "blob"):
        raise ValueError(f"labels of type {dtype}: groups are text, numbers or dates.")
    return ""


def _quoted(name: str) -> str:
    """Quote the name of a column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _require(columns: list[str], names: tuple[str, ...]) -> None:
    """Raise an error that names the first column that is missing or ambiguous."""
    for name in names:
        if name not in columns:
            raise ValueError(f"column {name!r} is missing; there are {columns[:20]}.")
        if [column.lower() for column in columns].count(name.lower()) > 1:
            raise ValueError(
                f"column {name!r} is ambiguous, as DuckDB does not tell upper from lower case: "
                "rename one of the columns."
            )
