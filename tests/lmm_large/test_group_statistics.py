"""Group statistics against brute force, from every source, and from rows with every fault."""

import itertools
import multiprocessing
import os
import subprocess
import sys

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmm_large import group_statistics, merge_statistics

HOSTILE = ("a\"\n'b", "x; drop table rows; --", "Grüße | 1|county")
NAMES = ("y", "x", "g")


def rows_of(n=2000, names=HOSTILE, seed=1, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    groups = np.array(["b", 'a"; drop', "é|1", "O'Hara", "NULL"])[rng.integers(0, 5, n)]
    return pd.DataFrame(
        dict(zip(names, (3 - 2 * x + rng.normal(size=n) + offset, x - offset, groups), strict=True))
    )


def brute_force(rows, y, x, g):
    def of(part):
        dx, dy = part[x] - part[x].mean(), part[y] - part[y].mean()
        numbers = (len(part), part[x].mean(), part[y].mean(), dx @ dx, dx @ dy, dy @ dy)
        return pd.Series(numbers)

    return rows.groupby(g, observed=True)[[x, y]].apply(of).to_numpy()


def same(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=rtol, atol=1e-12)
    assert found.index.tolist() == expected.index.tolist()
    assert found.index.name == expected.index.name
    assert found.attrs == expected.attrs


def test_brute_force():
    rows = rows_of()
    found = group_statistics(rows, *HOSTILE)
    np.testing.assert_allclose(found.to_numpy(), brute_force(rows, *HOSTILE), rtol=1e-12)
    assert found.index.tolist() == sorted(rows[HOSTILE[2]].unique())
    assert found.attrs["group"] == HOSTILE[2]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("O'Hara's rows")
    rows = rows_of()
    rows.to_parquet(folder / "all.parquet")
    rows.to_csv(folder / "all.csv", index=False)
    rows[:700].to_parquet(folder / "part 1.parquet")
    rows[700:].to_parquet(folder / "part 2.parquet")
    with duckdb.connect() as connection:
        path = str(folder / "all.parquet").replace("'", "''")
        query = f"SELECT * FROM read_parquet('{path}')"
        yield {
            "pandas": rows,
            "polars": pl.DataFrame(rows),
            "lazy polars": pl.LazyFrame(rows),
            "parquet": str(folder / "all.parquet"),
            "path": folder / "all.parquet",
            "csv": folder / "all.csv",
            "glob": str(folder / "part*.parquet"),
            "list": [folder / "part 1.parquet", folder / "part 2.parquet"],
            "query": query,
            "relation": connection.sql(query),
            "dask": dd.from_pandas(rows, npartitions=5),
        }


@pytest.mark.parametrize(
    "name",
    "polars,lazy polars,parquet,path,csv,glob,list,query,relation,dask".split(","),  # noqa: SIM905
)
def test_every_source_gives_the_same(sources, name):
    same(group_statistics(sources[name], *HOSTILE), group_statistics(sources["pandas"], *HOSTILE))


@pytest.mark.parametrize("kind", ["pandas", "polars", "dask", "duckdb"])
def test_categories_keep_their_order_and_tell_which_are_empty(kind):
    rows = pd.DataFrame({"y": [1.0, 2, 4], "x": [0, 1, 1], "g": ["z", "a", "z"]})
    categories = ["z", "nobody", "a"]
    if kind == "polars":
        rows = pl.DataFrame(rows).with_columns(pl.col("g").cast(pl.Enum(categories)))
    elif kind == "duckdb":
        rows = (
            "SELECT y, x, g::ENUM ('z', 'nobody', 'a') AS g "
            "FROM (VALUES (1.0, 0, 'z'), (2, 1, 'a'), (4, 1, 'z')) AS rows (y, x, g)"
        )
    else:
        rows["g"] = pd.Categorical(rows["g"], categories)
        rows = rows if kind == "pandas" else dd.from_pandas(rows, npartitions=2)
    found = group_statistics(rows, *NAMES)
    assert found.index.tolist() == ["z", "a"]
    assert found["count"].tolist() == [2, 1]
    assert found.attrs["empty_groups"] == ["nobody"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "dask"])
