"""A chapter is stale exactly when the content of what it depends on has changed."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from bookbuild import freshness
from bookbuild.chapters import (
    chapters,
    known,
    pages,
    read_json,
    read_notebook,
    record,
    source,
    write,
    write_json,
)

pytestmark = pytest.mark.xdist_group("freshness")  # one book for all of them
CODE = """
import lmm_helpers, pathlib
from lmm_helpers import rooms
[*pathlib.Path('days').glob('*.csv')]
pathlib.Path('notes.txt').read_text(), open('../data/visits.csv').read()
said = f"{1}."  # a full stop is no file
"""


@pytest.fixture(scope="module")
def executed_once(tmp_path_factory, book_in):
    """A book whose chapters were really executed: one imports and reads, two does neither."""
    book = book_in(tmp_path_factory.mktemp("read"))
    book.toc("one", "two")
    book.write("lmm_helpers/rooms.py", "from lmm_helpers import deep\n")
    book.write("lmm_helpers/deep.py", "WALL = 1\n")
    book.write("lmm_helpers/unused.py", "WALL = 1\n")
    book.write("book/notes.txt", "seven")
    book.write("book/days/monday.csv", "1")
    book.write("book/table.parquet", "columns")
    book.write("data/deep/far.parquet", "columns")
    book.write("data/visits.csv", "1")
    book.write(".python-version", "3.13")
    book.notebook(
        "one",
        CODE,
        "assert len('a') == 1, 'yes'",
        "scan = lambda name: name\nscan('table.p*')\nscan(f'{1}/far.parquet');",
    )
    book.notebook("two", "assert len('a') == 1, 'yes'")
    for name in ("one", "two"):
        status, output = book.run("bookbuild.execute", name)
        assert status == 0, output
    return book


@pytest.fixture
def finished(executed_once, tmp_path, monkeypatch):
    """A copy of that book, at the place where it was executed as far as anybody can see."""
    shutil.copytree(executed_once.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    assert freshness.is_fresh("one")
    assert freshness.is_fresh("two")
    return lambda path, content: write(tmp_path / "copy" / path, content)


def test_a_new_date_is_no_change(finished):
    for path in Path().rglob("*"):
        os.utime(path, (1, 1))
    assert freshness.is_fresh("one")


def test_what_a_chapter_read_is_noted(finished):
    reads = freshness.noted("one")["reads"]
    own = {"lmm_helpers/__init__.py", "lmm_helpers/rooms.py", "lmm_helpers/deep.py"}
    assert own | {"book/notes.txt", "book/table.parquet", "data/visits.csv"} <= reads.keys()
    assert "lmm_helpers/unused.py" not in reads
    installed = Path(sys.prefix)
    assert any(Path(path).is_relative_to(installed) and "ipykernel" in path for path in reads)


@pytest.mark.parametrize(
    "path",
    [
        "lmm_helpers/__init__.py",
        "lmm_helpers/rooms.py",
        "lmm_helpers/deep.py",
        "book/notes.txt",
        "book/table.parquet",
        "data/deep/far.parquet",
        "data/visits.csv",
    ],
)
def test_only_the_chapter_that_read_a_file_is_stale_when_it_changes(finished, path):
    finished(path, "WALL = 2\n")
    assert not freshness.is_fresh("one")
    assert freshness.is_fresh("two")
    Path(path).unlink()
    assert not freshness.is_fresh("one")


def test_a_file_that_joins_those_a_chapter_listed_makes_it_stale(finished):
    finished("book/days/.hidden", "")
    assert freshness.is_fresh("one")
    finished("book/days/tuesday.csv", "2")
    assert not freshness.is_fresh("one")
    assert freshness.is_fresh("two")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("requirements.txt", "numpy==2.5.6\n"),
        (".python-version", "3.14"),
        ("_build/executed/one.ipynb", '{"half": '),
        ("_build/executed/one.json", '{"key": '),
        ("_build/executed/one.json", "{}"),
    ],
)
def test_changed_content_makes_a_chapter_stale(finished, path, content):
    finished(path, content)
    assert not freshness.is_fresh("one")


@pytest.mark.parametrize("field", ["claims", "seeds", "key", "reads", "digest"])
def test_a_record_edited_or_without_a_field_vouches_for_nothing(finished, field):
    content = read_json(record("one"))
    write_json(record("one"), {**content, field: 99})
    assert not freshness.is_fresh("one")
    del content[field]
    write_json(record("one"), content)
    assert not freshness.is_fresh("one")
    assert freshness.noted("one") == {}


def test_an_installed_library_edited_by_hand_makes_its_readers_stale(finished, tmp_path):
    library = tmp_path / "library.py"
    library.write_text("WALL = 1\n")
    content = freshness.noted("one")
    content["reads"][str(library)] = freshness.sha256(library)
    write_json(record("one"), freshness.sealed(content))
    assert freshness.is_fresh("one")
    library.write_text("WALL = 2\n")
    assert not freshness.is_fresh("one")


@pytest.mark.parametrize("module", ["execute.py", "kernel_registry.py", "kernel_startup.py"])
def test_the_modules_of_the_press_that_execute_belong_to_the_key(finished, monkeypatch, module):
    plain = freshness.sha256
    monkeypatch.setattr(freshness, "sha256", lambda p: "new" if p.name == module else plain(p))
    assert not freshness.is_fresh("two")


def test_what_changes_while_a_chapter_runs_is_noted(book):
    book.notebook("one", "open('made.csv', 'w').write('1')", "assert len('a') == 1, 'yes'")
    status, output = book.run("bookbuild.execute", "one")
    assert status == 0, output
    assert freshness.noted("one")["changed"] == ["book/made.csv"]


def test_judging_a_thousand_files_takes_less_than_a_second(finished):
    many = {f"lmm_helpers/{n}.py": "" for n in range(3000)}
    for path in many:
        finished(path, "WALL = 1\n")
    content = freshness.noted("one")
    reads = {path: freshness.sha256(Path(path)) for path in many}
    write_json(record("one"), freshness.sealed({**content, "reads": reads}))
    started = time.perf_counter()
    assert freshness.is_fresh("one")
    assert time.perf_counter() - started < 1


def test_one_word_of_prose_makes_a_chapter_stale(finished):
    text = source("one").read_text(encoding="utf-8")
    finished(source("one"), text.replace("yes", "Yes"))
    assert not freshness.is_fresh("one")


def test_parameters_make_another_result(finished):
    assert not freshness.is_fresh("one", {"SEED": 2})


def test_a_result_without_record_is_none(finished):
    record("one").unlink()
    assert not freshness.is_fresh("one")


def test_byte_code_does_not_count(finished):
    finished("lmm_helpers/__pycache__/x.pyc", "x")
    assert freshness.is_fresh("one")


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


@pytest.mark.parametrize(
    "toc",
    [
        "format: [",
        "- a list",
        "",
        "format: jb-book\nroot: book/index\nchapters: 3\n",
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/one\n- file: book/one\n",
    ],
)
def test_a_broken_toc_is_told_in_a_sentence(book, toc):
    book.write("_toc.yml", toc)
    with pytest.raises(SystemExit, match=r"^_toc\.yml cannot be read: "):
        pages()


@pytest.mark.parametrize("content", ["{}", '{"cells": []}', '{"cells": [{}]}', '{"cells": 3}'])
def test_an_empty_notebook_is_told_in_a_sentence(book, content):
    book.write("book/one.ipynb", content)
    with pytest.raises(SystemExit, match=r"^book/one\.ipynb holds no cells"):
        read_notebook(source("one"))
