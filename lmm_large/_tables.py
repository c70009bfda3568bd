"""From files, relations, queries and Polars frames to group statistics, in DuckDB."""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmm_large._rows import Cells, factors_of, labels_of, statistics_of, summed
from lmm_large.formula import Formula
from lmm_large.statistics import GroupStatistics, literal, sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_FILES = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_OPTIONS = {
    "read_parquet": "hive_partitioning=false, union_by_name=true",
    # what R writes for a missing value; a label "NA" stands in quotes
    "read_csv": "hive_partitioning=false, union_by_name=true, nullstr=['', 'NA'], "
    "allow_quoted_nulls=false",
}
_FILE = "the file of a row"


def of_tables(
    source: Any, asked: Formula, memory_limit: str, threads: int | None, progress: bool
) -> GroupStatistics:
    """Let DuckDB gather the statistics, beside the thread that hears Ctrl-C at once."""
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
            work = beside.submit(_of_source, connection, source, asked)
            try:
                return work.result()
            except KeyboardInterrupt:
                while wait([work], timeout=0.1).not_done:
                    connection.interrupt()
                raise
    except duckdb.Error as error:
        shown = source if isinstance(source, str | Path | list) else type(source).__name__
        raise ValueError(f"DuckDB cannot read {shown}: {error}") from error


def _of_source(connection: "DuckDBPyConnection", source: Any, asked: Formula) -> GroupStatistics:
    """Open what is not DuckDB's yet, and gather its statistics."""
    if type(source).__module__.startswith("polars"):
        import polars as pl

        schema = source.collect_schema()
        _require(schema.names(), asked.columns)
        labels = {n: schema[n] for n in asked.columns if schema[n] in (pl.Categorical, pl.Enum)}
        orders = {n: t.categories.to_list() for n, t in labels.items() if isinstance(t, pl.Enum)}
        texts = [pl.col(name).cast(pl.String) for name in labels]
        chosen = source.lazy().select(asked.columns).with_columns(texts).collect()
        return _of_relation(connection.from_arrow(chosen.to_arrow()), asked, orders)
    paths = _paths(source)
    if paths is not None:
        return _of_relation(_opened(connection, _files(connection, paths), asked), asked)
    if not isinstance(source, str):
        raise TypeError(
            "source is a mapping of arrays, a pandas, Polars or Dask dataframe, a path, a glob, a "
            f"list of paths, a DuckDB relation or an SQL query; got {type(source).__name__}."
        )
    return _of_relation(connection.sql(source), asked)


def _paths(source: object) -> list[str] | None:
    """Give the paths that `source` stands for, or None if it is an SQL query or no text at all."""
    if isinstance(source, str | Path):
        path = Path(source)
        is_path = isinstance(source, Path) or path.suffix.lower() in _FILES or path.is_dir()
        return [str(source)] if is_path or not any(map(str.isspace, str(source))) else None
    paths = list(source) if isinstance(source, Iterable) and not hasattr(source, "columns") else []
    all_paths = paths and all(isinstance(path, str | Path) for path in paths)
    return [str(path) for path in paths] if all_paths else None


def _files(connection: "DuckDBPyConnection", patterns: Iterable[str]) -> list[str]:
    """Give the files of patterns and folders; refuse one that comes twice, under whatever names."""
    first: dict[object, str] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():  # as Spark and Dask write it, with notes whose names begin so
            inside = (p for p in sorted(path.rglob("*")) if p.suffix.lower() in _FILES)
            hidden = ("_", ".")
            found = [str(p) for p in inside if not p.name.startswith(hidden)]
        else:
            glob = [literal(pattern) if path.is_file() else pattern]
            matched = connection.execute("SELECT file FROM glob($1) ORDER BY file", glob)
            found = [file for (file,) in matched.fetchall()]
        if not found:
            raise FileNotFoundError(f"no file has the path {pattern!r}.")
        for file in found:
            known: object = file
            if Path(file).exists():
                status = Path(file).stat()
                known = status.st_dev, status.st_ino
            if known in first:
                also = "" if first[known] == file else f", also as {first[known]!r}"
                raise ValueError(f"file {file!r} is given twice{also}; its rows would count twice.")
            first[known] = file
    return list(first.values())


