"""Group statistics against brute force, from every source, and from rows with every fault."""

import itertools
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmm_large import GroupStatistics, group_statistics, merge_statistics

HOSTILE = ("a\"\n'b", "x; drop table rows; --", "Grüße | 1|county")
NAMES = ("y", "x", "g")
LINE = "y ~ x + (x | g)"
HOSTILE_LINE = "`{}` ~ `{}` + (1 | `{}`)".format(*HOSTILE)


def rows_of(n=2000, names=HOSTILE, seed=1, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    groups = np.array(["b", 'a"; drop', "é|1", "O'Hara", "NULL"])[rng.integers(0, 5, n)]
    return pd.DataFrame(
        dict(zip(names, (3 - 2 * x + rng.normal(size=n) + offset, x - offset, groups), strict=True))
    )


def brute_force(rows, y, x, g):
    """Give counts, means and products of groups, the predictor before the response."""
    groups = [part[[x, y]].to_numpy() for _, part in rows.groupby(g, observed=True)]
    away = [part - part.mean(0) for part in groups]
    return (
        np.array([len(part) for part in groups]),
        np.array([part.mean(0) for part in groups]),
        np.array([part.T @ part for part in away]),
    )


def same(found, expected, rtol=1e-9):
    for name in GroupStatistics.__dataclass_fields__:
        one, other = getattr(found, name), getattr(expected, name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12, err_msg=name)
        else:
            assert one == other, name


def close(found, n, means, products, rtol=1e-12):
    assert found.count.tolist() == n.tolist()
    np.testing.assert_allclose(found.means, means, rtol=rtol)
    np.testing.assert_allclose(found.products, products, rtol=rtol)


def test_brute_force():
    rows = rows_of()
    found = group_statistics(rows, HOSTILE_LINE)
    close(found, *brute_force(rows, *HOSTILE))
    assert list(found.labels) == sorted(rows[HOSTILE[2]].unique())
    assert (found.response, *found.columns, found.group) == HOSTILE
    assert found.formula == HOSTILE_LINE.replace("~", "~ 1 +")


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
            "arrays": {name: rows[name].to_numpy() for name in rows},
            "lists": rows.to_dict("list"),
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
    [
        *["arrays", "lists", "polars", "lazy polars", "parquet", "path", "csv", "glob", "list"],
        *["query", "relation", "dask"],
    ],
)
def test_every_source_gives_the_same(sources, name):
    expected = group_statistics(sources["pandas"], HOSTILE_LINE)
    same(group_statistics(sources[name], HOSTILE_LINE), expected)


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
        rows["g"] = pd.Categorical(rows["g"], categories, ordered=True)
        rows = rows if kind == "pandas" else dd.from_pandas(rows, npartitions=2)
    found = group_statistics(rows, LINE)
    assert found.labels == ("z", "a")
    assert found.count.tolist() == [2, 1]
    assert found.empty == ("nobody",)


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "dask"])
@pytest.mark.parametrize("labels", [[3, 1, 3, 1, 2], ["c", "a", "c", "a", "b"]])
def test_unusable_rows_are_refused_or_left_out_and_counted(tmp_path, kind, labels):
    rows = pd.DataFrame({"y": [1.0, np.nan, 4, 5, 6], "x": [0.0, 1, np.inf, 1, -np.inf]})
    rows["g"] = labels
    clean = group_statistics(rows.iloc[[0, 3]], LINE)
    if kind == "polars":
        rows = pl.DataFrame(rows)
    elif kind == "dask":
        rows = dd.from_pandas(rows, npartitions=3)
    elif kind == "parquet":
        rows.to_parquet(tmp_path / "rows.parquet")
        rows = tmp_path / "rows.parquet"
    with pytest.raises(ValueError, match=r"1 in column 'y' and 2 in column 'x'.*missing='drop'"):
        group_statistics(rows, LINE)
    found = group_statistics(rows, LINE, missing="drop")
    assert found.dropped == {"y": 1, "x": 2}
    assert found.empty == (str(labels[4]),)
    same(replace(found, dropped={}, empty=()), clean)


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
        group_statistics(source, LINE)
    found = group_statistics(source, LINE, missing="drop")
    assert found.count.tolist() == [2]
    assert found.empty == ()


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "csv", "dask"])
@pytest.mark.parametrize("column", ["y", "x"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_unusable_number_among_many_is_not_skipped_in_silence(tmp_path, kind, column, value):
    rows = rows_of(names=NAMES)
    clean = group_statistics(rows.drop(index=1000), LINE)
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
        group_statistics(source, LINE)
    found = group_statistics(source, LINE, missing="drop")
    same(replace(found, dropped={}), clean)


@pytest.mark.parametrize("source", ["pandas", "polars", "query"])
@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_means_far_from_zero_and_from_each_other_cost_no_digits(source, offset, apart):
    rng = np.random.default_rng(4)
    # whole numbers on a grid, so that the shifted rows are exact
    rows = pd.DataFrame(rng.integers(-1000, 1000, (60_000, 2)) / 1024, columns=["y", "x"])
    rows["g"] = rng.integers(0, 3, len(rows))
    near = group_statistics(rows, LINE)
    moves = offset * (1 + apart * rows["g"])
    far = rows.assign(y=rows["y"] + moves, x=rows["x"] - moves)
    if source == "polars":
        far = pl.DataFrame(far)
    with duckdb.connect() as connection:
        if source == "query":
            far = connection.from_df(far)
        found = group_statistics(far, LINE)
    np.testing.assert_allclose(
        found.products, near.products, rtol=(1 + 9 * apart) * 1e-11, atol=1e-6
    )
    moves = offset * (1 + apart * np.arange(3))
    tolerance = 2 * np.spacing(moves.max())
    np.testing.assert_allclose(found.means[:, 1] - moves, near.means[:, 1], atol=tolerance)


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
    parts = [group_statistics(piece, LINE) for piece in pieces]
    whole = group_statistics(rows, LINE)
    same(merge_statistics(*parts), whole, rtol=1e-8)
    same(merge_statistics(*reversed(parts)), whole, rtol=1e-8)


def assert_identical(found, expected):
    for name in GroupStatistics.__dataclass_fields__:
        one, other = getattr(found, name), getattr(expected, name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()
        else:
            assert one == other


@pytest.mark.parametrize("name", ["day.parquet", "O'Hara [1]*.parquet", "no ending"])
def test_statistics_are_kept_to_the_last_bit_and_added_to(tmp_path, name):
    rows = rows_of().assign(sex=lambda r: np.where(r.index % 3 == 0, "män'; --", "b\n"))
    rows.loc[7, HOSTILE[0]] = np.nan
    formula = HOSTILE_LINE + f" + sex*`{HOSTILE[1]}`"
    kept = group_statistics(rows[:900], formula, missing="drop")
    (tmp_path / name).write_text("yesterday")
    kept.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    found = GroupStatistics.load(str(tmp_path / name))
    assert_identical(found, kept)
    both = merge_statistics(found, group_statistics(rows[900:], formula))
    same(both, group_statistics(rows, formula, missing="drop"))


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    found = group_statistics(rows_of(names=NAMES), LINE)
    path = tmp_path / "day.parquet"
    path.write_text("yesterday")
    with pytest.raises(OSError, match="cannot be written"):
        found.save(tmp_path / "nowhere" / "day.parquet")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError))
        with pytest.raises(PermissionError):
            found.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["day.parquet"]
    assert path.read_text() == "yesterday"


def test_a_foreign_file_is_told_what_it_lacks(tmp_path):
    rows = rows_of(names=NAMES)
    path = tmp_path / "day.parquet"
    with pytest.raises(FileNotFoundError, match="no file has the path"):
        GroupStatistics.load(path)
    path.write_text("no Parquet")
    with pytest.raises(ValueError, match="not a whole Parquet file"):
        GroupStatistics.load(path)
    rows.to_parquet(path)
    with pytest.raises(ValueError, match="metadata lack the key 'lmm_large'"):
        GroupStatistics.load(path)
    group_statistics(rows, LINE).save(path)
    with duckdb.connect() as connection:
        whole = connection.read_parquet(str(path)).project("* EXCLUDE (product_0_1)").arrow()
    pq.write_table(whole.read_all().replace_schema_metadata(pq.read_schema(path).metadata), path)
    with pytest.raises(ValueError, match="the column 'product_0_1' is missing"):
        GroupStatistics.load(path)


def test_statistics_say_what_they_are():
    rows = rows_of(names=NAMES)
    rows.loc[3, "x"] = np.inf
    found = group_statistics(rows, LINE, missing="drop")
    assert repr(found) == (
        "<GroupStatistics of 'y ~ 1 + x + (1 + x | g)': 5 groups, 1,999 rows, 1 left out for 'x'>"
    )
    table = found.table()
    by_group = rows.drop(index=3).groupby("g")
    for name in ("x", "y"):
        np.testing.assert_allclose(table["mean", name], by_group[name].mean())
        np.testing.assert_allclose(table["sd", name], by_group[name].std())
    assert table["count"].tolist() == by_group.size().tolist()
    assert table.index.tolist() == list(found.labels)
    single = group_statistics({"y": [1.0], "g": ["a"]}, "y ~ (1 | g)").table()
    assert single["sd"].isna().all(axis=None)


def test_merging_names_what_does_not_fit():
    rows = rows_of(names=NAMES)
    found = group_statistics(rows, LINE)
    with pytest.raises(ValueError, match="at least one"):
        merge_statistics()
    with pytest.raises(ValueError, match=r"different formulas.*'x ~ 1.*'y ~ 1"):
        merge_statistics(found, group_statistics(rows, "x ~ y + (y | g)"))
    with pytest.raises(TypeError, match="got DataFrame"):
        merge_statistics(found, found.table())
    line = "y ~ x + (1 | g)"
    text = group_statistics(rows.assign(x="a"), line)
    with pytest.raises(ValueError, match="'x' is a factor in one part and numeric in another"):
        merge_statistics(group_statistics(rows, line), text)


def test_levels_that_a_part_lacks_are_zero_and_the_reference_may_change():
    rows = rows_of(names=NAMES).assign(f=lambda r: np.array(list("dbcad"))[r.index * 5 // 2000])
    formula = "y ~ x*f + (1 | g)"
    whole = group_statistics(rows, formula)
    assert whole.levels == {"f": ("a", "b", "c", "d")}
    days = [group_statistics(rows[i : i + 400], formula) for i in range(0, 2000, 400)]
    same(merge_statistics(*days), whole)
    same(merge_statistics(merge_statistics(*days[3:]), merge_statistics(*days[:3])), whole)


def test_a_label_is_its_text():
    y = [1.0, 2.0, 3.0]
    whole, parts = pd.DataFrame({"y": y, "g": [1, 2, 10]}), []
    for labels in ([1, 2, 10], [1.0, 2.0, 10.0], ["1", "2", "10"]):
        frame = pd.DataFrame({"y": y, "g": labels})
        parts += [group_statistics(frame, "y ~ (1 | g)")]
        parts += [group_statistics(pl.DataFrame(frame), "y ~ (1 | g)")]
        parts += [group_statistics({"y": y, "g": labels}, "y ~ (1 | g)")]
    assert {frozenset(part.labels) for part in parts} == {frozenset({"1", "2", "10"})}
    together = merge_statistics(*parts)
    assert dict(zip(together.labels, together.count.tolist(), strict=True)) == {
        "1": 9, "2": 9, "10": 9
    }  # fmt: skip
    assert group_statistics(whole, "y ~ (1 | g)").labels == ("1", "2", "10")
    other = group_statistics({"y": y, "g": ["01", "1.0", "1"]}, "y ~ (1 | g)")
    assert set(other.labels) == {"01", "1.0", "1"}
    assert group_statistics({"y": y, "g": [0.5, -0.0, 0.0]}, "y ~ (1 | g)").labels == ("0", "0.5")
    assert group_statistics({"y": y, "g": [True, False, True]}, "y ~ (1 | g)").labels == (
        "False", "True"
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "duckdb", "arrays"])
def test_dates_are_labels_without_midnight(kind):
    days = np.array(["2020-01-02", "2020-01-01", "2020-01-02"], "datetime64[us]")
    for shown, g in (
        ("2020-01-01", days),
        ("2020-01-01 00:00:00.5", days + np.timedelta64(500, "ms")),
    ):
        rows = {"y": [1.0, 2.0, 3.0], "g": g}
        if kind != "arrays":
            rows = pd.DataFrame(rows)
        if kind == "duckdb":
            rows = pl.DataFrame(rows)
        assert group_statistics(rows, "y ~ (1 | g)").labels[0] == shown


@pytest.mark.parametrize("as_kind", [pd.DataFrame, dict])
@pytest.mark.parametrize("labels", [[1, "1"], ["a", 2.0], [True, "True"], [True, 1]])
def test_a_column_of_mixed_types_is_refused(as_kind, labels):
    rows = {"y": [1.0, 2.0, 3.0], "g": [*labels, None]}
    with pytest.raises(ValueError, match=r"column 'g' holds (numbers|text|truth values) and "):
        group_statistics(as_kind(rows), "y ~ (1 | g)")


@pytest.mark.parametrize("first", [["01", "1", "02"], ["1"] * 30_000 + ["01"]])
def test_a_csv_file_keeps_the_text_of_its_labels(tmp_path, first):
    """In the second case DuckDB takes the labels for numbers, from the rows that it looks at."""
    lines = [f"{i},{label}" for i, label in enumerate(first)]
    (tmp_path / "rows.csv").write_text("\n".join(["y,g", *lines, ""]))
    found = group_statistics(tmp_path / "rows.csv", "y ~ (1 | g)")
    assert found.labels == tuple(sorted(set(first)))


def test_masked_values_are_missing():
    rows = {"y": np.ma.array([1.0, 2.0, 4.0], mask=[False, True, False]), "g": ["a", "a", "b"]}
    with pytest.raises(ValueError, match="1 in column 'y'"):
        group_statistics(rows, "y ~ (1 | g)")
    assert group_statistics(rows, "y ~ (1 | g)", missing="drop").count.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("y ~ x + (1 | nothing)", "column 'nothing' is missing"),
        ("y ~ y + (1 | g)", "must be different columns"),
        ("t ~ x + (1 | g)", "column 't' is of type text: cast it to numbers first"),
        ("y ~ x + (t | g)", "column 't' is of type text: cast it to numbers first"),
        ("y ~ group_mean(t) + (1 | g)", "column 't' is of type text: cast it to numbers first"),
        ("y ~ b + (1 | g)", "column 'b' is of type (?i:bool)"),
        ("y ~ x", r"names no group: add the term '\(1 \| g\)'"),
    ],
)
@pytest.mark.parametrize("kind", ["pandas", "polars", "dask", "arrays"])
def test_columns_that_do_not_fit_are_named(formula, error, kind):
    rows = pd.DataFrame({"y": [1.0, 2], "x": [1, 2], "g": [1, 1], "t": ["1", "2"], "b": [True] * 2})
    if kind == "polars":
        rows = pl.DataFrame(rows)
    elif kind == "dask":
        rows = dd.from_pandas(rows, npartitions=1)
    elif kind == "arrays":
        rows = rows.to_dict("list")
    with pytest.raises(ValueError, match=error):
        group_statistics(rows, formula)


