"""The whole line on a small book: doit from the sources to a checked site."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bookbuild import render
from bookbuild.chapters import executed, record

ROOT = Path(__file__).parents[2]
CONFIG = """
title: Sample
only_build_toc_files: true
execute: {execute_notebooks: "off"}
bibtex_bibfiles: [book/references.bib]
html: {use_multitoc_numbering: false}
sphinx:
  extra_extensions: [bookbuild.sphinx_tabs, sphinxcontrib.bibtex]
  config: {bibtex_cite_id: "cite-{key}"}
"""
CLAIM = "assert len('a') == 1, 'yes'"
CLAIMS = "for k in [1, 2]:\n    assert k > 0, f'`{k}` is *more* than a|b $x$ <b> [c](d)'"
PLOT = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2]);"
TABS = [
    ("markdown", "<!-- tab -->\n**In Python**\n\nSome prose.", {}),
    "print('first ' + 'tab')",
    ("markdown", "<!-- tab -->\n\n**In R**\n\n```r\nlm(y ~ x)\n```", {}),
    "print('second ' + 'tab')",
    ("markdown", "<!-- end tabs -->\nAfter the tabs.", {}),
]


@pytest.fixture
def line(book, figure_metadata):
    """A book of two chapters and an appendix, with the real pipeline."""
    shutil.copy(ROOT / "dodo.py", book.folder)
    book.write("_config.yml", CONFIG)
    book.toc("one", "two", "appendix/built", "appendix/references")
    claim = "assert len('a') == 1, 'yes'"
    cite = "As [Doe (2020)](https://doi.org/10.1/doe) says, see {numref}`fig-line`."
    book.notebook(
        "one",
        ("markdown", f"# One\n\n{cite}", {}),
        "import lmm_helpers",
        ("code", PLOT, figure_metadata()),
        *TABS,
        ("markdown", "## A *second* section\n\n```r\n# no heading\n```", {}),
        ("code", CLAIMS, {"tags": ["claims"], "jupyter": {"source_hidden": True}}),
        claim,
    )
    book.notebook("two", ("markdown", "# Two", {}), claim)
    cite = "[Doe (2020)](https://doi.org/10.1/doe)"
    book.write("book/appendix/built.md", f"# Built\n\n{cite}\n\n<!-- build record -->\n")
    book.write("book/appendix/references.md", "# References\n\n```{bibliography}\n:all:\n```\n")
    book.write(
        "book/references.bib",
        "@book{doe2020, author={Doe, A}, title={B}, publisher={C}, year={2020}, doi={10.1/doe}}\n",
    )
    return book


def page(book, name):
    return (book.folder / f"_build/html/book/{name}.html").read_text(encoding="utf-8")


def test_the_whole_line(line):
    status, output = line.run("doit", "-n", "2")
    assert status == 1, output
    assert "STOPPED at proof" in output
    assert "one, fig-line: new figure without a contract" in output
    assert "Traceback" not in output

    status, output = line.run("doit", "accept")
    assert status == 1, "nobody is there to agree"
    assert "accept.html" in output
    assert "nothing accepted" in output
    line.environment["YES"] = "1"
    assert line.run("doit", "accept")[0] == 0
    status, output = line.run("doit", "-n", "2")
    assert status == 0, output
    assert "cells" not in output, "nothing is executed again"
    assert output.strip().endswith("_build/html/index.html")
    _look_at_the_pages(line)

    stamps = [executed(name).stat().st_mtime_ns for name in ("one", "two")]
    site = (line.folder / "_build/html/index.html").stat().st_mtime_ns
    (line.folder / "_build/doit.sqlite3").write_bytes(b"damaged by a kill")
    assert line.run("doit", "-n", "2")[0] == 0
    assert stamps == [executed(name).stat().st_mtime_ns for name in ("one", "two")]
    assert site == (line.folder / "_build/html/index.html").stat().st_mtime_ns

    line.write("lmm_helpers/__init__.py", "ANSWER = 43\n")
    line.write("book/index.md", "# A book\n\n[A broken link](gone.md)\n")
    status, output = line.run("doit", "-n", "2")
    assert status == 1
    assert "one: executed" in output
    assert "two" not in output, "a chapter without helpers is left alone"
    assert "book/index.md:3: WARNING" in output
    assert "gone.md" in output
    assert "A broken link" not in page(line, "index"), "the good site stays"


def test_what_is_published_is_what_was_made(line):
    line.toc("two", "appendix/references")
    line.write("book/index.md", "# A book\n\n[Doe (2020)](https://doi.org/10.1/doe)\n")
    for name in ("book/one.ipynb", "book/appendix/built.md"):
        (line.folder / name).unlink()
    status, output = line.run("doit")
    assert status == 0, output
    site = line.folder / "_build/html"
    manifest, index = site / ".manifest.json", site / "book/index.html"
    whole = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    copy = shutil.copytree(site, line.folder / "copy")

    def edited():
        index.write_text(index.read_text().replace("A book", "My book"))

    def deleted():
        index.unlink()
        next(iter(site.glob("_static/*.css"))).unlink()

    def added():
        (site / "book/more.html").write_text("more")

    def unlisted():
        manifest.write_text("{")

    for damage in (edited, deleted, added, unlisted):
        damage()
        assert not render.is_fresh(), damage
        shutil.rmtree(site)
        shutil.copytree(copy, site)
        assert render.is_fresh()
    for damage in (edited, deleted, added, unlisted):
        damage()
    noted = record("two").read_text(encoding="utf-8")
    record("two").write_text(noted.replace('"cells": 1', '"cells": 9'), encoding="utf-8")
    status, output = line.run("doit")
    assert status == 0, output
    assert "two: executed" in output
    assert json.loads(record("two").read_text(encoding="utf-8"))["cells"] == 1
    made = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert made.keys() == whole.keys()
    assert made[index] == whole[index]

    line.write("book/index.md", "# A book\n\n[Doe (2020)](https://doi.org/10.1/doe)\n\n{ref}`x\n")
    status, output = line.run("doit")
    assert status == 1
    assert "the site has faults, what was published before stays" in output
    assert "book/index.html, line" in output
    assert index.read_bytes() == whole[index]


def test_a_second_execution_is_compared(line):
    chance = "import os\nprint(os.getppid())"
    sets = "print(list({'kent', 'essex', 'surrey', 'norfolk', 'cumbria', 'devon'}))"
    timing = ("code", "import os\nprint(os.getpid())", {"tags": ["timing"]})
    cite = "[D](https://doi.org/10.1/doe)"
    line.notebook("one", ("markdown", f"# One\n\n{cite}", {}), "print(1)", timing, CLAIM)
    line.notebook("two", ("markdown", "# Two", {}), chance, sets, CLAIM)
    status, output = line.run("doit", "twice")
    assert status == 1
    assert "two, cell 2 (c2): two executions differ" in output
    assert "two, cell 3 (c3): two executions differ" in output
    assert "one, cell" not in output


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("_toc.yml", "format: [", "_toc.yml cannot be read"),
        ("_toc.yml", "format: jb-book\nroot: book/gone\n", "does not hold: book/gone"),
        ("book/_numbers.yml", "- 8", "book/_numbers.yml must hold pages"),
        ("book/one.ipynb", "", "book/one.ipynb is not valid JSON"),
        ("book/one.ipynb", "{}", "book/one.ipynb holds no cells"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(line, path, content, message):
    line.write(path, content)
    line.environment["PYTHONWARNINGS"] = "error"
    (line.folder / "_build/doit.sqlite3").mkdir()
    status, output = line.run("doit")
    assert status != 0
    assert message in output
    assert "Traceback" not in output


@pytest.mark.parametrize("victim", ["make", "doit"])
def test_after_a_kill_nothing_lives(line, victim):
    line.notebook("two", "import time\ntime.sleep(600)", CLAIM)
    line.write("Makefile", f".PHONY: book\nbook:\n\t{sys.executable} -m doit\n")
    make = subprocess.Popen(
        ["make", "book"], cwd=line.folder, env=line.environment, stdout=subprocess.PIPE, text=True
    )
    while "two 0/2" not in make.stdout.readline():
        assert make.poll() is None
    ours = psutil.Process(make.pid).children(recursive=True)
    assert len(ours) >= 3, ours  # doit, the executor, its kernel
    (make if victim == "make" else ours[0]).kill()
    make.wait(10)
    _, alive = psutil.wait_procs(ours, timeout=10)
    assert alive == []
    make.stdout.close()


def _look_at_the_pages(book):
    one, built = page(book, "one"), page(book, "appendix/built")
    assert len(re.findall('class="sd-tab-label"', one)) == 2
    tabs = one[one.index('<div class="sd-tab-set') : one.index("After the tabs")]
    first, second = tabs.split("In R")
    assert "In Python" in first
    assert "Some prose." in first
    assert "first tab" in first
    assert "second tab" in second
    assert "After the tabs" not in tabs
    assert 'href="appendix/references.html#cite-doe2020"' in one.replace("'", '"')
    assert 'href="references.html#cite-doe2020"' in built.replace("'", '"')
    assert 'id="cite-doe2020"' in page(book, "appendix/references")
    assert "Peak memory" in built
    assert json.loads(record("one").read_text(encoding="utf-8"))["versions"]["papermill"] in built
    assert "assert k" not in one
    assert "3 claims of this chapter</span></a> were checked when this page was made." in one
    assert 'href="appendix/claims.html#claims-one"' in one
    assert re.search(r"</h1>\s*<p><em>About 2 minutes\.</em></p>", one)
    assert "1 claim of this chapter</span></a> was checked" in page(book, "two")
    claims = page(book, "appendix/claims")
    assert "<p>`2` is *more* than a|b $x$ &lt;b&gt; [c](d)</p>" in claims
    section = claims[claims.index("claims-one-1") : claims.index("`1` is")]
    assert "A second section" in section
    assert '../one.html#claims-one-1"' in claims
    assert 'id="claims-one-1"' in one
    assert "appendix/claims.html" in page(book, "index"), "it is in the navigation"
    row = re.sub(r"<[^>]+>", " ", built[built.index("<p>one</p>") :]).split()
    assert row[:5] == ["one", "6", "3", "1", "0"], "cells, claims, figures and fits are counted"
    image = re.search(r"<img [^>]*_images/[^>]*>", one).group()
    assert "One straight line" in image
    assert "height" not in image


def test_faults_of_sources_stop_the_press_before_anything_runs(line):
    line.notebook("two", "assert True")
    status, output = line.run("doit", "-n", "2")
    assert status == 1
    assert "STOPPED at source:\n  - two, cell 1 (c1): `assert True` has no message" in output
    assert "cells" not in output


def test_a_failing_chapter_stops_the_press_and_the_other_is_kept(line):
    line.notebook("two", "1 / 0", "assert len('a') == 1, 'yes'")
    status, output = line.run("doit", "-n", "2")
    assert status == 1
    assert "FAILED: chapter two, cell 1 (c1)" in output
    assert "STOPPED at execute:two" in output
    assert record("one").exists()
    assert not record("two").exists()


def test_one_chapter_can_be_made_alone(line):
    status, output = line.run("doit", "chapter", "--name", "two")
    assert status == 0, output
    assert record("two").exists()
    assert not record("one").exists()
    status, output = line.run("doit", "chapter", "--name", "three")
    assert status != 0
    assert "there is no chapter 'three'; the chapters are: one, two" in output
    assert "Traceback" not in output


def test_ctrl_c_stops_at_once_without_a_traceback(line):
    line.notebook("two", "import time\ntime.sleep(60)", "assert len('a') == 1, 'yes'")
    process = line.start("doit", "-n", "2")
    while "two 0/2" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Finished chapters are kept" in output
    assert "Traceback" not in output


def test_wrong_tabs_are_warnings_that_name_their_place(book):
    pages = {
        "nolabel": "# A\n\n<!-- tab -->\nplain\n\n<!-- end tabs -->\n",
        "unclosed": "# A\n\n<!-- tab -->\n**B**\n\ntext\n",
        "heading": "# A\n\n<!-- tab -->\n**B**\n\n## C\n\ntext\n\n<!-- end tabs -->\n",
        "stray": "# A\n\n<!-- end tabs -->\n",
    }
    for name, content in pages.items():
        book.write(f"tabs/{name}.md", content)
    book.write("tabs/index.md", "# I\n\n```{toctree}\n" + "\n".join(pages) + "\n```\n")
    book.write("tabs/conf.py", "extensions = ['myst_parser', 'bookbuild.sphinx_tabs']\n")
    _, output = book.run("sphinx", "-q", "tabs", "out")
    for name, message in {
        "nolabel.md:3": "needs a label",
        "unclosed.md:3": "not closed",
        "stray.md:3": "without a <!-- tab -->",
        "heading.md": "not closed",
    }.items():
        assert re.search(f"{name}.*WARNING:.*{message}", output), output
