"""Rows arrive right or not at all: labels, folders, and files with every fault of the day."""

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmm_large import group_statistics, merge_statistics

LINE = "y ~ x + (1 | g)"
COUNT = "y ~ (1 | g)"
ENGINES = ["arrays", "pandas", "polars", "parquet", "csv", "duckdb", "dask"]


def gathered(rows, engine, folder, formula=COUNT, **options):
    """Gather the statistics of a pandas dataframe by way of an engine."""
    if engine == "arrays":
        return group_statistics(rows.to_dict("list"), formula, **options)
    if engine == "polars":
        return group_statistics(pl.from_pandas(rows), formula, **options)
    if engine == "dask":
        return group_statistics(dd.from_pandas(rows, npartitions=2), formula, **options)
    if engine in ("parquet", "csv"):
        path = folder / f"rows.{engine}"
        getattr(rows, f"to_{engine}")(path, index=False)
        return group_statistics(path, formula, **options)
    if engine == "duckdb":
        with duckdb.connect() as connection:
            return group_statistics(connection.from_df(rows), formula, **options)
    return group_statistics(rows, formula, **options)


def counts(found):
    return dict(zip(found.labels, found.count.tolist(), strict=True))


TEXTS = {
    "zeros": ["05", "5", "005", "5"],
    "late decimals": ["1.1", "1.10", "1.2", "1.12"],
    "letters that mean truth": ["T", "t", "F", "T"],
    "hexadecimal": ["0x10", "16", "0x10", "0X10"],
    "powers": ["1E2", "100", "1e2", "1E2"],
    "dates": ["2020-01-02", "2020-1-2", "01.02.2020", "2020-01-02"],
    "long": ["12345678901234567890123", "12345678901234567890124", "9007199254740993", "1"],
    "words": ["nan", "None", "NULL", "inf"],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_a_label_that_is_text_stays_as_it_is(tmp_path, engine, texts):
    rows = pd.DataFrame({"y": np.arange(4.0), "g": texts})
    expected = {text: texts.count(text) for text in sorted(set(texts))}
    assert counts(gathered(rows, engine, tmp_path)) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 10, 1, 2], {"1": 2, "2": 1, "10": 1}),
        ([2**53 + 1, 2**53, 2**63 - 1, -1], {"-1", str(2**53), str(2**53 + 1), str(2**63 - 1)}),
        ([0.5, 5.5, 5.5, 0.1], {"0.1": 1, "0.5": 1, "5.5": 2}),
        ([True, False, True, True], {"False": 1, "True": 3}),
    ],
)
def test_a_label_that_is_no_text_has_one_text_everywhere(tmp_path, engine, values, expected):
    rows = pd.DataFrame({"y": np.arange(4.0), "g": values})
    found = counts(gathered(rows, engine, tmp_path))
    assert found == expected if isinstance(expected, dict) else set(found) == expected


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x00"), min_size=1
        ),
        min_size=4,
        max_size=12,
    )
)
def test_any_text_is_a_label(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("labels")
    rows = pd.DataFrame({"y": np.arange(float(len(texts))), "g": texts})
    expected = {text: texts.count(text) for text in sorted(set(texts))}
    for engine in ("arrays", "pandas", "polars", "parquet", "duckdb"):
        assert counts(gathered(rows, engine, folder)) == expected


def test_integer_1_and_text_1_are_one_group_and_01_is_another(tmp_path):
    numbers = gathered(pd.DataFrame({"y": [1.0, 2.0], "g": [1, 2]}), "parquet", tmp_path)
    for engine in ENGINES:
        texts = gathered(pd.DataFrame({"y": [3.0, 4.0], "g": ["1", "01"]}), engine, tmp_path)
        assert counts(merge_statistics(numbers, texts)) == {"1": 2, "2": 1, "01": 1}


def test_decimals_of_duckdb_keep_their_digits():
    values = "('1.00'), ('1.50'), ('12345678901234567890.25'), ('12345678901234567890.75')"
    query = f"SELECT 1.0 AS y, v::DECIMAL(30, 2) AS g FROM (VALUES {values}) AS rows (v)"
    assert set(group_statistics(query, COUNT).labels) == {
        "1", "1.5", "12345678901234567890.25", "12345678901234567890.75"
    }  # fmt: skip
    query = "SELECT 1.0 AS y, 100::DECIMAL(30, 0) AS g"
    assert group_statistics(query, COUNT).labels == ("100",)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "group",
    [
        [1.0, np.nan, 1.0],
        ["a", None, "a"],
        np.array(["2020-01-01", "NaT", "2020-01-01"], "datetime64[us]"),
    ],
    ids=["nan", "None", "NaT"],
)
def test_a_row_without_a_group_is_refused_or_counted(tmp_path, engine, group):
    rows = pd.DataFrame({"y": [1.0, 2, 4], "g": group})
    with pytest.raises(ValueError, match=r"1 in column 'g'\. missing='drop'"):
        gathered(rows, engine, tmp_path)
    found = gathered(rows, engine, tmp_path, missing="drop")
    assert found.count.tolist() == [2]
    assert (found.dropped, found.empty) == ({"g": 1}, ())


