"""From rows to group statistics: all that a linear model with one grouping factor asks of them.

Six numbers a group (a count, two means, three centred cross-products) hold everything the data say
about a Gaussian model. They are gathered by NumPy where the rows are in memory, and by DuckDB where
they are not, in one reading (three if some rows are unusable). The statistics of two sets of rows
merge into those of both.
"""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from lmm_large.group_model import COLUMNS, moments

if TYPE_CHECKING:
    import duckdb

FILES = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
Missing = Literal["error", "drop"]


def group_statistics(
    source: Any,
    response: str,
    predictor: str,
    group: str,
    *,
    missing: Missing = "error",
    client: Any = None,
    memory_limit: str = "1GB",
    progress: bool = True,
) -> pd.DataFrame:
    """Gather the count, the means and the centred cross-products of every group.

    Parameters
    ----------
    source
        The rows: a pandas, Polars or Dask dataframe; the path of a Parquet or CSV file, a glob
        (``"visits/*.parquet"``) or a list of paths; a DuckDB relation; or an SQL query.
    response, predictor
        Names of two columns of numbers, in any units.
    group
        Name of the column that says which group a row belongs to.
    missing
        What to do with rows in which a number is missing or infinite or the group is missing:
        ``"error"`` refuses them, ``"drop"`` leaves them out and notes how many.
    client
        A ``dask.distributed.Client`` that does the work, for a Dask dataframe.
    memory_limit
        What DuckDB may use before it goes to disk, such as ``"1GB"``. A relation keeps to the limit
        of its own connection.
    progress
        Show a bar where DuckDB or Dask work for longer than two seconds.

    Returns
    -------
    pandas.DataFrame
        One row a group, indexed by group, in the order of the categories if there are any and
        sorted otherwise: ``count``, ``predictor_mean``, ``response_mean``, and the sums
        ``predictor_ss``, ``cross_product`` and ``response_ss`` of squares and products of
        distances from the group's means. Its ``attrs`` note the three names, the rows ``dropped``
        for each column, and the ``empty_groups`` that have no row left.

    Raises
    ------
    ValueError
        If a column is missing, doubled or not numeric, if rows are unusable and `missing` is
        ``"error"``, if no row is left, or if a file cannot be read.
    FileNotFoundError
        If no file has the path.
    TypeError
        If `source` is something else.

    Notes
    -----
    Sums of raw squares lose their digits where means are far from zero compared with the spread;
    these are sums of squares about the mean (Chan, Golub and LeVeque 1983), and DuckDB subtracts
    the mean of the first thousand rows from all of them before it squares.
    Source: chapter 9.

    Examples
    --------
    >>> rows = pd.DataFrame({"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]})
    >>> group_statistics(rows, "y", "x", "who")["response_mean"]
    who
    a    2.0
    b    9.0
    Name: response_mean, dtype: float64
    """
    names = (response, predictor, group)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"response, predictor and group are names of columns; got {names}.")
    if len(set(names)) < 3:
        raise ValueError(f"response, predictor and group must be three columns; got {names}.")
    if missing not in ("error", "drop"):
        raise ValueError(f"missing is 'error' or 'drop'; got {missing!r}.")
    library = type(source).__module__.partition(".")[0]
    if isinstance(source, pd.DataFrame):
        found = _of_frame(source, names)
    elif library.startswith("dask"):
        found = _of_dask(source, names, client, progress)
    else:
        found = _by_duckdb(source, names, library, memory_limit, progress)
    return _judged(found, missing)


