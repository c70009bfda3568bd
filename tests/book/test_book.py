"""The book as it is committed."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from bookbuild import contracts, proof
from bookbuild.chapters import chapters, code_cells, read_json, read_notebook, source

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_sources_have_no_faults():
    assert proof.of_sources() == []


def test_every_figure_has_a_contract_and_every_contract_a_figure():
    for chapter in chapters():
        cells = code_cells(chapter, read_notebook(source(chapter)))
        named = {contracts.shown(cell, "figure", "name") for _, cell in cells} - {""}
        path = contracts.contract(chapter)
        assert named == set(read_json(path)["figures"] if path.is_file() else {}), (
            f"{chapter}: `make accept`"
        )


def test_jupyterlab_shows_captions_and_numbers_as_the_site_does():
    numbered = re.findall(r"file: book/(\d\d_\w+)", Path("_toc.yml").read_text(encoding="utf-8"))
    for chapter in chapters():
        raw = read_json(source(chapter))["cells"]
        figures = [
            after for cell, after in pairwise([*raw, {}]) if contracts.shown(cell, "figure", "name")
        ]
        for number, caption in enumerate(figures, 1):
            words = f" {numbered.index(chapter) + 1}.{number}" if chapter in numbered else ""
            assert caption.get("metadata", {}).get("tags") == ["caption"], (chapter, number)
            begins = "".join(caption["source"]).partition("** ")[0]
            assert begins == f"**Figure{words}.", f"{chapter}: {caption['source']}"


def test_jupyterlab_folds_what_the_site_folds():
    for chapter in chapters():
        for place, cell in code_cells(chapter, read_notebook(source(chapter))):
            tags, lab = cell["metadata"].get("tags", []), cell["metadata"].get("jupyter", {})
            folded = not {"claims", "hide-input", "remove-input", "hide-cell"}.isdisjoint(tags)
            assert lab.get("source_hidden", False) == folded, place
            assert lab.get("outputs_hidden", False) == ("hide-cell" in tags), place


def test_chapters_and_helpers_do_not_know_the_press():
    readable = [*(source(chapter) for chapter in chapters()), *(ROOT / "lmm_helpers").rglob("*.py")]
    for path in readable:
        assert not re.search(r"(?:import|from) bookbuild", path.read_text(encoding="utf-8")), path
