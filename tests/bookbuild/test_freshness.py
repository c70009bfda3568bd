"""A chapter is stale exactly when the content of what it depends on has changed."""

import json
import os

import pytest

from bookbuild import freshness
from bookbuild.chapters import chapters, executed, known, pages, record, write, write_json


@pytest.fixture
def finished(book):
    """The sample book with a result for its chapter, as the executor leaves it."""
    book.notebook("one", "import lmm_helpers", "assert True, 'yes'")
    write(executed("one"), "{}")
    noted = {"key": freshness.key("one"), "notebook_sha256": freshness.sha256(executed("one"))}
    write_json(record("one"), noted)
    assert freshness.is_fresh("one")
    return book


def test_a_new_date_is_no_change(finished):
    for path in finished.folder.rglob("*"):
        os.utime(path, (1, 1))
    assert freshness.is_fresh("one")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("lmm_helpers/__init__.py", "ANSWER = 43\n"),
        ("lmm_helpers/data/visits.csv", "new"),
        ("benchmarks/results/speed.csv", "new"),
        ("requirements.txt", "numpy==2.5.6\n"),
        ("_build/executed/one.ipynb", '{"half": '),
        ("_build/executed/one.json", '{"key": '),
        ("_build/executed/one.json", "{}"),
    ],
)
def test_changed_content_makes_a_chapter_stale(finished, path, content):
    finished.write(path, content)
    assert not freshness.is_fresh("one")


def test_one_word_of_prose_makes_a_chapter_stale(finished):
    finished.notebook("one", "import lmm_helpers", "assert True, 'Yes'")
    assert not freshness.is_fresh("one")


def test_parameters_make_another_result(finished):
    assert not freshness.is_fresh("one", {"SEED": 2})


def test_a_result_without_record_is_none(finished):
    record("one").unlink()
    assert not freshness.is_fresh("one")


def test_byte_code_does_not_count(finished):
    finished.write("lmm_helpers/__pycache__/x.pyc", "x")
    assert freshness.is_fresh("one")


@pytest.mark.parametrize(
    "code",
    [
        "import lmm_helpers.data as d",
        "from lmm_helpers.data import x",
        "if 1:\n import lmm_helpers",
    ],
)
def test_every_way_to_import_the_helpers_counts(book, code):
    book.notebook("one", code)
    before = freshness.key("one")
    book.write("lmm_helpers/__init__.py", "ANSWER = 43\n")
    assert freshness.key("one") != before


def test_helpers_do_not_matter_to_a_chapter_that_does_not_import_them(book):
    before = freshness.key("one")
    book.write("lmm_helpers/__init__.py", "ANSWER = 43\n")
    assert freshness.key("one") == before


def test_a_write_leaves_no_half_file(book):
    path = book.folder / "out.json"
    write_json(path, {"b": 1, "a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é", "b": 1}
    assert [p.name for p in book.folder.glob("*out.json*")] == ["out.json"]


def test_the_toc_is_read_in_order(book):
    book.notebook("appendix/two", "pass")
    book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  chapters:\n"
        "  - file: book/one\n    sections:\n    - file: book/appendix/two\n",
    )
    assert pages() == ["index", "one", "appendix/two"]
    assert chapters() == ["one", "appendix/two"]


def test_an_unknown_chapter_is_answered_with_the_known_ones(book):
    assert known("book/one.ipynb") == "one"
    with pytest.raises(SystemExit, match=r"'two'.*chapters are: one"):
        known("two")


def test_a_page_without_source_is_named(book):
    book.toc("one", "gone")
    with pytest.raises(SystemExit, match="gone"):
        pages()