def _opened(
    connection: "DuckDBPyConnection", files: list[str], asked: Formula
) -> "DuckDBPyRelation":
    """Open files whose columns agree; those they lack stand in folders, as ``g=7/rows.parquet``."""
    import duckdb

    readers = {_FILES.get(Path(file).suffix.lower(), "") for file in files}
    if len(readers) > 1 or "" in readers:
        raise ValueError(f"the files must be all Parquet or all CSV (named so): {files[:3]}…")
    (reader,) = readers
    scan = f"SELECT * FROM {reader}($1, {_OPTIONS[reader]}"  # noqa: S608
    kinds: dict[str, str] = {}
    for file in files:
        try:
            one = connection.sql(f"{scan})", params=[literal(file)])
            folders = {folder.partition("=")[0] for folder in Path(file).parts[:-1]}
            inside = {*(name for name in asked.columns if name not in one.columns)} & folders
            _require([*one.columns, *inside], asked.columns)
            types = dict(zip((c.lower() for c in one.columns), map(str, one.types), strict=True))
            found = {n: _kind(types[n.lower()]) for n in asked.columns if n not in inside}
            found |= dict.fromkeys(inside, "text in the folder's name")
            if reader == "read_csv":
                if not one.limit(1).fetchall():
                    continue  # a header says nothing of types
                if asked.group not in inside:
                    found[str(asked.group)] = "text"
            factors_of(asked, {n: k.partition(" in ")[0] for n, k in found.items()})
        except (ValueError, duckdb.Error) as error:
            raise ValueError(f"file {file!r}: {error}") from None
        for name, kind in found.items():
            if kinds.setdefault(name, kind) != kind:
                raise ValueError(
                    f"file {file!r}: column {name!r} is {kind}, but {kinds[name]} in "
                    f"{files[0]!r}: write it with the same type in every file."
                )
    if not kinds:
        raise ValueError("no usable row is left: the files hold headers alone.")
    names: list[Any] = [[literal(file) for file in files]]
    from_folders = [name for name, kind in kinds.items() if kind.startswith("text in")]
    if reader == "read_csv":  # a label is its text in the file: 01 stays 01
        types = {n: "DOUBLE" if k == "number" else "VARCHAR" for n, k in kinds.items()}
        scan += ", types=$2"
        names.append({n: t for n, t in types.items() if n not in from_folders})
    if not from_folders:
        return connection.sql(f"{scan})", params=names)
    for n in from_folders:
        after = f"split_part({_quoted(_FILE)}, {sql_text(f'/{n}=')}, -1)"
        value = f"nullif(url_decode(parse_path({after})[1]), '__HIVE_DEFAULT_PARTITION__')"
        scan = scan.replace("*", f"*, {value} AS {_quoted(n)}", 1)
    return connection.sql(f"{scan}, filename={sql_text(_FILE)})", params=names)


