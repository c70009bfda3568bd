"""Proof-reading: what is wrong with the sources of the book and with its executed chapters.

Every function returns the faults it finds; each fault names its place and the remedy.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

from bookbuild import bibliography, claims, contracts, freshness, markup, measures, prose, python
from bookbuild.chapters import (
    BOOK,
    Cell,
    Notebook,
    Place,
    chapters,
    code_cells,
    executed,
    pages,
    placed_cells,
    read_notebook,
    source,
    sources,
    text,
)

TAGS = {"parameters", "timing", "single-draws", "hide-output", "remove-output", *measures.HIDING}
KINDS = {*("text/plain", "text/html", "text/markdown", "text/latex"), "image/png", "image/svg+xml"}
MOST_LINES = 20
SHORTEST_ALT = 60
MOST_HTML = 700_000
MOST_TEXT = 50_000
PADDED = re.compile(r"(\S)\1{3}|(.{10,})\2")
TAG = "leave it out, or tag the cell `timing`"
HIDING = {
    r"^\s*%%?capture\b": "hides what the cell says: silence one message by name",
    r"\b(?:capture_output|redirect_std(?:out|err)|devnull)\b": (
        "hides what the cell says: silence one message by name"
    ),
    r"\b(?:simplefilter|filterwarnings|catch_warnings)\(\s*(?:action=)?[\"']ignore[\"']\s*"
    r"(?:,\s*(?:category=Warning|(?:message=)?r?[\"'](?:\.\*)?[\"'])\s*)?\)"
    r"|\blogging\.disable\(|\b(?:seterr|errstate)\(\s*all=[\"']ignore": (
        "silences every warning: name its message or its category"
    ),
    r"^\s*from (?:time|datetime|random|secrets|uuid|numpy\.random) import .*\bas\b": (
        "hides a clock or chance: import it under its own name"
    ),
    r"\b(?:default_rng|SeedSequence|Random|RandomState)\(\s*(?:seed=)?(?:None)?\s*\)"
    r"|(?<!rng\.)\brandom\.(?!seed|default_rng|Generator|SeedSequence|RandomState|Random)\w+\("
    r"|\b(?:urandom|uuid\d|token_\w+|randbits|SystemRandom)\(": (
        "draws without a seed: default_rng(SEED)"
    ),
}
CLOCK_CALL = {
    r"^\s*%%?time(?:it)?\b"
    r"|\b(?:perf_counter|monotonic|process_time|time|now|utcnow|today|getpid)(?:_ns)?\(": (
        f"comes from a clock or from chance: derive a seed from SEED; {TAG}"
    ),
}
CLOCK = {
    r"\b(?:20\d\d-\d\d-\d\d[T ])?\d\d:\d\d:\d\d\b|\b(?:Wall time|CPU times):": f"the clock: {TAG}"
}
ELEMENT = r"(?:'[^'\n]*'|\"[^\"\n]*\"|\([^()\n]*\))"
PERSONAL = {
    rf"(?<![\w:/.-])(?:{re.escape(str(Path.home()))}|{re.escape(str(Path.cwd()))}"
    r"|/(?:home|Users|tmp|var|usr|opt|mnt)|[A-Z]:\\Users)[/\\]\S*": (
        "a path of this machine: show the name alone"
    ),
    r"\bat 0x[0-9a-fA-F]{4,}": "the address of an object: show what it holds",
    rf"\{{{ELEMENT}(?:, {ELEMENT})+\}}": "a set, in an order of chance: sort it",
}


def of_sources() -> list[str]:
    """All faults of the book as it is committed; found in a moment, before anything is executed."""
    return [*_of_book(), *(fault for chapter in chapters() for fault in of_source(chapter))]


def of_results() -> list[str]:
    """All faults of the executed chapters; the pictures of those without are kept."""
    found = {chapter: of_executed(chapter) for chapter in chapters()}
    for chapter in (name for name in found if not found[name]):
        contracts.keep_pictures(chapter)
    return [fault for faults in found.values() for fault in faults]


def _of_book() -> Iterator[str]:
    """Faults that no single chapter has."""
    figures = [
        (place, contracts.shown(cell, "figure", "name"), contracts.shown(cell, "image", "alt"))
        for chapter in chapters()
        for place, cell in code_cells(chapter, read_notebook(source(chapter)))
        if _names_figure(cell)
    ]
    uses = Counter(word for _, *words in figures for word in words)
    for place, *words in figures:
        for what, word in zip(("figure name", "alt text"), words, strict=True):
            if uses[word] > 1:
                yield f"{place}: the {what} {word!r} is used more than once: give each its own"
    for page in prose.declared().keys() - pages():
        yield f"{prose.NUMBERS}: {page!r} is no page of _toc.yml: remove it"
    for page in measures.allowed().keys() - pages():
        yield f"{measures.ALLOWED}: {page!r} is no page of _toc.yml: remove it"
    yield from _of_files()
    yield from bibliography.faults(piece for page in pages() for piece in prose.markdown(page))
    for path in contracts.left_over():
        yield f"{path} belongs to no chapter of _toc.yml: delete it"
    for page in pages():
        if page not in chapters():
            yield from _of_page(page)


def _of_files() -> Iterator[str]:
    """What lies in the book's folder and belongs to no page; the Python that executes it."""
    wanted, running = freshness.PYTHON_VERSION, sys.version.split()[0]
    if wanted.is_file() and not f"{running}.".startswith(f"{wanted.read_text().strip()}."):
        yield f"{wanted}: asks for another Python than {running}, which runs: `make book`"
    of_pages = {path for name in pages() for path in sources(name)}
    for path in freshness.files_below(BOOK):
        if path.suffix in {".ipynb", ".md"} and path not in of_pages:
            yield f"{path}: no page of _toc.yml: add it there, or delete it"
        if path.suffix == ".md" and path.with_suffix(".ipynb") in of_pages:
            yield f"{path}: this page is a notebook too: keep one"
        if path.suffix in {".js", ".mjs", ".html"}:
            yield f"{path}: a script for every page: make it a helper of lmm_helpers"
        if path.suffix in {".css", ".svg"}:
            content = path.read_text(encoding="utf-8")
            style = f"<style>{content}</style>" if path.suffix == ".css" else content
            yield from (f"{path}: {fault}" for fault in markup.faults(style))