def test_nan_in_a_group_column_of_parquet_is_missing(tmp_path):
    """Pandas writes NaN as missing; other programs write it as a number."""
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * FROM (VALUES (1.0, 'nan'::DOUBLE), (2, 1.5)) AS r (y, g)) TO '{path}'"
        )
    with pytest.raises(ValueError, match="1 in column 'g'"):
        group_statistics(path, COUNT)
    assert counts(group_statistics(path, COUNT, missing="drop")) == {"1.5": 1}


@pytest.mark.parametrize("group", [[b"a", b"b"], np.array([b"a", b"b"]), [(1,), (2,)]])
def test_what_is_no_label_is_refused(group):
    if isinstance(group, list):
        group = np.fromiter(group, object, len(group))
    with pytest.raises(ValueError, match=r"column 'g': .* is no label: groups and levels are text"):
        group_statistics({"y": [1.0, 2.0], "g": group}, COUNT)
    with pytest.raises(ValueError, match=r"column 'g' is of type (BLOB|.*\[\]): labels are text"):
        group_statistics(pl.DataFrame({"y": [1.0, 2.0], "g": [b"a", b"b"]}), COUNT)


def frame(n=40):
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.normal(size=(n, 2)), columns=["y", "x"])
    return rows.assign(g=np.array(["a b", "c/d", "e=f"])[np.arange(n) % 3])


def same(found, expected):
    assert found.labels == expected.labels
    assert found.count.tolist() == expected.count.tolist()
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.products, expected.products, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("as_folder", [True, False])
def test_rows_partitioned_by_their_group_are_read(tmp_path, as_folder):
    """As Spark and Dask write them, with notes of their own beside."""
    rows = frame()
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        folder = str(tmp_path / "days")
        connection.execute(f"COPY rows TO '{folder}' (FORMAT parquet, PARTITION_BY (g))")
    (tmp_path / "days" / "_SUCCESS").write_text("")
    (tmp_path / "days" / "g=a%20b" / "._part.crc").write_bytes(b"\1")
    source = tmp_path / "days" if as_folder else str(tmp_path / "days" / "**" / "*.parquet")
    same(group_statistics(source, LINE), group_statistics(rows, LINE))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_names_of_folders_serve_only_where_the_files_lack_the_column(tmp_path, ending):
    rows = frame().assign(g=lambda r: "0" + r["x"].gt(0).astype(int).astype(str))
    for label, part in rows.groupby("g"):
        folder = tmp_path / "y=7" / f"g={label}" / "x=zero"
        folder.mkdir(parents=True)
        getattr(part.drop(columns="g"), f"to_{ending}")(folder / f"rows.{ending}", index=False)
    same(group_statistics(tmp_path, LINE), group_statistics(rows, LINE))
    absent = tmp_path / "y=7" / "g=__HIVE_DEFAULT_PARTITION__"
    absent.mkdir()
    getattr(rows[:3].drop(columns="g"), f"to_{ending}")(absent / f"rows.{ending}", index=False)
    assert group_statistics(tmp_path, LINE, missing="drop").dropped == {"g": 3}
    getattr(rows, f"to_{ending}")(tmp_path / f"whole.{ending}", index=False)
    with pytest.raises(ValueError, match=r"column 'g' is text in the folder's name, but text in"):
        group_statistics(tmp_path, LINE)