def test_columns_of_different_lengths():
    with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
        group_statistics({"y": [1.0, 2.0], "g": ["a"]}, "y ~ (1 | g)")


@pytest.mark.parametrize("kind", ["polars", "query", "parquet", "dask", "arrays"])
@pytest.mark.parametrize("spoilt", [False, True])
def test_products_factors_and_slopes_are_the_same_from_every_source(tmp_path, kind, spoilt):
    rows = rows_of(500, NAMES).assign(
        z=lambda r: np.cos(r.index) + 1e6,
        f=lambda r: np.array(["u", "é\"'", "w"])[r.index % 3],
        h=lambda r: np.where(r.index % 5 == 0, "yes", "no"),
    )
    if spoilt:
        rows.loc[7, "z"] = np.nan
        rows.loc[9, "f"] = None
        rows.loc[11, "h"] = None
    formula = "y ~ x*f*h + x:z + f:z + group_mean(z) + (z | g)"
    expected = group_statistics(rows, formula, missing="drop")
    assert expected.dropped == ({"f": 1, "h": 1, "z": 1} if spoilt else {})
    source = rows
    if kind == "parquet":
        source = tmp_path / "rows.parquet"
        rows.to_parquet(source)
    elif kind == "dask":
        source = dd.from_pandas(rows, npartitions=7)
    elif kind == "arrays":
        source = {name: rows[name].to_numpy() for name in rows}
    with duckdb.connect() as connection:
        if kind in ("polars", "query"):
            frame = pl.from_pandas(rows)
            source = connection.from_arrow(frame.to_arrow()) if kind == "query" else frame
        found = group_statistics(source, formula, missing="drop")
    assert (found.columns, found.levels, found.labels) == (
        expected.columns, expected.levels, expected.labels
    )  # fmt: skip
    assert found.dropped == expected.dropped
    scale = np.sqrt(np.diagonal(expected.products, axis1=1, axis2=2)) + 1e-6
    error = (found.products - expected.products) / (scale[:, :, None] * scale[:, None, :])
    assert abs(error).max() < 1e-8
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-11, atol=1e-13)