def _of_page(page: str) -> Iterator[str]:
    """Faults of what a page says."""
    for place, markdown in prose.markdown(page):
        yield from _of_markup(place, markdown)
    yield from prose.faults(page)


def _of_markup(place: object, markdown: str) -> Iterator[str]:
    """HTML that the book does not allow; pictures of other hosts, or without words."""
    for token in prose.tokens(markdown):
        if token.type.startswith("html"):
            yield from (f"{place}: {fault}" for fault in markup.faults(token.content))
        elif token.type == "image" and ("//" in str(token.attrs["src"]) or not token.content):
            yield f"{place}: a picture of another host, or without alt text: ![words](file)"


def of_source(chapter: str) -> list[str]:
    """Faults of a chapter as it is committed."""
    notebook = read_notebook(source(chapter))
    ids = Counter(cell.get("id") for cell in notebook["cells"])
    return [
        *(f for p, cell in placed_cells(chapter, notebook) for f in _of_cell(p, cell, ids)),
        *_of_claims(chapter, notebook),
        *measures.faults_of_source(chapter, notebook),
        *_of_page(chapter),
    ]


def _of_cell(place: Place, cell: Cell, ids: Counter[str | None]) -> Iterator[str]:
    if not cell.get("id") or ids[cell["id"]] > 1:
        yield f"{place}: has no id of its own: save the notebook with JupyterLab 4 (nbformat 4.5)"
    if cell["cell_type"] == "raw" or cell.get("attachments"):
        yield f"{place}: a raw cell or a pasted picture: write Markdown, and draw by a figure cell"
    for tag in {*cell["metadata"].get("tags", [])} - TAGS:
        yield f"{place}: {tag!r} is no tag of this book: correct it, or remove it"
    if cell["cell_type"] != "code":
        return
    tags, lines = cell["metadata"].get("tags", []), cell["source"].splitlines()
    if claims.TAG in tags and not cell["metadata"].get("jupyter", {}).get("source_hidden"):
        yield f"{place}: holds claims: collapse its code (View, Collapse Selected Code)"
    if cell.get("outputs") or cell.get("execution_count") is not None:
        yield f"{place}: holds outputs: clear them before committing (Edit, Clear Outputs)"
    number = sum(bool(line.strip()) for line in lines)
    if number > MOST_LINES and "remove-input" not in tags:
        yield f"{place}: {number} lines of code, the most is {MOST_LINES}: split the cell"
    yield from _matches(cell, CLOCK_CALL, HIDING, [cell["source"]], f"{place}: holds")
    if _names_figure(cell):
        yield from _of_figure_metadata(place, cell)