@pytest.mark.parametrize("labels", [[3, 1, 3, 1, 2], ["c", "a", "c", "a", "b"]])
def test_unusable_rows_are_refused_or_left_out_and_counted(tmp_path, kind, labels):
    rows = pd.DataFrame({"y": [1.0, np.nan, 4, 5, 6], "x": [0.0, 1, np.inf, 1, -np.inf]})
    rows["g"] = labels
    clean = group_statistics(rows.iloc[[0, 3]], *NAMES)
    if kind == "polars":
        rows = pl.DataFrame(rows)
    elif kind == "dask":
        rows = dd.from_pandas(rows, npartitions=3)
    elif kind == "parquet":
        rows.to_parquet(tmp_path / "rows.parquet")
        rows = tmp_path / "rows.parquet"
    with pytest.raises(ValueError, match=r"1 in column 'y' and 2 in column 'x'.*missing='drop'"):
        group_statistics(rows, *NAMES)
    found = group_statistics(rows, *NAMES, missing="drop")
    assert found.attrs["dropped"] == {"y": 1, "x": 2}
    assert found.attrs["empty_groups"] == [labels[4]]
    np.testing.assert_allclose(found, clean)
    assert found.index.tolist() == clean.index.tolist()


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "csv", "dask"])
def test_a_missing_group_is_an_unusable_row(tmp_path, kind):
    rows = pd.DataFrame({"y": [1.0, 2, 4], "x": [0, 1, 1], "g": ["z", None, "z"]})
    if kind == "polars":
        source = pl.DataFrame(rows)
    elif kind == "dask":
        source = dd.from_pandas(rows, npartitions=2)
    elif kind in ("parquet", "csv"):
        source = tmp_path / f"rows.{kind}"
        getattr(rows, f"to_{kind}")(source, index=False)
    else:
        source = rows
    with pytest.raises(ValueError, match="1 in column 'g'"):
        group_statistics(source, *NAMES)
    found = group_statistics(source, *NAMES, missing="drop")
    assert found["count"].tolist() == [2]
    assert found.attrs["empty_groups"] == []


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "csv", "dask"])
@pytest.mark.parametrize("column", ["y", "x"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_unusable_number_among_many_is_not_skipped_in_silence(tmp_path, kind, column, value):
    rows = rows_of(names=NAMES)
    clean = group_statistics(rows.drop(index=1000), *NAMES)
    rows.loc[1000, column] = value
    source = rows
    if kind == "polars":
        source = pl.DataFrame(rows)
    elif kind == "dask":
        source = dd.from_pandas(rows, npartitions=3)
    elif kind != "pandas":
        source = tmp_path / f"rows.{kind}"
        getattr(rows, f"to_{kind}")(source, index=False)
    with pytest.raises(ValueError, match=f"infinite values: 1 in column '{column}'"):
        group_statistics(source, *NAMES)
    found = group_statistics(source, *NAMES, missing="drop")
    np.testing.assert_allclose(found, clean, rtol=1e-9)


@pytest.mark.parametrize("source", ["pandas", "polars", "query"])
@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_means_far_from_zero_and_from_each_other_cost_no_digits(source, offset, apart):
    rng = np.random.default_rng(4)
    # whole numbers on a grid, so that the shifted rows are exact
    rows = pd.DataFrame(rng.integers(-1000, 1000, (60_000, 2)) / 1024, columns=["y", "x"])
    rows["g"] = rng.integers(0, 3, len(rows))
    near = group_statistics(rows, *NAMES)
    moves = offset * (1 + apart * rows["g"])
    far = rows.assign(y=rows["y"] + moves, x=rows["x"] - moves)
    if source == "polars":
        far = pl.DataFrame(far)
    with duckdb.connect() as connection:
        if source == "query":
            far = connection.from_df(far)
        found = group_statistics(far, *NAMES)
    for name in ("predictor_ss", "cross_product", "response_ss"):
        np.testing.assert_allclose(found[name], near[name], rtol=(1 + 9 * apart) * 1e-11, atol=1e-6)
    moves = offset * (1 + apart * np.arange(3))
    tolerance = 2 * np.spacing(moves.max())
    np.testing.assert_allclose(
        found["response_mean"] - moves, near["response_mean"], atol=tolerance
    )


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=6),
    offset=st.sampled_from([0.0, 1e-8, 1e6]),
    seed=st.integers(0, 1000),
)
def test_merging_parts_is_gathering_the_whole(cuts, offset, seed):
    rows = rows_of(200, NAMES, seed, offset)
    edges = sorted({0, 200, *cuts})
    pieces = [rows.iloc[a:b] for a, b in itertools.pairwise(edges)]
    parts = [group_statistics(piece, *NAMES) for piece in pieces]
    whole = group_statistics(rows, *NAMES)
    same(merge_statistics(*parts), whole, rtol=1e-8)
    same(merge_statistics(*reversed(parts)), whole, rtol=1e-8)


