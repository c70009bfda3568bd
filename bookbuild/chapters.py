"""What the book consists of: the pages of `_toc.yml`, which of them are notebooks, and their cells.

A chapter is named by its path below `book/` without the suffix: "01_eda", "appendix/rosetta".
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

BOOK = Path("book")
BUILD = Path("_build")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

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
    toc = yaml.safe_load(Path("_toc.yml").read_text(encoding="utf-8"))
    names = [Path(entry).relative_to(BOOK).as_posix() for entry in _entries(toc)]
    missing = [name for name in names if not _sources(name)]
    if missing:
        raise SystemExit(f"_toc.yml names pages that book/ does not hold: {', '.join(missing)}")
    return names


def _entries(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key in ("root", "file"):
            if key in node:
                yield str(node[key])
        for key in ("parts", "chapters", "sections", "entries", "subtrees"):
            yield from _entries(node.get(key))
    elif isinstance(node, list):
        for item in node:
            yield from _entries(item)


def _sources(name: str) -> list[Path]:
    paths = (BOOK / f"{name}{suffix}" for suffix in (".ipynb", ".md"))
    return [path for path in paths if path.is_file()]


def page_source(name: str) -> Path:
    """The file that holds a page."""
    return _sources(name)[0]


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
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)


def read_notebook(path: Path) -> Notebook:
    """A notebook whose cell sources and texts are strings (nbformat allows lists of lines)."""
    notebook = read_json(path)
    for cell in notebook.get("cells", []):
        cell["source"] = text(cell["source"])
    return notebook


def text(lines: Any) -> str:
    """A string, or the list of lines in which nbformat may store one."""
    return "".join(lines) if isinstance(lines, list) else str(lines)


def without_colours(log: str) -> str:
    """A text without the control sequences of terminals."""
    return COLOUR.sub("", log)


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