def _of_relation(
    relation: "DuckDBPyRelation", asked: Formula, orders: Mapping[str, Sequence[str]] | None = None
) -> GroupStatistics:
    """Gather the statistics of a relation, its columns renamed before anything is said of them."""
    names = asked.columns
    _require(relation.columns, names)
    of_lower = dict(zip((c.lower() for c in relation.columns), relation.types, strict=True))
    types = {name: of_lower[name.lower()] for name in names}
    factors = factors_of(asked, {name: _kind(str(types[name])) for name in names[:-1]})
    declared: dict[str, Any] = {n: t.children[0][1] for n, t in types.items() if t.id == "enum"}
    declared |= orders or {}
    keys = {name: f"f{i}" for i, name in enumerate((*factors, names[-1]))}
    short = {name: f"a{i}" for i, name in enumerate(names) if name not in keys} | keys
    values = {n: f"{_quoted(n)}::DOUBLE" for n in short} | {n: _label(n, types[n]) for n in keys}
    rows = relation.project(", ".join(f"{values[name]} AS {a}" for name, a in short.items()))
    bad = {n: f"NOT coalesce(isfinite({a}), false)" for n, a in short.items() if n not in keys}
    bad |= {name: f"{alias} IS NULL" for name, alias in keys.items()}
    usable = rows.filter(f"NOT ({' OR '.join(bad.values())})")
    columns = [" * ".join(short[n] for n in product) for product in summed(asked, factors)]
    averages = usable.limit(1000).aggregate(", ".join(f"avg({c})" for c in columns)).fetchall()[0]
    origins = [float(v) if v is not None and np.isfinite(v) else 0.0 for v in averages]
    k = len(columns)
    # sums skip what is missing, but not what is no number
    whole = [f"coalesce({column}, 'nan'::DOUBLE)" for column in columns]
    shifted = [f"{whole[i]} - {origins[i]!r}::DOUBLE AS v{i}" for i in range(k)]
    shift = ", ".join([*shifted, *keys.values()])
    pairs = list(combinations_with_replacement(range(k), 2))
    sums = ["count(*) AS n", *(f"favg(v{i}) AS m{i}, var_pop(v{i}) AS c{i}_{i}" for i in range(k))]
    sums += [f"covar_pop(v{j}, v{i}) AS c{i}_{j}" for i, j in pairs if i < j]
    dropped: dict[str, int] = {}
    everyone = []
    found = _aggregated(rows.project(shift), sums, list(keys.values()))
    if found is None:
        counted = [f"count_if({bad[name]}) AS b{i}" for i, name in enumerate(names)]
        group = keys[names[-1]]
        faults = rows.aggregate(", ".join([group, *counted]), group).fetchnumpy()
        dropped = {n: int(faults[f"b{i}"].sum()) for i, n in enumerate(names)}
        dropped = {name: number for name, number in dropped.items() if number}
        found = _aggregated(usable.project(shift), sums, list(keys.values()))
        if found is None:
            raise ValueError("the numbers are too large to square: give them in other units.")
        everyone = [faults[group]]
    count = np.asarray(found["n"])
    products = np.empty((len(count), k, k))
    for i, j in pairs:
        products[:, i, j] = products[:, j, i] = count * found[f"c{i}_{j}"]
    labels = {}
    for name, key in keys.items():
        more = everyone if name == names[-1] else []
        one = labels_of(name, np.ma.concatenate([found[key], *more]), declared.get(name))
        labels[name] = one._replace(codes=one.codes[: len(count)])
    means = np.stack([found[f"m{i}"] + origins[i] for i in range(k)], axis=1)
    return statistics_of(asked, Cells(labels, count, means, products, dropped))


def _aggregated(
    rows: "DuckDBPyRelation", sums: Sequence[str], keys: Sequence[str]
) -> dict[str, np.ndarray] | None:
    """Aggregate by keys; None if an infinity or what is missing has spoilt a sum or a key."""
    import duckdb

    try:
        found = rows.aggregate(", ".join([*keys, *sums]), ", ".join(keys)).fetchnumpy()
    except duckdb.OutOfRangeException:
        return None
    spoilt = any(np.ma.getmaskarray(values).any() for values in found.values())
    finite = all(np.isfinite(v).all() for name, v in found.items() if name not in keys)
    return found if finite and not spoilt else None


def _kind(dtype: str) -> str:
    """Name the kind of a type of DuckDB; a type that is neither number nor text by its own name."""
    if re.match("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT|DOUBLE|DECIMAL", dtype):
        return "number"
    return "text" if dtype == "VARCHAR" or dtype.startswith("ENUM") else dtype


def _label(name: str, dtype: Any) -> str:
    """Write a column of labels in SQL, as a type that NumPy has; refuse those that are none."""
    column = _quoted(name)
    if dtype.id in ("list", "array", "struct", "map", "union", "blob"):
        raise ValueError(f"column {name!r} is of type {dtype}: labels are text, numbers or dates.")
    if dtype.id in ("float", "double"):
        return f"nullif({column}, 'nan')"
    if dtype.id == "decimal" and dict(dtype.children)["scale"]:
        return f"rtrim(rtrim({column}::VARCHAR, '0'), '.')"
    as_text = dtype.id in ("hugeint", "uhugeint", "uuid", "decimal", "enum")
    return f"{column}::VARCHAR" if as_text else column


def _quoted(name: str) -> str:
    """Quote the name of a column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _require(columns: Sequence[str], names: Iterable[str]) -> None:
    """Raise an error that names the first column that is missing or ambiguous."""
    for name in names:
        if name not in columns:
            raise ValueError(f"column {name!r} is missing; there are {columns[:20]}.")
        if [column.lower() for column in columns].count(name.lower()) > 1:
            raise ValueError(
                f"column {name!r} is ambiguous, as DuckDB does not tell upper from lower case: "
                "rename one of the columns."
            )