def test_an_empty_folder_is_said_to_hold_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file has the path"):
        group_statistics(tmp_path, LINE)


def csv_files(folder, text):
    """Write a file, and a good one beside it."""
    frame(30).to_csv(folder / "day0.csv", index=False)
    (folder / "day1.csv").write_text(text)
    return str(folder / "day*.csv")


def test_a_day_with_a_header_alone_adds_nothing(tmp_path):
    files = csv_files(tmp_path, "y,x,g\n")
    same(group_statistics(files, LINE), group_statistics(frame(30), LINE))
    with pytest.raises(ValueError, match="no usable row"):
        group_statistics(tmp_path / "day1.csv", LINE)


@pytest.mark.parametrize("column", ["y", "x", "g"])
def test_na_as_r_writes_it_is_missing(tmp_path, column):
    rows = frame(30)
    rows.loc[7, column] = None
    rows.to_csv(tmp_path / "rows.csv", index=False, na_rep="NA")
    with pytest.raises(ValueError, match=f"1 in column '{column}'"):
        group_statistics(tmp_path / "rows.csv", LINE)
    found = group_statistics(tmp_path / "rows.csv", LINE, missing="drop")
    same(found, group_statistics(rows.drop(index=7), LINE))


def test_a_label_na_stands_in_quotes(tmp_path):
    (tmp_path / "rows.csv").write_text('"y","g"\n1.5,"NA"\n2.5,"NZ"\n')
    assert group_statistics(tmp_path / "rows.csv", COUNT).labels == ("NA", "NZ")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_understood(tmp_path, separator):
    frame().to_csv(tmp_path / "rows.csv", index=False, sep=separator)
    same(group_statistics(tmp_path / "rows.csv", LINE), group_statistics(frame(), LINE))


@pytest.mark.parametrize("column", ["y", "x"])
def test_decimal_commas_are_refused_with_the_way_out(tmp_path, column):
    rows = frame()
    rows[column] = rows[column].map("{:.3f}".format).str.replace(".", ",")
    rows.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    with pytest.raises(ValueError, match=rf"column '{column}' .*(decimal point|to numbers first)"):
        group_statistics(tmp_path / "rows.csv", LINE)


@pytest.mark.parametrize("engine", ["arrays", "pandas", "polars", "csv", "dask"])
def test_a_word_among_numbers_makes_no_factor(tmp_path, engine):
    rows = frame()
    rows["x"] = rows["x"].astype(str)
    rows.loc[5, "x"] = "seven"
    with pytest.raises(ValueError, match="column 'x' holds numbers and the text 'seven'"):
        gathered(rows, engine, tmp_path, LINE)


def test_numbers_as_text_and_few_beside_words_are_levels(tmp_path):
    rows = frame().assign(f=lambda r: np.array(["1", "2", "3", "4+"])[r.index % 4])
    assert gathered(rows, "csv", tmp_path, "y ~ f + (1 | g)").levels["f"] == ("1", "2", "3", "4+")


@pytest.mark.parametrize("text", ["y,x,g\n1.0,2.0\n", "y,x,g\n1.0,2.0,a\n1.0,b\n", "\0\1\2", ""])
def test_a_spoilt_csv_file_among_good_ones_is_named(tmp_path, text):
    with pytest.raises(ValueError, match=r"day1\.csv"):
        group_statistics(csv_files(tmp_path, text), LINE)


def test_files_of_other_kinds_are_not_read_as_rows(tmp_path):
    frame().to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "notes.txt").write_text("y,x,g\n1,1,a\n")
    same(group_statistics(tmp_path, LINE), group_statistics(frame(), LINE))
    with pytest.raises(ValueError, match="all Parquet or all CSV"):
        group_statistics(str(tmp_path / "*"), LINE)