def _matches(
    cell: Cell, of_clocks: dict[str, str], patterns: dict[str, str], texts: list[str], said: str
) -> Iterator[str]:
    """What the patterns find in texts, and why it is a fault; a `timing` cell may hold clocks."""
    timing = "timing" in cell["metadata"].get("tags", [])
    for pattern, why in (patterns if timing else patterns | of_clocks).items():
        for found in [found for words in texts if (found := re.search(pattern, words, re.M))][:1]:
            yield f"{said} {found.group().strip()!r}, {why}"


def _names_figure(cell: Cell) -> bool:
    return not {"figure", "image"}.isdisjoint(cell["metadata"].get("mystnb", {}))


def _of_figure_metadata(place: Place, cell: Cell) -> Iterator[str]:
    """Whether a figure has a name, a caption that says what to see, and an alternative text."""
    name, caption = (contracts.shown(cell, "figure", field) for field in ("name", "caption"))
    alt = contracts.shown(cell, "image", "alt").strip()
    said = f"{place}: mystnb.image.alt is {alt!r}"
    if not re.fullmatch(r"fig-[a-z0-9-]+", name):
        yield f"{place}: mystnb.figure.name is {name!r}: it must be fig- and lower-case words"
    if not caption.strip():
        yield f"{place}: no mystnb.figure.caption: say what to see"
    if len(alt) < SHORTEST_ALT or PurePath(alt).suffix.lower() in {".png", ".svg", ".jpg"}:
        yield f"{said}: describe the figure in {SHORTEST_ALT} characters or more"
    elif len({*alt.split()}) < 8 or PADDED.search(f"{alt} "):
        yield f"{said}: padded, say what is there in words of its own"
    elif re.findall(r"\w+", alt.lower()) == re.findall(r"\w+", caption.lower()):
        yield f"{place}: the alt text repeats the caption: describe what the figure looks like"


def _of_claims(chapter: str, notebook: Notebook) -> Iterator[str]:
    made = python.claims(chapter, notebook)
    if not made:
        yield f"{chapter}: asserts nothing: add a cell that asserts what the prose claims"
    for place, number, claim in made:
        said = f"{place}: `{ast.unparse(claim)[:80]}`"
        if claim.msg is None:
            yield f"{said} has no message: give the claim in words"
        if number is None:
            yield f"{said} stands in a function or class: claim at the top level of a cell"
        if python.cannot_fail(claim.test):
            yield f"{said} cannot fail: compare with what the chapter computes"
    for place, tree in python.trees(chapter, notebook):
        for call in python.unseeded(tree):
            yield f"{place}: {call} draws without a seed: pass random_state=SEED, or its like"
        nodes = [getattr(node, "body", None) for node in ast.walk(tree)]
        bodies = [pairwise(body) for body in nodes if isinstance(body, list)]
        if any(one.end_lineno == other.lineno for body in bodies for one, other in body):
            yield f"{place}: two statements on a line: give each a line of its own"


def of_executed(chapter: str) -> list[str]:
    """Faults of a chapter that show when it is executed."""
    notebook, noted = read_notebook(executed(chapter)), freshness.noted(chapter)
    if not noted:
        return [f"{chapter}: nothing vouches for what was executed: `make book` executes it again"]
    cells = code_cells(chapter, notebook)
    places = {cell["id"]: place for place, cell in cells}
    outputs = [(place, cell, output) for place, cell in cells for output in cell["outputs"]]
    is_report = notebook["metadata"].get("bookbuild", {}).get("report", False)
    return [
        *(
            f"{chapter}: {path} changed while it ran: write to a temporary folder; `make book`"
            for path in noted["changed"]
        ),
        *(fault for place, _, output in outputs for fault in _of_output(place, output)),
        *(fault for place, cell, output in outputs for fault in _of_words(place, cell, output)),
        *(fault for place, cell in cells for fault in _of_images(place, cell)),
        *(
            f"{places[f['cell']]}: {fault}"
            for f in noted["fits"]
            for fault in _of_fit(f, is_report)
        ),
        *_of_evaluated(chapter, notebook, noted["claims"], places),
        *_of_titles(chapter, notebook),
        *measures.faults(chapter),
        *contracts.faults(chapter),
    ]


def _of_fit(fit: Cell, is_report: bool) -> Iterator[str]:
    """What keeps a fit that ran from being believed."""
    gated = {"checked", *(["judged"] if is_report or fit["asked_by"] == "helper" else [])}
    if not fit["seeded"]:
        yield f"{fit['call']} gets no seed: pass random_seed=SEED"
    if fit["asked_by"] == "else":
        yield f"{fit['call']} is called within a function: fit at the top level of a cell"
    if fit["verdict"] == "failed":
        remedy = "mend the model, or give the expected_faults that belong there"
        yield f"{fit['call']} did not pass its check, and the chapter went on: {remedy}"
    elif fit["verdict"] not in gated:
        whole = "every chain, draw and variable"
        yield f"{fit['call']} is not checked: pass the whole fit, {whole}, to check_convergence"


