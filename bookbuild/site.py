"""Checks the site as files: every page, link, image and script is there, nothing is remote.

What only a browser can see (errors of scripts, overflow, themes) is checked by `tests/site/`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import Tag
from bs4.element import NavigableString

from bookbuild import markup
from bookbuild.chapters import BOOK, pages

# The browser itself lets nothing out, whatever a page holds; it works from disk.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'self' data: blob: 'unsafe-inline'; base-uri 'none'\">"
)
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction"}
RAW = re.compile(
    r"Traceback \(most recent call last\)|<!-- (?:end )?tabs?\b|<!-- build record"
    r"|\{(?:cite|glue|numref|ref|doc|eq|term)(?::\w+)?\}"
)


class Page:
    """The elements, the anchors and the visible text of a page."""

    def __init__(self, content: str) -> None:
        tree = markup.parsed(content)
        self.has_policy = content.partition("<meta")[2].startswith(POLICY.removeprefix("<meta"))
        self.elements = tree(True)
        self.anchors = {tag.get(name) for tag in self.elements for name in ("id", "name")}
        self.texts = [text for text in tree(string=True) if type(text) is NavigableString]


def faults(site: Path) -> list[str]:
    """Everything that is wrong with the site."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    read = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(files)}
    wanted = ["index.html", *(f"{BOOK}/{name}.html" for name in pages())]
    missing = [name for name in wanted if not (site / name).is_file()]
    return [
        *(f"{page}: this page of _toc.yml was not built" for page in missing),
        *(
            f"{path.relative_to(site.resolve())}, line {line}: {fault}"
            for path, page in read.items()
            for line, fault in _of_page(path, page, read)
        ),
    ]


def _of_page(path: Path, page: Page, site_pages: dict[Path, Page]) -> Iterator[tuple[object, str]]:
    if not page.has_policy:
        yield 1, "the content-security policy does not come first: `make book` again"
    for tag in page.elements:
        for fault in (_link(tag, path, site_pages), *_remote(tag)):
            if fault:
                yield tag.sourceline, fault
    for words in page.texts:
        if (raw := RAW.search(words)) and words.parent:
            yield words.parent.sourceline, f"unfinished text {raw.group()!r} is shown to readers"


def _link(tag: Tag, path: Path, site_pages: dict[Path, Page]) -> str | None:
    """What a local address names must exist: the file and the place in it."""
    written = str(tag.get("href") or tag.get("src") or tag.get("data") or "")
    address = urlsplit(written)
    if address.scheme or address.netloc or not (address.path or address.fragment):
        return None
    if address.path.startswith("/"):
        return f"{written!r} begins at the root of the host: the pages must work from disk"
    target = (path.parent / unquote(address.path)).resolve() if address.path else path
    if not target.is_file():
        return f"the link {written!r} leads to no file"
    anchor = unquote(address.fragment)
    if anchor and target in site_pages and anchor not in site_pages[target].anchors:
        return f"the link {written!r} leads to no such place on that page"
    return None


def _remote(tag: Tag) -> Iterator[str]:
    """A page loads nothing from another host; links that a reader follows may lead anywhere."""
    for name, value in tag.attrs.items():
        loads = name in LOADING or (name.endswith("href") and tag.name != "a")
        if loads and urlsplit(str(value)).netloc and tag.get("rel") != ["canonical"]:
            yield f"<{tag.name}> loads {value} from another host"
    if str(tag.get("http-equiv")).lower() == "refresh" and "//" in str(tag.get("content")):
        yield f"<meta> leads readers away to {tag['content']}"