def test_one_thread_gives_the_same_bits_each_time(tmp_path):
    rows = rows_of(300_000, NAMES, offset=1e3)
    rows.to_parquet(tmp_path / "rows.parquet")
    found = [group_statistics(tmp_path / "rows.parquet", LINE, threads=1) for _ in range(3)]
    assert len({one.products.tobytes() for one in found}) == 1
    with pytest.raises(ValueError, match="DuckDB cannot read"):
        group_statistics(tmp_path / "rows.parquet", LINE, threads=-1)


def test_names_that_duckdb_confuses_are_refused():
    rows = pd.DataFrame({"y": [1.0], "Y": [2.0], "x": [1.0], "g": [1]})
    assert group_statistics(rows, LINE).means.tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="'y' is ambiguous"):
        group_statistics(pl.DataFrame(rows), LINE)
    twice = pd.DataFrame([[1.0, 2.0, 3.0, 4]], columns=["y", "y", "x", "g"])
    with pytest.raises(ValueError, match="'y' stands twice"):
        group_statistics(twice, LINE)


def test_columns_called_like_statistics():
    names = ("count", "a1", "n")
    rows = rows_of(names=names)
    found = group_statistics(rows, "count ~ a1 + (1 | n)")
    same(found, group_statistics(pl.DataFrame(rows), "count ~ a1 + (1 | n)"))
    close(found, *brute_force(rows, *names))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_no_rows_and_numbers_too_large(kind):
    as_kind = pl.DataFrame if kind == "polars" else pd.DataFrame
    with pytest.raises(ValueError, match="no usable row"):
        group_statistics(as_kind(rows_of(names=NAMES)[:0]), LINE)
    large = as_kind({"y": [1e300, -1e300], "x": [0.0, 1.0], "g": [1, 1]})
    with pytest.raises(ValueError, match="too large to square"):
        group_statistics(large, LINE)