def test_statistics_can_be_kept_and_added_to(tmp_path):
    rows = rows_of()
    group_statistics(rows[:900], *HOSTILE).to_parquet(tmp_path / "yesterday.parquet")
    kept = pd.read_parquet(tmp_path / "yesterday.parquet")
    both = merge_statistics(kept, group_statistics(rows[900:], *HOSTILE))
    same(both, group_statistics(rows, *HOSTILE))


def test_merging_names_what_does_not_fit():
    rows = rows_of(names=NAMES)
    found = group_statistics(rows, *NAMES)
    with pytest.raises(ValueError, match="at least one"):
        merge_statistics()
    with pytest.raises(ValueError, match="different columns"):
        merge_statistics(found, group_statistics(rows, "x", "y", "g"))
    numbered = group_statistics(rows.assign(g=1), *NAMES)
    with pytest.raises(ValueError, match="different types, string and integer"):
        merge_statistics(found, numbered)
    with pytest.raises(ValueError, match="'count'"):
        merge_statistics(found.drop(columns="count"))


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (("y", "x", "nothing"), "column 'nothing' is missing"),
        (("y", "y", "g"), "three columns"),
        (("y", "t", "g"), "column 't' is of type"),
        (("b", "x", "g"), "column 'b' is of type"),
    ],
)
@pytest.mark.parametrize("kind", ["pandas", "polars", "dask"])
def test_columns_that_do_not_fit_are_named(names, error, kind):
    rows = pd.DataFrame({"y": [1.0, 2], "x": [1, 2], "g": [1, 1], "t": ["1", "2"], "b": [True] * 2})
    if kind == "polars":
        rows = pl.DataFrame(rows)
    elif kind == "dask":
        rows = dd.from_pandas(rows, npartitions=1)
    with pytest.raises(ValueError, match=error):
        group_statistics(rows, *names)


def test_names_that_duckdb_confuses_are_refused():
    rows = pd.DataFrame({"y": [1.0], "Y": [2.0], "x": [1.0], "g": [1]})
    assert group_statistics(rows, *NAMES)["response_mean"].tolist() == [1.0]
    with pytest.raises(ValueError, match="'y' is ambiguous"):
        group_statistics(pl.DataFrame(rows), *NAMES)
    twice = pd.DataFrame([[1.0, 2.0, 3.0, 4]], columns=["y", "y", "x", "g"])
    with pytest.raises(ValueError, match="'y' stands twice"):
        group_statistics(twice, *NAMES)


