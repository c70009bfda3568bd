"""No number is typed into prose, unless `book/_numbers.yml` says why it may stand there.

01_eda:
  "8": the number of counties is fixed by the design of the data

A number is a numeral, or number words with a unit ("ninety per cent").  In maths, whole numbers up
to ten are structure; in backticks, only what is nothing but a number is one; in strings of code,
every number is one where the cell shows text, elsewhere one with a unit ("90 % interval").
"""

import ast
import re
from collections.abc import Iterator

import yaml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from bookbuild import bibliography
from bookbuild.chapters import (
    BOOK,
    Cell,
    Place,
    chapters,
    page_source,
    placed_cells,
    read_notebook,
    source,
)
from bookbuild.markup import parsed as html
from bookbuild.python import parsed

NUMBERS = BOOK / "_numbers.yml"
SILENT = re.compile(
    r"\{(?:bibliography|code|code-block|code-cell|csv-table|math|mermaid|toctree)\}|[^{]|$"
)
OPTION = re.compile(r"^:([\w-]+):(.*)\n?", re.M)
ADDRESS = re.compile(r"https?://\S+")
NUMERAL = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*|[¼-¾⅐-⅞]")
STRUCTURE = {str(number) for number in range(11)}
UNIT = (
    r"(?:%|per cent|percent(?:age points?)?|(?:milli)?seconds?|minutes?|hours?|years?|[kMG]B|m?s)\b"
)
WORD = (
    r"(?:one|half|quarter|dozen|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]{3,5}teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million)"
)
WORDS = re.compile(
    rf"\b(?:a )?{WORD}(?:(?:-| | and |-and-| to | or ){WORD})*(?:-| | an? | of an? ){UNIT}", re.I
)
ONLY_NUMBER = re.compile(rf"[-+−±~≈]?\s*({NUMERAL.pattern})\s*(?:{UNIT}|%)?")
WITH_UNIT = re.compile(rf"({NUMERAL.pattern})[ -]?(?:{UNIT}|%)")
EXTENSIONS = MdParserConfig(enable_extensions={"colon_fence", "deflist", "dollarmath"})
PARSER = create_md_parser(EXTENSIONS, RendererHTML)
SHOWING = {"Markdown", "print", "display", "HTML", "Latex", "Math"}


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text and of the directives in it; inline ones after the block they are in."""
    for token in PARSER.parse(text):
        if token.type not in {"fence", "colon_fence"}:
            yield token
            yield from token.children or []
        elif not SILENT.match(token.info):
            title = token.info.partition("}")[2]
            alternatives = (value for name, value in OPTION.findall(token.content) if name == "alt")
            content = "\n\n".join([title, *alternatives, OPTION.sub("", token.content)])
            yield from tokens(content if "{figure}" not in token.info else content[len(title) :])


def paragraphs(text: str) -> list[str]:
    """What is read in a text: headings, sentences, cells of tables."""
    return [token.content for token in tokens(text) if token.type == "inline"]


def numerals(text: str) -> list[str]:
    """The numbers that a reader meets in a text; digits within names (lme4) are none."""
    found = []
    for token in tokens(text):
        if token.type == "inline":
            for words in _texts(token.children or []):
                found += WORDS.findall(words) + NUMERAL.findall(words)
        elif token.type == "code_inline" and (only := ONLY_NUMBER.fullmatch(token.content)):
            found.append(only[1])
        elif token.type.startswith("math"):
            found += (n for n in NUMERAL.findall(token.content) if n not in STRUCTURE)
        elif token.type == "html_block":
            found += NUMERAL.findall(html(token.content).get_text())
    return found


def _texts(inline: list[Token]) -> Iterator[str]:
    """The words of a paragraph and of its pictures, without citations and bare addresses."""
    words, cited, works = "", False, bibliography.works()
    for token in inline:
        if token.type == "link_open":
            link = str(token.attrs.get("href", ""))
            cited = link.startswith(bibliography.DOI) or link in works
            yield str(token.attrs.get("title", ""))
        elif token.type == "link_close":
            cited = False
        elif token.type == "image":
            yield from (token.content, str(token.attrs.get("title", "")))
        words += token.content if token.type == "text" and not cited else " "
    yield ADDRESS.sub(" ", words)


def numerals_of_code(source: str, *, shown: bool = False) -> list[str]:
    """The numbers typed into the strings of a cell that a reader meets; all, if it is `shown`."""
    tree = parsed(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    showing = [one for one in calls if ast.unparse(one.func).rpartition(".")[2] in SHOWING]
    shows, labels = shown or showing, set[object]()  # of one word: "90%" as a label, "4.2" shown
    for call in calls:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        words = {one.value for one in given if isinstance(one, ast.Constant)}
        labels |= words if call in showing else {word for word in words if "%" in str(word)}
    found = [one for one in strings(tree) if (" " in one and "~" not in one) or one in labels]
    return [
        number
        for text in found
        for number in (numerals(text) if shows else WORDS.findall(text) + WITH_UNIT.findall(text))
    ]


def strings(node: ast.AST) -> Iterator[str]:
    """The strings below a node, computed parts as `{}`; not the words of claims, nor docstrings."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [getattr(v, "value", v) for v in node.values]  # a typed number in braces is typed
        parts = [getattr(part, "value", part) for part in parts]
        yield "".join("{}" if isinstance(part, ast.AST) else str(part) for part in parts)
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        children = [node.test] if isinstance(node, ast.Assert) else ast.iter_child_nodes(node)
        for child in children:
            yield from strings(child)


