"""Which HTML authors and outputs may write: what shows something, nothing that runs or loads."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

TAGS = re.compile(
    "a|abbr|b|br|code|col|colgroup|dd|details|div|dl|dt|em|figcaption|figure|h[1-6]|hr|i|kbd|label"
    "|li|ol|output|p|pre|small|span|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|var"
    "|button|canvas|fieldset|input|legend|option|optgroup|script|select|style"
    "|circle|clippath|defs|desc|ellipse|g|line|lineargradient|marker|path|pattern|polygon|polyline"
    "|rect|stop|svg|symbol|text|title|tspan|use"
)
ACTIVE = re.compile(r"on\w+|src\w*|http-equiv|(?:form)?action|ping|background|data|poster|code\w*")
ELSEWHERE = re.compile(
    r"""@import[^;]*|(?:url|image-set|src)\(\s*["']?(?!data:|\#|["'\s])[^)]*""", re.I
)
FOLLOWED = {"", "http", "https", "mailto"}


def parsed(content: str) -> BeautifulSoup:
    """HTML as a tree whose elements know their lines."""
    return BeautifulSoup(content, "html.parser")


def faults(content: str) -> list[str]:
    """What the HTML of a source or an output holds that a page of the book may not."""
    return list(dict.fromkeys(fault for tag in parsed(content)(True) for fault in _of_tag(tag)))


def _of_tag(tag: Tag) -> Iterator[str]:
    if not TAGS.fullmatch(tag.name):
        remedy = ": show a picture by a figure cell or `![…](…)`" if tag.name == "img" else ""
        yield f"<{tag.name}> is not among the HTML that the book allows{remedy}"
        return
    for name, value in ((name, str(value)) for name, value in tag.attrs.items()):
        if ACTIVE.fullmatch(name):
            yield f"<{tag.name} {name}=…> is not among the HTML that the book allows: remove {name}"
        elif name == "href" and tag.name == "a" and urlsplit(value).scheme not in FOLLOWED:
            yield f"<a href={value!r}> leads to no page: link to https://… or to a page"
        elif name.endswith("href") and tag.name != "a" and not value.startswith(("#", "data:")):
            yield f"<{tag.name} {name}={value!r}> loads from elsewhere: keep it in the page"
    style = tag.get_text() if tag.name == "style" else str(tag.get("style", ""))
    if loaded := ELSEWHERE.search(style):
        yield f"the style {loaded.group()!r} loads from elsewhere: keep it in the page"
    if tag.name == "script" and tag.get("type") != "application/json":
        own = (path.read_text(encoding="utf-8") for path in Path("lmm_helpers").rglob("*.js"))
        if tag.get_text() not in own:
            yield "<script> is none of lmm_helpers: show the result by Python, or add a helper"