def _of_evaluated(
    chapter: str, notebook: Notebook, noted: list[Cell], places: dict[str, Place]
) -> Iterator[str]:
    """Claims that did not run, or that judged nothing."""
    ran = {(claim["cell"], claim["number"]) for claim in noted}
    for place, number, claim in python.claims(chapter, notebook):
        if number is not None and (place.cell_id, number) not in ran:
            yield f"{place}: `{ast.unparse(claim)[:80]}` never ran: claim what always runs"
    for evaluated in noted:
        said = f"{places[evaluated['cell']]}: the claim {evaluated['words']!r}"
        if not evaluated["boolean"]:
            yield f"{said} is no truth value: end it with .item(), .all() or a comparison"
        if not evaluated["held"]:
            yield f"{said} is false, and the chapter went on: mend the prose, the code or the data"


def _of_titles(chapter: str, notebook: Notebook) -> Iterator[str]:
    """Numbers in the words of a figure that were typed, in its cell or in words of another."""
    trees = python.trees(chapter, notebook)
    strings = {(place, s) for place, tree in trees for s in prose.strings(tree)}
    for figure in contracts.figures(chapter):
        near = [s for place, s in strings if place == figure.place or " " in s]
        typed = {number for string in near for number in prose.NUMERAL.findall(string)}
        typed -= prose.declared().get(chapter, {}).keys()
        for words in contracts.words(figure.description or {}):
            for number in sorted(typed & {*prose.NUMERAL.findall(words)}):
                yield f"{figure.place}: the number {number} in {words!r} is typed: format a value"


def _of_output(place: Place, output: dict[str, Any]) -> Iterator[str]:
    data = output.get("data", {})
    words = text(output.get("text", "")) + text(data.get("text/plain", ""))
    if output["output_type"] == "error":
        yield f"{place}: raises {output['ename']}: {output['evalue']}"
    elif output.get("name") == "stderr":
        quoted = words.strip()[:500]
        yield f"{place}: writes to stderr, mend the cause or silence it by name:\n    {quoted}"
    elif unknown := [kind for kind in data if kind not in KINDS and kind[:6] != "image/"]:
        yield f"{place}: shows {unknown[0]}: show words, a table or a figure"
    elif len(text(data.get("text/html", ""))) > MOST_HTML or len(words) > MOST_TEXT:
        most = f"{MOST_HTML // 1000} kB of HTML or {MOST_TEXT // 1000} kB of text"
        yield f"{place}: an output of more than {most}: show less"


def _of_words(place: Place, cell: Cell, output: dict[str, Any]) -> Iterator[str]:
    """What an output says that is true of this machine or this moment only; HTML not allowed."""
    data = {kind: text(content) for kind, content in output.get("data", {}).items()}
    words = [text(output.get("text", "")), *(data[kind] for kind in data if kind[:5] == "text/")]
    yield from _matches(cell, CLOCK, PERSONAL, words, f"{place}: shows")
    for fault in markup.faults(data.get("text/html", "") + data.get("image/svg+xml", "")):
        yield f"{place}: {fault}"
    yield from _of_markup(place, data.get("text/markdown", ""))
    if any(token.type == "image" for token in prose.tokens(data.get("text/markdown", ""))):
        yield f"{place}: shows a picture as Markdown: make it by a figure cell"


def _of_images(place: Place, cell: Cell) -> Iterator[str]:
    """A figure cell shows one image, made by matplotlib, and nothing else."""
    images = [
        max(kinds, key="image/png".__eq__)
        for output in cell["outputs"]
        if (kinds := [kind for kind in output.get("data", {}) if kind.startswith("image/")])
    ]
    named = contracts.shown(cell, "figure", "name")
    if not images and not named:
        return
    if len(images) != 1:
        yield f"{place}: makes {len(images)} images, must be one: {named or 'no figure name'}"
    elif len(cell["outputs"]) != 1:
        yield f"{place}: shows more than the figure {named}: end its last line with a semicolon"
    elif claims.TAG in cell["metadata"].get("tags", []):
        yield f"{place}: a cell of claims leaves the page: draw {named} in a cell of its own"
    else:
        if not _names_figure(cell):
            yield from _of_figure_metadata(place, cell)
        described = cell["outputs"][0].get("metadata", {}).get(images[0], {})
        if images != ["image/png"] or "figure" not in described:
            yield f"{place}: an {images[0]} that nothing describes: draw it with matplotlib, as PNG"
