"""Checks the site as files: every page, link, image and script is there, nothing is remote.

What only a browser can see (errors of scripts, overflow, themes) is checked by `tests/site/`.
"""

import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bookbuild.chapters import BOOK, pages
from bookbuild.render import SITE

LOADED_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "manifest",
}
LOADING_TAGS = {"script", "img", "iframe", "source", "video", "audio", "embed", "object"}
REMOTE_CSS = re.compile(
    r"""@import\s+["']?(?:https?:)?//[^"';)]+|url\(\s*["']?(?:https?:)?//[^)]+"""
)
RAW = re.compile(
    r"Traceback \(most recent call last\)|<!-- (?:end )?tabs?\b|<!-- build record"
    r"|\{(?:cite|glue|numref|ref|doc|eq|term)(?::\w+)?\}|\]\(cite:"
)
PICTURE = re.compile(r"\S+\.(?:png|svg|jpe?g|gif|webp)", re.I)


class Element(NamedTuple):
    """A start tag of a page."""

    tag: str
    attributes: dict[str, str]
    line: int


class Page(HTMLParser):
    """The start tags, the anchors and the visible text of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.texts: list[tuple[str, int]] = []
        self._silent = ""
        self.feed(content)
        self.close()
        self.anchors = {
            element.attributes[name]
            for element in self.elements
            for name in ("id", "name")
            if name in element.attributes
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag; scripts and styles hold no text for readers."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append(Element(tag, attributes, self.getpos()[0]))
        if tag in {"script", "style"}:
            self._silent = tag

    def handle_endtag(self, tag: str) -> None:
        """End of a silent element."""
        if tag == self._silent:
            self._silent = ""

    def handle_data(self, data: str) -> None:
        """Note what a reader sees."""
        if not self._silent and data.strip():
            self.texts.append((data, self.getpos()[0]))


def faults(site: Path = SITE) -> list[str]:
    """Everything that is wrong with the site."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    read = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(files)}
    missing = [
        f"{BOOK}/{name}.html" for name in pages() if not (site / BOOK / f"{name}.html").is_file()
    ]
    if not (site / "index.html").is_file():
        missing.append("index.html")
    return [
        *(f"{page}: this page of _toc.yml was not built" for page in missing),
        *(fault for path, page in read.items() for fault in _of_page(path, page, read, site)),
        *(fault for path in sorted(site.rglob("*.css")) for fault in _of_style(path, site)),
    ]


def _of_page(path: Path, page: Page, site_pages: dict[Path, Page], site: Path) -> list[str]:
    found = [
        (element.line, fault)
        for element in page.elements
        for fault in (_link(element, path, site_pages), _remote(element), _alt(element))
        if fault
    ]
    found += [
        (line, f"unfinished text {raw.group()!r} is shown to readers")
        for words, line in page.texts
        if (raw := RAW.search(words))
    ]
    here = path.relative_to(site.resolve())
    return [f"{here}, line {line}: {fault}" for line, fault in found]


def _address(element: Element) -> str:
    attributes = element.attributes
    return attributes.get("href") or attributes.get("src") or attributes.get("data") or ""


def _link(element: Element, path: Path, site_pages: dict[Path, Page]) -> str | None:
    """What a local address names must exist: the file and the place in it."""
    address = urlsplit(_address(element))
    if address.scheme or address.netloc or not (address.path or address.fragment):
        return None
    if address.path.startswith("/"):
        return (
            f"{_address(element)!r} begins at the root of the host: the pages must work from disk"
        )
    target = (path.parent / unquote(address.path)).resolve() if address.path else path
    if not target.is_file():
        return f"the link {_address(element)!r} leads to no file"
    anchor = unquote(address.fragment)
    if anchor and target in site_pages and anchor not in site_pages[target].anchors:
        return f"the link {_address(element)!r} leads to no such place on that page"
    return None


def _remote(element: Element) -> str | None:
    """A page loads nothing from another host; links that a reader follows may lead anywhere."""
    rel = set(element.attributes.get("rel", "").split())
    loads = element.tag in LOADING_TAGS or (element.tag == "link" and rel & LOADED_LINKS)
    if loads and urlsplit(_address(element)).netloc:
        return f"<{element.tag}> loads {_address(element)} from another host"
    style = REMOTE_CSS.search(element.attributes.get("style", ""))
    return f"a style loads {style.group()} from another host" if style else None


def _alt(element: Element) -> str | None:
    """Every picture has words for those who do not see it."""
    if element.tag != "img" or element.attributes.get("aria-hidden") == "true":
        return None
    alt = element.attributes.get("alt", "").strip()
    if not alt or PICTURE.fullmatch(PurePosixPath(alt).name):
        return f"the image {_address(element)[:80]!r} has no alternative text: alt is {alt!r}"
    return None


def _of_style(path: Path, site: Path) -> list[str]:
    found = REMOTE_CSS.findall(path.read_text(encoding="utf-8"))
    return [f"{path.relative_to(site)}: loads {remote} from another host" for remote in found]