def test_sources_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        group_statistics(tmp_path / "nowhere.parquet", LINE)
    with pytest.raises(TypeError, match="SQL query; got int"):
        group_statistics(3, LINE)
    with pytest.raises(ValueError, match="missing is 'error' or 'drop'"):
        group_statistics(rows_of(names=NAMES), LINE, missing="ignore")
    with pytest.raises(ValueError, match="DuckDB cannot read SELECT"):
        group_statistics("SELECT 1 FROM nowhere", LINE)


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
        same(group_statistics(source, LINE), group_statistics(rows, LINE))


@pytest.mark.parametrize("way", ["itself", "relative", "symlink", "hard link"])
def test_a_file_given_twice_is_refused(files, way, monkeypatch):
    again = files / "day1.parquet"
    if way == "relative":
        monkeypatch.chdir(files)
        again = "day1.parquet"
    elif way != "itself":
        again = files / "again.pq"
        link = again.symlink_to if way == "symlink" else again.hardlink_to
        link(files / "day1.parquet")
    with pytest.raises(ValueError, match=r"is given twice"):
        group_statistics([str(files / "*.parquet"), again], LINE)


def test_a_folder_that_looks_like_a_partition_does_not_overwrite_a_column(tmp_path):
    folder = tmp_path / "y=7"
    folder.mkdir()
    rows = rows_of(50, NAMES)
    rows.to_parquet(folder / "rows.parquet")
    rows.to_csv(folder / "rows.csv", index=False)
    for ending in ("parquet", "csv"):
        same(group_statistics(folder / f"rows.{ending}", LINE), group_statistics(rows, LINE))


