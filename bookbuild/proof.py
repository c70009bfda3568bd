"""Proof-reading: what is wrong with the sources of the book and with its executed chapters.

Every function returns the faults it finds; each fault names its place and the remedy.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from bookbuild import contracts, fits, prose
from bookbuild.chapters import (
    BOOK,
    Cell,
    Notebook,
    Place,
    chapters,
    code_cells,
    executed,
    page_source,
    pages,
    placed_cells,
    read_notebook,
    source,
    text,
)
from bookbuild.python import claims

MOST_LINES = 20
SHORTEST_ALT = 60
MOST_HTML = 700_000
CITATION = re.compile(r"\]\(cite:([^)]*)\)")
BIB_ENTRY = re.compile(r"^\s*@\w+\s*\{\s*([^,\s]+)\s*,", re.M)


def of_sources() -> list[str]:
    """All faults of the book as it is committed; found in a moment, before anything is executed."""
    return [*_of_book(), *(fault for chapter in chapters() for fault in of_source(chapter))]


def of_results() -> list[str]:
    """All faults of the executed chapters."""
    return [fault for chapter in chapters() for fault in of_executed(chapter)]


def _of_book() -> list[str]:
    """Faults that no single chapter has."""
    names = [
        (name, place)
        for chapter in chapters()
        for place, cell in code_cells(chapter, read_notebook(source(chapter)))
        if (name := contracts.shown(cell, "figure", "name"))
    ]
    counts = Counter(name for name, _ in names)
    twice = [
        f"{place}: the figure name {name} is used more than once in the book: rename it"
        for name, place in names
        if counts[name] > 1
    ]
    strangers = [
        f"{prose.NUMBERS}: {page!r} is neither a chapter nor index: remove it"
        for page in prose.declared()
        if page not in [*chapters(), "index"]
    ]
    cited = [fault for page in pages() for fault in _of_citations(page)]
    return [*twice, *strangers, *cited, *contracts.faults_of_the_book(), *prose.faults("index")]


def _of_citations(page: str) -> list[str]:
    """Links to works that the bibliography does not hold."""
    bibliography = BOOK / "references.bib"
    held = set(BIB_ENTRY.findall(bibliography.read_text("utf-8")) if bibliography.is_file() else [])
    path = page_source(page)
    if path.suffix == ".md":
        texts = [(page, path.read_text(encoding="utf-8"))]
    else:
        cells = placed_cells(page, read_notebook(path))
        texts = [(str(p), c["source"]) for p, c in cells if c["cell_type"] == "markdown"]
    return [
        f"{place}: cites {key!r}, which {bibliography} does not hold: add it or correct the key"
        for place, markdown in texts
        for key in CITATION.findall(markdown)
        if key not in held
    ]


def of_source(chapter: str) -> list[str]:
    """Faults of a chapter as it is committed."""
    notebook = read_notebook(source(chapter))
    return [
        *_of_ids(chapter, notebook),
        *(f for place, cell in placed_cells(chapter, notebook) for f in _of_cell(place, cell)),
        *_of_claims(chapter, notebook),
        *fits.faults(chapter, notebook),
        *prose.faults(chapter),
    ]


def _of_ids(chapter: str, notebook: Notebook) -> list[str]:
    ids = Counter(cell.get("id") for cell in notebook["cells"])
    return [
        f"{place}: has no id of its own: save the notebook with JupyterLab 4 (nbformat 4.5)"
        for place, cell in placed_cells(chapter, notebook)
        if not cell.get("id") or ids[cell["id"]] > 1
    ]


def _of_cell(place: Place, cell: Cell) -> list[str]:
    if cell["cell_type"] != "code":
        return []
    faults = []
    if cell.get("outputs") or cell.get("execution_count") is not None:
        faults.append(f"{place}: holds outputs: clear them before committing (Edit, Clear Outputs)")
    lines = sum(bool(line.strip()) for line in cell["source"].splitlines())
    if lines > MOST_LINES and "remove-input" not in cell["metadata"].get("tags", []):
        faults.append(f"{place}: {lines} lines of code, the most is {MOST_LINES}: split the cell")
    return faults + (_of_figure_metadata(place, cell) if _names_figure(cell) else [])


def _names_figure(cell: Cell) -> bool:
    return not {"figure", "image"}.isdisjoint(cell["metadata"].get("mystnb", {}))


def _of_figure_metadata(place: Place, cell: Cell) -> list[str]:
    """Whether a figure has a name, a caption that says what to see, and an alternative text."""
    name, caption = (
        contracts.shown(cell, "figure", "name"),
        contracts.shown(cell, "figure", "caption"),
    )
    alt = contracts.shown(cell, "image", "alt").strip()
    faults = []
    if not re.fullmatch(r"fig-[a-z0-9-]+", name):
        faults.append(f"mystnb.figure.name is {name!r}: it must be fig- and lower-case words")
    if not caption.strip():
        faults.append("no mystnb.figure.caption: say what to see")
    if len(alt) < SHORTEST_ALT or PurePath(alt).suffix.lower() in {".png", ".svg", ".jpg"}:
        faults.append(
            f"mystnb.image.alt is {alt!r}: describe the figure in {SHORTEST_ALT} characters or more"
        )
    elif alt == caption.strip():
        faults.append("the alt text repeats the caption: describe what the figure looks like")
    return [f"{place}: {fault}" for fault in faults]


def _of_claims(chapter: str, notebook: Notebook) -> list[str]:
    made = claims(chapter, notebook)
    if not made:
        return [f"{chapter}: asserts nothing: add a cell that asserts what the prose claims"]
    return [
        f"{place}: `assert` in line {claim.lineno} has no message: give the claim in words"
        for place, claim in made
        if claim.msg is None
    ]


def of_executed(chapter: str) -> list[str]:
    """Faults of a chapter that show when it is executed."""
    cells = code_cells(chapter, read_notebook(executed(chapter)))
    outputs = [(place, output) for place, cell in cells for output in cell["outputs"]]
    return [
        *(fault for place, output in outputs for fault in _of_output(place, output)),
        *(fault for place, cell in cells for fault in _of_images(place, cell)),
        *contracts.faults(chapter),
    ]


def _of_output(place: Place, output: dict[str, Any]) -> list[str]:
    if output["output_type"] == "error":
        return [f"{place}: raises {output['ename']}: {output['evalue']}"]
    if output.get("name") == "stderr":
        quoted = text(output["text"]).strip()[:500]
        return [f"{place}: writes to stderr, mend the cause or silence it by name:\n    {quoted}"]
    if len(text(output.get("data", {}).get("text/html", ""))) > MOST_HTML:
        return [f"{place}: an HTML output of more than {MOST_HTML // 1000} kB: show less"]
    return []


def _of_images(place: Place, cell: Cell) -> list[str]:
    images = list(_images(cell["outputs"]))
    named = contracts.shown(cell, "figure", "name")
    if not images and not named:
        return []
    if len(images) != 1:
        return [f"{place}: makes {len(images)} images, must be one: {named or 'no figure name'}"]
    if len(cell["outputs"]) != 1:
        return [f"{place}: shows more than the figure {named}: end its last line with a semicolon"]
    kind, metadata = images[0]
    faults = [] if _names_figure(cell) else _of_figure_metadata(place, cell)
    if kind != "image/png" or "figure" not in metadata:
        faults.append(f"{place}: an {kind} that nothing describes: draw it with matplotlib, as PNG")
    return faults


def _images(outputs: Iterable[dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """The kind and the metadata of each image, at most one an output."""
    for output in outputs:
        kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        if kinds:
            kind = "image/png" if "image/png" in kinds else kinds[0]
            yield kind, output.get("metadata", {}).get(kind, {})