def test_columns_called_like_statistics():
    rows = rows_of(names=("count", "response_mean", "n"))
    found = group_statistics(rows, "count", "response_mean", "n")
    same(found, group_statistics(pl.DataFrame(rows), "count", "response_mean", "n"))
    np.testing.assert_allclose(found, brute_force(rows, "count", "response_mean", "n"))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_no_rows_and_numbers_too_large(kind):
    as_kind = pl.DataFrame if kind == "polars" else pd.DataFrame
    with pytest.raises(ValueError, match="no usable row"):
        group_statistics(as_kind(rows_of(names=NAMES)[:0]), *NAMES)
    large = as_kind({"y": [1e300, -1e300], "x": [0.0, 1.0], "g": [1, 1]})
    with pytest.raises(ValueError, match="too large to square"):
        group_statistics(large, *NAMES)


def test_sources_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        group_statistics(tmp_path / "nowhere.parquet", *NAMES)
    with pytest.raises(TypeError, match="SQL query; got int"):
        group_statistics(3, *NAMES)
    with pytest.raises(ValueError, match="missing is 'error' or 'drop'"):
        group_statistics(rows_of(names=NAMES), *NAMES, missing="ignore")
    with pytest.raises(ValueError, match="DuckDB cannot read SELECT"):
        group_statistics("SELECT 1 FROM nowhere", *NAMES)


@pytest.mark.parametrize("name", ["b*", "b?", "[b]", "[!b]", "{b,c}", "'\";|$1 %20\n", "**"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_file_is_read_under_its_own_name_and_no_other(tmp_path, name, kind):
    rows = rows_of(50, NAMES)
    for file in ("b", "bb", "!", "c"):
        rows.assign(y=99.0).to_parquet(tmp_path / f"{file}.parquet")
        rows.assign(y=99.0).to_csv(tmp_path / f"{file}.csv", index=False)
    path = tmp_path / f"{name}.{kind}"
    rows.to_parquet(path) if kind == "parquet" else rows.to_csv(path, index=False)
    for source in (path, str(path), [path]):
        same(group_statistics(source, *NAMES), group_statistics(rows, *NAMES))


def test_a_file_given_twice_is_refused(files):
    with pytest.raises(ValueError, match=r"day1.parquet' is given twice"):
        group_statistics([str(files / "*.parquet"), files / "day1.parquet"], *NAMES)


@pytest.fixture
def files(tmp_path):
    for number in range(3):
        rows_of(names=NAMES, seed=number).to_parquet(tmp_path / f"day{number}.parquet")
    return tmp_path


def read(files, kind, ending="parquet", **options):
    pattern = str(files / f"*.{ending}")
    if kind == "duckdb":
        return group_statistics(pattern, *NAMES, **options)
    # as it is: Dask looks at the first file, and believes it of the others
    return group_statistics(getattr(dd, f"read_{ending}")(pattern), *NAMES, **options)


ENGINES = pytest.mark.parametrize("kind", ["duckdb", "dask"])


@ENGINES
@pytest.mark.parametrize("fault", ["cut", "empty", "no end", "noise", "not Parquet"])
def test_a_corrupt_file_among_good_ones(files, kind, fault):
    broken = files / "day1.parquet"
    content = broken.read_bytes()
    noise = np.random.default_rng(1).bytes(len(content))
    broken.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "empty": b"",
            "no end": content[:-20] + b"\0" * 20,
            "noise": content[:4] + noise[4:-8] + content[-8:],
            "not Parquet": noise,
        }[fault]
    )
    error = r"file '.*day1\.parquet': " if kind == "duckdb" else "(?i)parquet|thrift"
    with pytest.raises((ValueError, OSError), match=error):
        read(files, kind)


