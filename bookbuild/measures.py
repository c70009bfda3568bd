"""The measures of a page: how much there is to read, how long that takes, and the most of each.

A page that needs more of something has a line of its own in `book/_measures.yml`:

appendix/rosetta:
  words: 6000    # looked up, not read through
"""

import ast
import math
import re
from collections.abc import Iterator

import yaml

from bookbuild import freshness, prose, python
from bookbuild.chapters import BOOK, Cell, Notebook, chapters, executed, read_notebook, text

ALLOWED = BOOK / "_measures.yml"
WORDS = "words"
VISIBLE = "lines of visible code"
HIDDEN = "lines of hidden code"
FIGURES = "figures"
MEMORY = "MB of memory"
MOST = {WORDS: 2200, VISIBLE: 200, HIDDEN: 60, FIGURES: 9, MEMORY: 1200}
MOST_HIDDEN = 1.5  # lines for each visible one, where that is more
REMEDY = {
    WORDS: "cut, or move a section to the appendix (captions and computed sentences count)",
    VISIBLE: "show less, or fold what teaches nothing (tag hide-input)",
    HIDDEN: "show more of it, or make it shorter by a helper",
    FIGURES: "leave one out",
    MEMORY: "keep fewer draws at a time",
}
MOST_COLUMNS = 79
MINUTES = {WORDS: 1 / 180, VISIBLE: 1 / 12, FIGURES: 3 / 4}
HIDING = {"claims", "hide-cell", "hide-input", "remove-cell", "remove-input"}
MAP_ROW = re.compile(r"^(?P<begin>\| *\[[^]]*\]\((?P<page>[\w/]+)\.ipynb\) *\|.*?) *\|$", re.M)


def is_hidden(cell: Cell) -> bool:
    """Whether the page folds the code of a cell, or leaves it out."""
    return not HIDING.isdisjoint(cell["metadata"].get("tags", []))


def allowed() -> dict[str, dict[str, int]]:
    """Which pages may have more of something."""
    try:
        found = yaml.safe_load(ALLOWED.read_text("utf-8")) if ALLOWED.is_file() else {}
        pages = {
            page: {what: int(most) for what, most in own.items()} for page, own in found.items()
        }
        if unknown := [what for own in pages.values() for what in own.keys() - MOST.keys()]:
            raise ValueError(f"{unknown[0]!r} is no measure")
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        remedy = f"pages, and below each a number of {', '.join(MOST)}"
        raise SystemExit(f"{ALLOWED} must hold {remedy}: {error}") from None
    return pages


def of(notebook: Notebook) -> dict[str, int]:
    """What there is to read in an executed chapter."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    data = [output.get("data", {}) for cell in code for output in cell["outputs"]]
    captions = (c["metadata"].get("mystnb", {}).get("figure", {}).get("caption", "") for c in code)
    computed = (text(shown.get("text/markdown", "")) for shown in data)
    markdown = (cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    read = [*markdown, *captions, *computed]
    lines = [(is_hidden(cell), line) for cell in code for line in cell["source"].splitlines()]
    return {
        WORDS: sum(len(words.split()) for one in read for words in prose.paragraphs(one)),
        VISIBLE: sum(not hidden and bool(line.strip()) for hidden, line in lines),
        HIDDEN: sum(hidden and bool(line.strip()) for hidden, line in lines),
        FIGURES: sum("image/png" in shown for shown in data),
    }


def faults(chapter: str) -> Iterator[str]:
    """Of what a chapter has more than it may."""
    memory = freshness.noted(chapter)["cost"]["peak_memory_mb"]
    found = {**of(read_notebook(executed(chapter))), MEMORY: memory}
    hidden = max(MOST[HIDDEN], int(MOST_HIDDEN * found[VISIBLE]))
    limits = {**MOST, HIDDEN: hidden, **allowed().get(chapter, {})}
    for what in (what for what in MOST if found[what] > limits[what]):
        yield f"{chapter}: {found[what]} {what}, the most is {limits[what]}: {REMEDY[what]}"


def faults_of_source(chapter: str, notebook: Notebook) -> Iterator[str]:
    """Visible code too wide for the page, or that does not run without what is hidden."""
    cells = {cell.get("id"): cell for cell in notebook["cells"]}
    seen, made_hidden = set[str](), dict[str, str]()
    for place, tree in python.trees(chapter, notebook):
        made, used = _made_and_used(tree)
        if is_hidden(cells[place.cell_id]):
            seen |= _imported(tree)
            made_hidden |= dict.fromkeys(made, place.cell_id)
            continue
        seen |= made
        for name in sorted((used & made_hidden.keys()) - seen):
            yield (
                f"{place}: uses {name}, which only the hidden cell {made_hidden[name]} makes: "
                "make it in a visible cell, or hide this one too"
            )
        for line in cells[place.cell_id]["source"].splitlines():
            if len(line) > MOST_COLUMNS:
                yield (
                    f"{place}: {len(line)} columns in `{line.strip()[:40]}…`, "
                    f"the most is {MOST_COLUMNS}: break the line"
                )


def _made_and_used(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names, and items such as `data["age"]`, that a cell makes, and those it uses."""
    made, used = _imported(tree), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name() | ast.Attribute() | ast.Subscript():
                (used if isinstance(node.ctx, ast.Load) else made).add(ast.unparse(node))
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                made.add(name)
    return made, used


def _imported(tree: ast.Module) -> set[str]:
    aliases = (node for node in ast.walk(tree) if isinstance(node, ast.alias))
    return {(alias.asname or alias.name).partition(".")[0] for alias in aliases}


def minutes(chapter: str) -> str:
    """How long a chapter takes to read; nothing for one that is looked up."""
    if WORDS in allowed().get(chapter, {}):
        return ""
    found = of(read_notebook(executed(chapter)))
    number = math.ceil(sum(pace * found[what] for what, pace in MINUTES.items()))
    return f"about {number} minute{'s' * (number != 1)}"


def timed(page: str, markdown: str) -> str:
    """A text of a page that says how long chapters take: below its title, or in a map of them."""
    if page not in chapters():
        return MAP_ROW.sub(_timed_row, markdown)
    line = f"\n\n*{minutes(page).capitalize()}.*" if minutes(page) else ""
    return re.sub(r"^# .*", lambda title: title[0] + line, markdown, count=1, flags=re.M)


def _timed_row(row: re.Match[str]) -> str:
    took = minutes(row["page"]) if row["page"] in chapters() else ""
    return f"{row['begin']} ({took}) |" if took else row[0]