def merge_statistics(*parts: pd.DataFrame) -> pd.DataFrame:
    """Merge the statistics of separate sets of rows into the statistics of all their rows.

    Parameters
    ----------
    *parts
        Results of `group_statistics` or of this function, for the same three columns. No row may
        stand in two of them, which nothing here can tell.

    Returns
    -------
    pandas.DataFrame
        What `group_statistics` would say of all rows together, but for rounding.

    Raises
    ------
    ValueError
        If there is no part, if a part lacks its columns or names, or if the names differ.

    Notes
    -----
    Source: the pairwise update of Chan, Golub and LeVeque (1983), for any number of parts.

    Examples
    --------
    >>> rows = pd.DataFrame({"y": [1.0, 3.0, 9.0], "x": [0.0, 2.0, 5.0], "who": ["a", "a", "b"]})
    >>> days = [group_statistics(rows[i : i + 1], "y", "x", "who") for i in range(3)]
    >>> merge_statistics(*days).equals(group_statistics(rows, "y", "x", "who"))
    True
    """
    if not parts:
        raise ValueError("merge_statistics needs at least one result of group_statistics.")
    for part in parts:
        absent = {*COLUMNS} - {*part.columns} | {"response", "predictor", "group"} - {*part.attrs}
        if absent:
            raise ValueError(f"{sorted(absent)} missing: give results of group_statistics.")
    described = {tuple(part.attrs[k] for k in ("response", "predictor", "group")) for part in parts}
    if len(described) > 1:
        raise ValueError(f"statistics of different columns cannot be merged: {sorted(described)}.")
    names = described.pop()
    index = parts[0].index
    for part in parts[1:]:
        if index.empty or part.index.empty:
            index = index if part.index.empty else part.index
        elif _kind(index) != _kind(part.index):
            raise ValueError(
                f"the groups of column {names[2]!r} are of different types, {_kind(index)} and "
                f"{_kind(part.index)}: cast the column to the same type in every part."
            )
    codes, labels = _groups_of(_joined([part.index for part in parts]))
    present, codes = np.unique(codes, return_inverse=True)
    labels = labels[present]
    n, x, y, xx, xy, yy = (
        np.concatenate([part[name].to_numpy(float) for part in parts]) for name in COLUMNS
    )
    largest = np.zeros(len(labels), int)
    order = np.argsort(n, kind="stable")
    largest[codes[order]] = order
    x0, y0 = x[largest], y[largest]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, len(labels))

    count = total(n)
    mean_x, mean_y = (
        start + total(n * (mean - start[codes])) / count for mean, start in ((x, x0), (y, y0))
    )
    dx, dy = x - mean_x[codes], y - mean_y[codes]
    dropped: dict[str, int] = {}
    for part in parts:
        for column, rows in part.attrs.get("dropped", {}).items():
            dropped[column] = dropped.get(column, 0) + rows
    return _frame(
        labels,
        (
            count,
            mean_x,
            mean_y,
            total(xx + n * dx * dx),
            total(xy + n * dx * dy),
            total(yy + n * dy * dy),
        ),
        names,
        dropped,
        [label for part in parts for label in part.attrs.get("empty_groups", [])],
    )