@ENGINES
@pytest.mark.parametrize("day", [0, 1])
def test_a_column_of_another_type_in_one_file(files, kind, day):
    path = files / f"day{day}.parquet"
    rows = pd.read_parquet(path)
    named = rf"day{day}.parquet': " if kind == "duckdb" else ""
    rows.assign(x=rows["x"].astype(str)).to_parquet(path)
    with pytest.raises(ValueError, match=rf"{named}column 'x' is .*(not a number|type str)"):
        read(files, kind)
    rows.assign(x=rows["x"] > 0).to_parquet(path)
    with pytest.raises(ValueError, match=rf"{named}column 'x' is .*(not a number|type bool)"):
        read(files, kind)
    rows.drop(columns="x").to_parquet(path)
    with pytest.raises(ValueError, match=rf"{named}.*(column 'x' is missing|lacks.*'x')"):
        read(files, kind, missing="drop")
    rows.assign(g=1).to_parquet(path)
    with pytest.raises(ValueError, match=r"column 'g' .*(same type)"):
        read(files, kind)


@ENGINES
@pytest.mark.parametrize("day", [0, 2])
@pytest.mark.parametrize("kept", ["int8", "float32", "float64"])
def test_other_numbers_in_one_file_round_nothing_in_the_others(files, kind, day, kept):
    path = files / f"day{day}.parquet"
    pd.read_parquet(path).assign(y=np.float64(7)).astype({"y": kept}).to_parquet(path)
    everything = pd.concat(pd.read_parquet(file) for file in sorted(files.glob("*.parquet")))
    same(read(files, kind), group_statistics(everything, *NAMES))


CELLS = {
    "a word": "seven,1.0,b",
    "a decimal comma": '"1,5",1.0,b',
    "too few": "1.0,b",
    "too many": "1.0,2.0,3.0,b",
    "an open quote": '"1.0,1.0,b',
    "nothing": ",1.0,b",
    "a nan": "nan,1.0,b",
    "an infinity": "1.0,-inf,b",
    "no text": "\0\1,1.0,b",
}


@pytest.mark.parametrize(("kind", "line"), [("duckdb", 3), ("duckdb", 20_900), ("dask", 3)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_bad_cell_in_one_csv_file(tmp_path, kind, line, cell):
    """Far down, where DuckDB has looked at enough rows to know the types, and near the top."""
    rows = rows_of(21_000, NAMES)
    for day in range(2):
        rows.to_csv(tmp_path / f"day{day}.csv", index=False)
    lines = (tmp_path / "day1.csv").read_text().splitlines()
    lines[line] = CELLS[cell]
    (tmp_path / "day1.csv").write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=r"day1\.csv|missing or infinite|dtypes|tokenizing|numbers"
    ):
        read(tmp_path, kind, "csv")


INTERRUPTED = """
import os, signal, sys, threading
from lmm_large import group_statistics
threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
query = "SELECT random() AS y, random() AS x, (random() * 1e3)::INT AS g FROM range(100000000000)"
try:
    group_statistics(query, "y", "x", "g", progress=False)
except KeyboardInterrupt:
    print(threading.active_count(), os.listdir())
"""


def test_an_interrupted_query_ends_and_leaves_nothing_behind(tmp_path):
    """In a process of its own: with the rows it asks for it would run for hours."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTED],
        cwd=tmp_path,
        timeout=120,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1 []\n"
    assert not done.stderr


def kill_one_worker(part, marker):
    """Kill the process that works on a part, the first time this is called."""
    if multiprocessing.parent_process() is not None and not os.path.exists(marker):  # noqa: PTH110
        with open(marker, "w") as file:  # noqa: PTH123
            file.write("killed")
        os.kill(os.getpid(), 9)
    return part


@pytest.mark.filterwarnings("ignore")
def test_a_worker_process_killed_in_the_middle(tmp_path):
    from distributed import Client, LocalCluster

    rows = rows_of(names=NAMES)
    marker = tmp_path / "killed"
    frame = dd.from_pandas(rows, npartitions=6).map_partitions(
        kill_one_worker, str(marker), meta=rows.iloc[:0]
    )
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        found = group_statistics(frame, *NAMES, client=client)
    assert marker.exists()
    same(found, group_statistics(rows, *NAMES))
