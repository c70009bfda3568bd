"""The works that the book cites: a citation links to the work, so that JupyterLab opens it too."""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pybtex.database import BibliographyDataError, parse_string

from bookbuild.chapters import BOOK

PATH = BOOK / "references.bib"
DOI = "https://doi.org/"
LINK = re.compile(r"\[([^\[\]]*)\]\((https?://[^)\s]+)\)")


def works() -> dict[str, str]:
    """The key of each work, by the address of the work itself: its DOI, or else its `url`."""
    return _works(PATH.read_text("utf-8") if PATH.is_file() else "")


@functools.lru_cache(maxsize=1)
def _works(bibliography: str) -> dict[str, str]:
    try:
        entries = parse_string(bibliography, "bibtex").entries
    except BibliographyDataError as error:
        raise SystemExit(f"{PATH}: {error}: keep one") from None
    held = [(_address(work.fields) or key, key) for key, work in entries.items()]
    for address, number in Counter(address.lower() for address, _ in held).items():
        if number > 1:
            raise SystemExit(f"{PATH}: holds {address} more than once: keep one")
    return dict(held)


def _address(fields: dict[str, str]) -> str:
    return f"{DOI}{fields['doi']}" if "doi" in fields else fields.get("url", "")


def faults(pieces: Iterable[tuple[object, str]]) -> Iterator[str]:
    """Works that are cited and not held, held and not cited, or cannot be linked to."""
    held = works()
    links = [(place, link) for place, markdown in pieces for _, link in LINK.findall(markdown)]
    for place, link in links:
        if link.startswith(DOI) and link not in held:
            yield f"{place}: cites {link}, which {PATH} does not hold: add it or correct the DOI"
    cited = Counter(link for _, link in links)
    for link, key in held.items():
        if link == key:
            yield f"{PATH}: {key!r} has neither doi nor url: add one, where its citation leads"
        elif not cited[link]:
            yield f"{PATH}: no page cites {key!r}, as [words]({link}): remove the entry"


def linked(text: str, references: str) -> str:
    """The page with its citations leading to the entries of the page of references."""

    def entry(found: re.Match[str]) -> str:
        words, link = found.groups()
        key = works().get(link)
        to = f"{references}.html#cite-{key}"
        return f"<a class='citation' href='{to}'>{words}</a>" if key else found[0]

    return LINK.sub(entry, text)
