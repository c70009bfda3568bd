"""What the book consists of: the pages of `_toc.yml`, which of them are notebooks, and their cells.

A chapter is named by its path below `book/` without the suffix: "01_eda", "appendix/rosetta".
"""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

BOOK = Path("book")
BUILD = Path("_build")
NUMBERED = re.compile(r"\*\*Figure[ \d.]*\*\* ")  # how a caption begins, where it is read in a cell

Notebook = dict[str, Any]
Cell = dict[str, Any]


class Place(NamedTuple):
    """A cell of a chapter, as messages name it."""

    chapter: str
    number: int
    cell_id: str

    def __str__(self) -> str:
        return f"{self.chapter}, cell {self.number} ({self.cell_id})"


def pages() -> list[str]:
    """Names of all pages in reading order, as `_toc.yml` gives them."""
    try:
        entries = [*parse_toc_yaml("_toc.yml")]
    except (MalformedError, yaml.YAMLError) as error:
        raise SystemExit(f"_toc.yml cannot be read: {error}") from None
    names = [entry.removeprefix(f"{BOOK}/") for entry in entries]
    missing = [entry for entry, name in zip(entries, names, strict=True) if not sources(name)]
    if missing:
        raise SystemExit(f"_toc.yml names pages that book/ does not hold: {', '.join(missing)}")
    return names


def sources(name: str) -> list[Path]:
    """The files that could hold a page; one of them does."""
    paths = (BOOK / f"{name}{suffix}" for suffix in (".ipynb", ".md"))
    return [path for path in paths if path.is_file()]


def page_source(name: str) -> Path:
    """The file that holds a page."""
    return sources(name)[0]


def chapters() -> list[str]:
    """Names of the pages that are notebooks."""
    return [name for name in pages() if source(name).is_file()]


def known(name: str) -> str:
    """The chapter's own name, or an error that lists the chapters there are."""
    name = name.removeprefix("book/").removesuffix(".ipynb")
    names = chapters()
    if name not in names:
        raise SystemExit(f"there is no chapter {name!r}; the chapters are: {', '.join(names)}")
    return name


def source(chapter: str) -> Path:
    """The committed notebook of a chapter."""
    return BOOK / f"{chapter}.ipynb"


def executed(chapter: str) -> Path:
    """The executed notebook of a chapter."""
    return BUILD / "executed" / f"{chapter}.ipynb"


def record(chapter: str) -> Path:
    """What was noted when a chapter was executed."""
    return BUILD / "executed" / f"{chapter}.json"


def read_json(path: Path) -> dict[str, Any]:
    """The object a JSON file holds."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise SystemExit(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise SystemExit(f"{path} does not hold a JSON object")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object so that equal contents give equal bytes."""
    write(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write(path: Path, content: str | bytes) -> None:
    """Write a file in one step: a reader, or a kill, finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_notebook(path: Path) -> Notebook:
    """A notebook whose cell sources and texts are strings (nbformat allows lists of lines)."""
    notebook = read_json(path)
    cells = notebook.get("cells")
    if not (isinstance(cells, list) and cells and all("source" in cell for cell in cells)):
        raise SystemExit(f"{path} holds no cells: restore it, or take it from _toc.yml")
    for cell in cells:
        cell["source"] = text(cell["source"])
    return notebook | {"cells": _captioned(cells)}


def _captioned(cells: list[Cell]) -> list[Cell]:
    """The cells, each caption (a cell tagged so, for JupyterLab to show) given to its figure."""
    kept: list[Cell] = []
    for cell in cells:
        if kept and "caption" in cell.get("metadata", {}).get("tags", []):
            shown = kept[-1]["metadata"].setdefault("mystnb", {}).setdefault("figure", {})
            shown["caption"] = NUMBERED.sub("", cell["source"])
        else:
            kept.append(cell)
    return kept


def text(lines: Any) -> str:
    """A string, or the list of lines in which nbformat may store one."""
    return "".join(lines) if isinstance(lines, list) else str(lines)


def placed_cells(chapter: str, notebook: Notebook) -> list[tuple[Place, Cell]]:
    """Each cell with its place, counted from 1; a cell that the press injected is not counted."""
    own = (cell for cell in notebook["cells"] if cell.get("id") != "injected-parameters")
    return [
        (Place(chapter, number, cell.get("id", "no id")), cell)
        for number, cell in enumerate(own, 1)
    ]


def code_cells(chapter: str, notebook: Notebook) -> list[tuple[Place, Cell]]:
    """The code cells with their places."""
    return [
        (place, cell)
        for place, cell in placed_cells(chapter, notebook)
        if cell["cell_type"] == "code"
    ]
