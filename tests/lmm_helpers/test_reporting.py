"""Tables for papers: whatever the names hold, each markup reads it as text."""

from html.parser import HTMLParser

import pandas as pd
import pytest

from lmm_helpers import table_markup

HOSTILE = pd.DataFrame(
    {"mean | x": [13.1, 2.0], "89% int_": ["1 to 2", "<b>a</b> & $x$"]},
    index=pd.Index(["1|county_sigma", "O'Neill \\ #1 *"], name="a|b"),
)


class Cells(HTMLParser):
    """Collects the text of each cell, as a browser would show it."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        assert tag in {"table", "thead", "tbody", "tr", "th", "td"}, (
            f"an element <{tag}> slipped in"
        )
        self.inside = tag in {"th", "td"}
        if self.inside:
            self.texts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data


def test_html_reads_back_as_it_was():
    cells = Cells(table_markup(HOSTILE.rename_axis(None), markup="html")).texts
    rows = [str(value) for row in HOSTILE.itertuples() for value in row]
    assert cells == ["", *HOSTILE.columns, *rows]


def test_markdown_has_as_many_columns_in_every_row():
    lines = table_markup(HOSTILE, markup="markdown").splitlines()
    unescaped = [line.replace("\\\\", "").replace("\\|", "") for line in lines]
    assert [line.count("|") for line in unescaped] == [4, 4, 4, 4]
    assert r"1\|county\_sigma" in lines[2]
    assert r"\<b\>a\</b\>" in lines[3]


def test_latex_has_as_many_columns_in_every_row_and_no_bare_special_sign():
    text = table_markup(HOSTILE.rename_axis(None), markup="latex")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [line.replace(r"\&", "").count("&") for line in rows] == [2, 2, 2]
    for escaped in [r"89\% int\_", r"county\_sigma", r"\$x\$", r"\#1", r"\textbackslash"]:
        assert escaped in text
    assert r"\begin{tabular}{lrl}" in text


def test_text_is_written_as_it_is():
    table = pd.DataFrame({"Mean": ["201.20", "-2.00"]}, index=["a", "b"])
    for markup in ["html", "latex", "markdown"]:
        assert "201.20" in table_markup(table, markup=markup)
        assert "-2.00" in table_markup(table, markup=markup)


def test_an_unknown_markup_is_refused():
    with pytest.raises(ValueError, match="'rst'"):
        table_markup(HOSTILE, markup="rst")


BROKEN = pd.DataFrame({"a|b\nc": ["one\r\ntwo", "x|y"]}, index=["1|county\n", "z"])


def test_a_line_break_does_not_end_a_row():
    assert table_markup(BROKEN, markup="markdown").count("\n") == 3
    assert "one two" in table_markup(BROKEN, markup="markdown")
    assert len([r for r in table_markup(BROKEN, markup="latex").splitlines() if "&" in r]) == 3


def test_latex_has_no_bare_bar():
    latex = table_markup(BROKEN.rename_axis("p|q"), markup="latex")
    assert "|" not in latex
    assert r"1\textbar{}county" in latex