def _of_frame(rows: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Gather the statistics of rows in memory, in two passes; unusable rows are counted."""
    for name in names:
        found = list(rows.columns).count(name)
        if found != 1:
            raise ValueError(f"column {name!r} {'stands twice' if found else 'is missing'}.")
    numbers = []
    for name in names[:2]:
        dtype = rows[name].dtype
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            raise ValueError(f"column {name!r} is of type {dtype}: cast it to numbers first.")
        numbers.append(rows[name].to_numpy(float, na_value=np.nan))
    y, x = numbers
    codes, labels = _groups_of(pd.Index(rows[names[2]]))
    usable = np.isfinite(x) & np.isfinite(y) & (codes >= 0)
    dropped = {}
    if not usable.all():
        bad = (~np.isfinite(y), ~np.isfinite(x), codes < 0)
        dropped = {name: int(rows.sum()) for name, rows in zip(names, bad, strict=True)}
        y, x, codes = y[usable], x[usable], codes[usable]

    columns = moments(y, x, codes, len(labels))
    full = columns[0] > 0
    return _frame(
        labels[full],
        tuple(column[full] for column in columns),
        names,
        dropped,
        labels[~full].tolist(),
    )


def _of_dask(
    rows: Any,
    names: tuple[str, ...],
    client: Any,
    progress: bool,
) -> pd.DataFrame:
    """Let Dask gather the statistics of every partition, and merge them like a tree."""
    from dask.delayed import delayed
    from dask.diagnostics.progress import ProgressBar

    for name in names:
        if list(rows.columns).count(name) != 1:
            raise ValueError(f"column {name!r} is missing, or stands twice.")
    parts = [delayed(_of_frame)(part, names) for part in rows[list(names)].to_delayed()]
    while len(parts) > 1:
        parts = [
            delayed(merge_statistics)(*parts[start : start + 16])
            for start in range(0, len(parts), 16)
        ]
    try:
        if client is not None:
            return cast("pd.DataFrame", client.compute(parts[0]).result())
        with ProgressBar(minimum=2 if progress else float("inf")):  # type: ignore[no-untyped-call]
            return cast("pd.DataFrame", parts[0].compute())
    except KeyError as error:
        raise ValueError(f"a part of the Dask dataframe lacks a column: {error}") from error


def _by_duckdb(
    source: Any,
    names: tuple[str, ...],
    library: str,
    memory_limit: str,
    progress: bool,
) -> pd.DataFrame:
    """Let DuckDB gather the statistics in one scan, or in two more if rows are unusable.

    DuckDB hears Ctrl-C late while it works, so it works beside the thread that hears it at once.
    """
    import duckdb

    try:
        if isinstance(source, duckdb.DuckDBPyRelation):
            return _of_relation(source, names)
        with duckdb.connect() as connection, ThreadPoolExecutor(1) as beside:
            connection.execute("SET memory_limit = $1", [memory_limit])
            connection.execute("SET preserve_insertion_order = false")
            if progress:  # off unless asked for
                with suppress(duckdb.InvalidInputException):  # Jupyter without ipywidgets
                    connection.execute("SET enable_progress_bar = true")
            work = beside.submit(_of_source, connection, source, names, library)
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
    names: tuple[str, ...],
    library: str,
) -> pd.DataFrame:
    """Open what is not DuckDB's yet, and gather its statistics."""
    if library == "polars":
        import polars as pl

        schema = source.collect_schema()
        _require(list(schema.names()), names)
        dtype = schema[names[2]]
        text = pl.String if dtype in (pl.Categorical, pl.Enum) else dtype
        chosen = source.lazy().select(*names[:2], pl.col(names[2]).cast(text)).collect()
        found = _of_relation(connection.from_arrow(chosen.to_arrow()), names)
        return _ordered(found, dtype.categories) if dtype == pl.Enum else found
    paths = _paths(source)
    if paths is not None:
        return _of_relation(_opened(connection, paths, names), names)
    if not isinstance(source, str):
        raise TypeError(
            "source is a pandas, Polars or Dask dataframe, a path, a glob, a list of "
            f"paths, a DuckDB relation or an SQL query; got {type(source).__name__}."
        )
    return _of_relation(connection.sql(source), names)


def _ordered(found: pd.DataFrame, categories: Iterable[str]) -> pd.DataFrame:
    """Put statistics in the order of categories, and note those that have no row."""
    order = pd.Index(categories)
    present = order[order.isin(found.index)]
    labels = pd.CategoricalIndex(present, categories=order, name=found.index.name)
    ordered = found.loc[present].set_axis(labels)
    ordered.attrs = found.attrs | {"empty_groups": order.difference(present, sort=False).tolist()}
    return ordered


def _paths(source: object) -> list[str] | None:
    """Give the paths that `source` stands for, or None if it is an SQL query or no text at all."""
    if isinstance(source, str | Path):
        path = str(source)
        is_file = isinstance(source, Path) or Path(path).suffix.lower() in FILES
        return [path] if is_file or not any(map(str.isspace, path)) else None
    if isinstance(source, Sequence | Iterable) and not hasattr(source, "columns"):
        paths = list(source)
        if paths and all(isinstance(path, str | Path) for path in paths):
            return [str(path) for path in paths]
    return None


def _opened(
    connection: "duckdb.DuckDBPyConnection", patterns: list[str], names: tuple[str, ...]
) -> "duckdb.DuckDBPyRelation":
    """Open files whose columns agree; without the check DuckDB would cast all to the first's."""
    import duckdb

    files: list[str] = []
    for pattern in patterns:
        path = _literal(pattern) if Path(pattern).is_file() else pattern
        matched = connection.execute("SELECT file FROM glob($1) ORDER BY file", [path])
        found = [file for (file,) in matched.fetchall()]
        if not found:
            raise FileNotFoundError(f"no file has the path {pattern!r}.")
        files += found
    if len(set(files)) < len(files):
        twice = next(file for file in files if files.count(file) > 1)
        raise ValueError(f"file {twice!r} is given twice; its rows would count twice.")
    readers = {FILES.get(Path(file).suffix.lower(), "") for file in files}
    if len(readers) > 1 or "" in readers:
        raise ValueError(f"the files must be all Parquet or all CSV (named so): {files[:3]}…")
    (reader,) = readers
    kinds: dict[str, str] = {}
    for file in files:
        try:
            one = getattr(connection, reader)(_literal(file))
            _require(one.columns, names)
        except (ValueError, duckdb.Error) as error:
            raise ValueError(f"file {file!r}: {error}") from None
        for name in names:
            dtype = str(one.types[[c.lower() for c in one.columns].index(name.lower())])
            kind = "number" if name != names[2] and _is_number(dtype) else dtype
            if name != names[2] and kind != "number":
                raise ValueError(f"file {file!r}: column {name!r} is {dtype}, not a number.")
            if kinds.setdefault(name, kind) != kind:
                raise ValueError(
                    f"file {file!r}: column {name!r} is {kind}, but {kinds[name]} in "
                    f"{files[0]!r}: write it with the same type in every file."
                )
    files = [_literal(file) for file in files]
    if reader == "read_parquet":
        return connection.sql("SELECT * FROM read_parquet($1, union_by_name=true)", params=[files])
    types = {names[0]: "DOUBLE", names[1]: "DOUBLE", names[2]: kinds[names[2]]}
    return connection.sql(
        "SELECT * FROM read_csv($1, union_by_name=true, types=$2)", params=[files, types]
    )


def _literal(file: str) -> str:
    """Write a file's name as the pattern that matches it alone."""
    return re.sub(r"([*?[])", r"[\1]", file)


def _of_relation(relation: "duckdb.DuckDBPyRelation", names: tuple[str, ...]) -> pd.DataFrame:
    """Gather the statistics of a relation, its columns renamed before anything is said of them."""
    _require(relation.columns, names)
    types = [str(t) for t in relation.types]
    kind = dict(zip((c.lower() for c in relation.columns), types, strict=True))
    for name in names[:2]:
        if not _is_number(kind[name.lower()]):
            raise ValueError(
                f"column {name!r} is of type {kind[name.lower()]}: cast it to numbers first."
            )
    y, x, g = (_quoted(name) for name in names)
    nan_group = " OR isnan(g)" if kind[names[2].lower()] in ("FLOAT", "DOUBLE") else ""
    rows = relation.project(f"{y}::DOUBLE AS y, {x}::DOUBLE AS x, {g} AS g")
    typical = rows.filter("isfinite(y) AND isfinite(x)").limit(1000)
    y0, x0 = (v or 0.0 for v in typical.aggregate("avg(y), avg(x)").fetchall()[0])
    # sums skip what is missing, but not what is no number
    shift = ", ".join(
        f"coalesce({name}, 'nan'::DOUBLE) - {float(origin)!r}::DOUBLE AS {name}"
        for name, origin in (("y", y0), ("x", x0))
    )
    shift += ", g"
    sums = (
        "g, count(*) AS n, favg(x) AS x, favg(y) AS y, "
        "var_pop(x) AS xx, covar_pop(y, x) AS xy, var_pop(y) AS yy"
    )
    dropped: dict[str, int] = {}
    empty: Iterable[Any] = []
    found = _aggregated(rows.project(shift), sums)
    if found is None or found["g"].isna().any():
        bad = f"y IS NULL OR NOT isfinite(y), x IS NULL OR NOT isfinite(x), g IS NULL{nan_group}"
        y_bad, x_bad, g_bad = bad.split(", ")
        faults = rows.aggregate(
            f"g, count_if({y_bad}) AS y, count_if({x_bad}) AS x, count_if({g_bad}) AS bad_g, "
            f"count_if(NOT ({y_bad} OR {x_bad} OR {g_bad})) AS usable",
            "g",
        ).df()
        dropped = {
            name: int(faults[column].sum())
            for name, column in zip(names, ("y", "x", "bad_g"), strict=True)
        }
        empty = faults["g"][(faults["usable"] == 0) & (faults["bad_g"] == 0)].tolist()
        usable = rows.filter(f"NOT ({y_bad} OR {x_bad} OR {g_bad})")
        found = _aggregated(usable.project(shift), sums)
        if found is None:
            raise ValueError("the numbers are too large to square: give them in other units.")
    columns = (
        found["n"],
        found["x"] + x0,
        found["y"] + y0,
        *(found["n"] * found[name] for name in ("xx", "xy", "yy")),
    )
    codes, labels = _groups_of(pd.Index(found["g"]))
    order = np.argsort(codes, kind="stable")
    labels = labels[codes[order]]
    if isinstance(labels, pd.CategoricalIndex):
        empty = labels.categories.difference(labels, sort=False).tolist()
    return _frame(
        labels, tuple(column.to_numpy()[order] for column in columns), names, dropped, empty
    )


def _aggregated(rows: "duckdb.DuckDBPyRelation", sums: str) -> pd.DataFrame | None:
    """Aggregate by group; None if an infinity or a missing number has spoilt a sum."""
    import duckdb

    try:
        found = rows.aggregate(sums, "g").df()
    except duckdb.OutOfRangeException:
        return None
    finite = np.isfinite(found[["x", "y", "xx", "xy", "yy"]].to_numpy(float, na_value=np.nan))
    return found if finite.all() else None


def _quoted(name: str) -> str:
    """Quote the name of a column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _is_number(dtype: str) -> bool:
    """Tell whether a type of DuckDB is a number."""
    return dtype.endswith("INT") or dtype.startswith(("INTEGER", "UINTEGER", *_FRACTIONS))


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


def _groups_of(values: pd.Index) -> tuple[np.ndarray, pd.Index]:
    """Return the number of each value's group, -1 if it is missing, and the groups in order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = pd.Categorical(values)
        order = categories.categories
        return categories.codes.astype(np.intp), pd.CategoricalIndex(order, categories=order)
    codes, labels = pd.factorize(values, sort=True)
    return codes, pd.Index(labels)


def _joined(indexes: list[pd.Index]) -> pd.Index:
    """Put indexes behind one another; the next one's new categories come after the first's."""
    if any(isinstance(index.dtype, pd.CategoricalDtype) for index in indexes):
        return pd.CategoricalIndex(
            pd.api.types.union_categoricals(
                [pd.Categorical(index) for index in indexes], ignore_order=True
            )
        )
    filled = [index for index in indexes if len(index)] or indexes[:1]
    return filled[0].append(filled[1:])


def _kind(index: pd.Index) -> str:
    """Name what groups are: text, numbers or something else."""
    values = index.categories if isinstance(index, pd.CategoricalIndex) else index
    return str(pd.api.types.infer_dtype(values, skipna=True))


def _frame(
    labels: pd.Index,
    columns: tuple[Any, ...],
    names: tuple[str, ...],
    dropped: dict[str, int],
    empty: Iterable[Any],
) -> pd.DataFrame:
    """Put statistics into their frame."""
    found = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=labels.rename(names[2]))
    found = found.astype(dict.fromkeys(COLUMNS, float) | {"count": "int64"})
    found.attrs = {
        **dict(zip(("response", "predictor", "group"), names, strict=True)),
        "dropped": {name: rows for name, rows in dropped.items() if rows},
        "empty_groups": [label for label in dict.fromkeys(empty) if label not in labels],
    }
    return found


def _judged(found: pd.DataFrame, missing: Missing) -> pd.DataFrame:
    """Return sound statistics, or raise the error that says what is wrong with the rows."""
    dropped = found.attrs["dropped"]
    if dropped and missing == "error":
        said = " and ".join(f"{rows} in column {name!r}" for name, rows in dropped.items())
        raise ValueError(
            f"missing or infinite values: {said}. missing='drop' leaves those rows out."
        )
    if found.empty:
        raise ValueError("no usable row is left: there is nothing to gather.")
    if not np.isfinite(found.to_numpy()).all():
        raise ValueError("the numbers are too large to square: give them in other units.")
    return found