def declared() -> dict[str, dict[str, str]]:
    """Which numerals may stand in the prose of which page, and why."""
    try:
        written = NUMBERS.read_text(encoding="utf-8") if NUMBERS.is_file() else ""
        found = yaml.load(written, Loader=yaml.BaseLoader) or {}  # noqa: S506
        return {page: dict(numbers or {}) for page, numbers in found.items()}
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        remedy = 'pages, and below each lines such as `"8": the reason`'
        raise SystemExit(f"{NUMBERS} must hold {remedy}: {error}") from None


def faults(page: str) -> list[str]:
    """Numerals in the prose of a page that nobody declared, and declarations that nothing uses."""
    allowed = declared().get(page, {})
    met = [(place, list(dict.fromkeys(numbers))) for place, numbers in _met(page)]
    undeclared = [
        f"{place}: numeral {numeral!r} in the prose: show it by code, or say in {NUMBERS} why not"
        for place, numbers in met
        for numeral in numbers
        if not allowed.get(numeral)
    ]
    unused = [
        f"{NUMBERS}: {page}: {numeral!r} does not occur in the prose: remove the declaration"
        for numeral in allowed
        if not any(numeral in numbers for _, numbers in met)
    ]
    return undeclared + unused


def _met(page: str) -> Iterator[tuple[str, list[str]]]:
    """The numerals of each piece of a page, captions, alternative texts and prompts included."""
    yield from ((place, numerals(text)) for place, text in markdown(page))
    for place, cell in _cells(page):
        if cell["cell_type"] == "code":
            draws = "figure" in cell["metadata"].get("mystnb", {})
            yield f"{place}, string", numerals_of_code(cell["source"], shown=draws)
        shown = cell["metadata"].get("mystnb", {})
        prompts = {name: text for name, text in shown.items() if name.startswith("code_prompt")}
        caption, alt = (shown.get("figure", {}).get("caption"), shown.get("image", {}).get("alt"))
        for name, text in {"caption": caption, "alt text": alt, **prompts}.items():
            yield f"{place}, {name}", numerals(str(text or ""))


def markdown(page: str) -> list[tuple[str, str]]:
    """The Markdown of a page with its places."""
    if page not in chapters():
        return [(page, page_source(page).read_text(encoding="utf-8"))]
    return [(str(p), cell["source"]) for p, cell in _cells(page) if cell["cell_type"] == "markdown"]


def _cells(page: str) -> list[tuple[Place, Cell]]:
    return placed_cells(page, read_notebook(source(page))) if page in chapters() else []
