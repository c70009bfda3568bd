"""No number is typed into prose, unless `book/_numbers.yml` says why it may stand there.

01_eda:
  "8": the number of counties is fixed by the design of the data
"""

import re
from collections.abc import Iterator

import yaml

from bookbuild.chapters import BOOK, Notebook, page_source, placed_cells, read_notebook

NUMBERS = BOOK / "_numbers.yml"
CODE_DIRECTIVES = (
    "bibliography|code|code-block|code-cell|csv-table|figure|image|math|mermaid|toctree"
)
FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*?)$(.*?)^ *\2[`~]*[ ]*$", re.M | re.S)
NOT_PROSE = [
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"\A---\n.*?\n---\n", re.S),  # front matter
        (r"<!--.*?-->", re.S),
        (r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S),  # code spans and the targets of roles
        (r"\$\$.*?\$\$|(?<!\\)\$[^$\n]+\$|\\\(.*?\\\)|\\\[.*?\\\]", re.S),  # maths
        (r"\[[^\]]*\]\(cite:[^)]*\)", 0),  # a citation: its year is free
        (r"(?<=\])\([^)]*\)", 0),  # link targets
        (r"^\[[^\]]+\]:.*$", re.M),  # link definitions
        (r"^\([\w:-]+\)=$", re.M),  # labels
        (r"^:[\w-]+:.*$", re.M),  # options of directives
        (r"<[^>]*>|https?://\S+|&#\w+;", 0),  # HTML, addresses, character references
        (r"^\s*(?:>\s*)*\d+[.)]\s", re.M),  # the markers of ordered lists
    )
]
NUMERAL = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*")


def numerals(markdown: str) -> list[str]:
    """The numerals that a reader meets in prose; digits within names (lme4) are no numerals."""
    prose = FENCE.sub(_fenced_prose, markdown)
    for pattern in NOT_PROSE:
        prose = pattern.sub(" ", prose)
    return [found.group() for found in NUMERAL.finditer(prose)]


def _fenced_prose(fence: re.Match[str]) -> str:
    """What of a fenced block is prose: nothing of code, the content of a note."""
    info, content = fence.group(3).strip(), fence.group(4)
    if not info.startswith("{") or re.match(rf"\{{(?:{CODE_DIRECTIVES})\}}", info):
        return "\n"
    return f"{info.partition('}')[2]}\n{FENCE.sub(_fenced_prose, content)}"


def declared() -> dict[str, dict[str, str]]:
    """Which numerals may stand in the prose of which page, and why."""
    if not NUMBERS.is_file():
        return {}
    found = yaml.load(NUMBERS.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}  # noqa: S506
    return {page: dict(numbers or {}) for page, numbers in found.items()}


def faults(page: str) -> list[str]:
    """Numerals in the prose of a page that nobody declared, and declarations that nothing uses."""
    allowed = declared().get(page, {})
    met = list(_prose(page))
    undeclared = [
        f"{place}: numeral {numeral!r} in the prose: show it by code, or say in {NUMBERS} why not"
        for place, markdown in met
        for numeral in dict.fromkeys(numerals(markdown))
        if not allowed.get(numeral)
    ]
    used = {numeral for _, markdown in met for numeral in numerals(markdown)}
    unused = [
        f"{NUMBERS}: {page}: {numeral!r} does not occur in the prose: remove the declaration"
        for numeral in allowed
        if numeral not in used
    ]
    return undeclared + unused


def _prose(page: str) -> Iterator[tuple[str, str]]:
    """The pieces of prose of a page, captions and alternative texts included, with their places."""
    source = page_source(page)
    if source.suffix == ".md":
        yield page, source.read_text(encoding="utf-8")
        return
    notebook: Notebook = read_notebook(source)
    for place, cell in placed_cells(page, notebook):
        if cell["cell_type"] == "markdown":
            yield str(place), cell["source"]
        shown = cell["metadata"].get("mystnb", {})
        yield f"{place}, caption", shown.get("figure", {}).get("caption", "")
        yield f"{place}, alt text", shown.get("image", {}).get("alt", "")