@pytest.fixture
def files(tmp_path):
    for number in range(3):
        rows_of(names=NAMES, seed=number).to_parquet(tmp_path / f"day{number}.parquet")
    return tmp_path


def read(files, kind, ending="parquet", **options):
    pattern = str(files / f"*.{ending}")
    if kind == "duckdb":
        return group_statistics(pattern, LINE, **options)
    # as it is: Dask looks at the first file, and believes it of the others
    return group_statistics(getattr(dd, f"read_{ending}")(pattern), LINE, **options)


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
    error = rf"{named}column 'x' is of type text: cast it to numbers first"
    with pytest.raises(ValueError, match=error):
        read(files, kind)
    rows.assign(x=rows["x"] > 0).to_parquet(path)
    with pytest.raises(ValueError, match=rf"{named}column 'x' is of type (?i:bool)"):
        read(files, kind)
    rows.drop(columns="x").to_parquet(path)
    with pytest.raises(ValueError, match=rf"{named}.*(column 'x' is missing|lacks.*'x')"):
        read(files, kind, missing="drop")
    rows.assign(g=1).to_parquet(path)
    with pytest.raises(ValueError, match=r"column 'g' .*same type"):
        read(files, kind)


@ENGINES
@pytest.mark.parametrize("day", [0, 2])
@pytest.mark.parametrize("kept", ["int8", "float32", "float64"])
def test_other_numbers_in_one_file_round_nothing_in_the_others(files, kind, day, kept):
    path = files / f"day{day}.parquet"
    pd.read_parquet(path).assign(y=np.float64(7)).astype({"y": kept}).to_parquet(path)
    everything = pd.concat(pd.read_parquet(file) for file in sorted(files.glob("*.parquet")))
    same(read(files, kind), group_statistics(everything, LINE))


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


@pytest.mark.slow
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
    group_statistics(query, "y ~ x + (1 | g)", progress=False)
except KeyboardInterrupt:
    print(threading.active_count(), os.listdir())
"""


@pytest.mark.slow
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


@pytest.mark.slow
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
        found = group_statistics(frame, LINE, client=client)
    assert marker.exists()
    same(found, group_statistics(rows, LINE))


LIGHT = """
import sys
from lmm_large import GroupStatistics, group_statistics, merge_statistics
from lmm_large.design import design
rows = {"y": [1.0, 3.0, 4.0, 9.0], "x": [0.0, 2.0, 1.0, 5.0], "f": list("uvuv"), "g": [1, 1, 1, 2]}
days = [group_statistics(rows, "y ~ x*f + group_mean(x) + (x | g)") for _ in range(2)]
design(merge_statistics(*days), "y ~ x + (1 | g)")
heavy = {"pandas", "duckdb", "pymc", "xarray", "scipy", "formulae", "polars", "dask"}
print(sorted(heavy & set(sys.modules)))
"""


def test_statistics_of_arrays_load_numpy_alone():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIGHT], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
