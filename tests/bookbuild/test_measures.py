"""The measures of a chapter: each limit has a chapter on either side of it."""

import pytest

from bookbuild import freshness, measures, proof
from bookbuild.chapters import (
    executed,
    read_json,
    record,
    source,
    write_json,
)

CLAIM = ("code", "assert len('a') == 1, 'one'", {"tags": ["hide-input"]})
FIGURE = {"output_type": "display_data", "data": {"image/png": "aGk="}, "metadata": {}}
SENTENCE = {"output_type": "execute_result", "metadata": {}, "data": {"text/markdown": "a b c"}}


@pytest.fixture
def measured(book):
    """The measures that a chapter of these cells exceeds, once executed with these outputs."""

    def faults(*cells, outputs=(), peak=100):
        book.notebook("one", ("markdown", "# One", {}), CLAIM, *cells)
        notebook = read_json(source("one"))
        notebook["cells"][1]["outputs"] = [*outputs]
        write_json(executed("one"), notebook)
        write_json(record("one"), freshness.sealed({"cost": {"peak_memory_mb": peak}}))
        return [*measures.faults("one")]

    return faults


def test_words_count_as_the_reader_meets_them(measured, figure_metadata):
    def prose(number):
        return ("markdown", "word " * number, {})

    title = 2  # of it, the mark and the name
    assert measured(prose(2200 - 1)) == []
    (fault,) = measured(prose(2200))
    assert fault == (
        "one: 2201 words, the most is 2200: cut, or move a section to the appendix (captions and "
        "computed sentences count)"
    )
    assert measured(prose(2199 - 3), outputs=[SENTENCE]) == []
    assert "2201 words" in measured(prose(2199 - 2), outputs=[SENTENCE])[0]
    captioned = ("code", "x", figure_metadata(caption="As seen."))
    assert measured(prose(2199 - title), captioned) == []
    assert measured(prose(2199 - title + 1), captioned) != []
    fence = ("markdown", f"```r\n{'lm ' * 3000}\n```", {})
    assert measured(fence) == [], "code is no prose"
    assert measured(("markdown", f":::{{note}}\n{'word ' * 2200}\n:::", {})) != []


def test_lines_of_code_count_where_they_are_seen(measured):
    def code(number, *tags):
        return ("code", "x = 1\n\n" * number, {"tags": [*tags]})

    assert measured(code(200)) == []
    assert "201 lines of visible code" in measured(code(201))[0]
    assert "201 lines of visible code" in measured(code(201, "hide-output"))[0]
    assert measured(code(100), code(149, "hide-cell")) == [], "one more is a claim"
    (fault,) = measured(code(100), code(150, "hide-cell"))
    assert fault.startswith("one: 151 lines of hidden code, the most is 150: show more of it")
    assert measured(code(1), code(59, "remove-input")) == []
    assert measured(code(1), code(60, "remove-input")) != []


def test_figures_and_memory_have_a_limit(measured):
    assert measured(outputs=[FIGURE] * 9) == []
    assert measured(outputs=[FIGURE] * 10) == ["one: 10 figures, the most is 9: leave one out"]
    assert measured(peak=1200) == []
    assert measured(peak=1201) == [
        "one: 1201 MB of memory, the most is 1200: keep fewer draws at a time"
    ]


def test_a_page_may_be_granted_more(measured, book):
    book.write("book/_measures.yml", "one:\n  words: 3001\n")
    assert measured(("markdown", "word " * 3000, {})) == []
    assert measures.timed("one", "# One") == "# One", "what is looked up takes no time"
    assert measured(("markdown", "word " * 3001, {})) != []
    book.write("book/_measures.yml", "gone:\n  words: 3001\n")
    assert any("'gone' is no page of _toc.yml" in fault for fault in proof.of_sources())


@pytest.mark.parametrize(
    "content", ["one: 3", "- one", "one: {", "one: {words: many}", "one: {w: 1}"]
)
def test_broken_grants_are_told_in_a_sentence(book, content):
    book.write("book/_measures.yml", content)
    with pytest.raises(SystemExit, match=r"^book/_measures\.yml must hold pages"):
        measures.allowed()


@pytest.mark.parametrize(("width", "faults"), [(79, 0), (80, 1)])
def test_visible_lines_fit_a_page(book, width, faults):
    line = "x = '" + "a" * (width - 6) + "'"
    book.notebook("one", CLAIM, ("code", line, {"tags": ["hide-input"]}), line)
    found = proof.of_source("one")
    assert len(found) == faults
    assert all(fault.startswith("one, cell 3 (c3): 80 columns in `x = 'aa") for fault in found)


@pytest.mark.parametrize(
    ("hidden", "visible", "name"),
    [
        ("n = 3", "n + 1", "n"),
        ("def draw(): pass", "draw()", "draw"),
        ("for county in x: pass", "print(county)", "county"),
        ("d['age'] = 3", "d['age'].mean()", "d['age']"),
        ("d.attrs = 3", "d.attrs", "d.attrs"),
        ("if (m := 3): pass", "[m for _ in x]", "m"),
        ("n = 3", "n = 4\nn + 1", None),
        ("import numpy as np", "np.sum([1])", None),
        ("n = 3", "[n for n in [1]]", None),
        ("n = 3", "def f(n): return n", None),
    ],
)
def test_the_visible_cells_run_alone(book, hidden, visible, name):
    book.notebook("one", CLAIM, ("code", hidden, {"tags": ["hide-input"]}), visible)
    found = [fault for fault in proof.of_source("one") if "hidden cell" in fault]
    assert found == (
        [
            f"one, cell 3 (c3): uses {name}, which only the hidden cell c2 makes: make it in a "
            "visible cell, or hide this one too"
        ]
        if name
        else []
    )
    book.notebook("one", CLAIM, hidden, ("code", visible, {"tags": ["hide-input"]}), visible)
    assert not any("hidden cell" in fault for fault in proof.of_source("one"))


@pytest.mark.parametrize(
    ("words", "lines", "figures", "said"),
    [(178, 0, 0, "1 minute"), (180, 0, 0, "2 minutes"), (178, 24, 4, "6 minutes")],
)
def test_minutes_are_computed_and_shown(measured, words, lines, figures, said):
    prose, code = ("markdown", "word " * words, {}), ("code", "x\n" * lines, {})
    assert measured(prose, code, outputs=[FIGURE] * figures) == []
    assert measures.timed("one", "# One\n\n# Two") == f"# One\n\n*About {said}.*\n\n# Two"
    row = "| [One](one.ipynb) | Why? |"
    assert measures.timed("index", row) == f"| [One](one.ipynb) | Why? (about {said}) |"
    other = "| [Words](words.md) | Why? |\n| [Gone](gone.ipynb) | Why? |\n[One](one.ipynb)"
    assert measures.timed("index", other) == other
