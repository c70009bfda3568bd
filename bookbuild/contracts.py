"""The contracts of the figures: what each one shows, committed as `book/_contracts/<chapter>.json`.

A figure that no longer shows what its contract says is a fault.  `doit accept` writes a page with
the old and the new pictures side by side and rewrites the contracts; git shows what was accepted.
"""

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bookbuild.chapters import (
    BOOK,
    BUILD,
    Cell,
    Place,
    chapters,
    code_cells,
    executed,
    read_json,
    read_notebook,
    write,
    write_json,
)

PAGE = BUILD / "accept.html"
PICTURES = BUILD / "accepted"
TOLERANCE = 0.02  # of the span of an axis: the same figure on another machine
NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")

Description = dict[str, Any]


class Figure(NamedTuple):
    """A figure as it was drawn when its chapter was executed."""

    name: str
    place: Place
    alt: str
    caption: str
    png: str
    description: Description | None


def contract(chapter: str) -> Path:
    """The file that holds the contracts of a chapter."""
    return BOOK / "_contracts" / f"{chapter}.json"


def figures(chapter: str) -> list[Figure]:
    """The named figures of an executed chapter."""
    cells = code_cells(chapter, read_notebook(executed(chapter)))
    return [
        Figure(
            shown(cell, "figure", "name"),
            place,
            shown(cell, "image", "alt"),
            shown(cell, "figure", "caption"),
            output["data"]["image/png"],
            output.get("metadata", {}).get("image/png", {}).get("figure"),
        )
        for place, cell in cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", {}) and shown(cell, "figure", "name")
    ]


def shown(cell: Cell, kind: str, field: str) -> str:
    """What the metadata of a cell say of its figure: name, caption, alt."""
    return str(cell["metadata"].get("mystnb", {}).get(kind, {}).get(field, ""))


def faults(chapter: str) -> list[str]:
    """Where the figures of a chapter differ from their contracts."""
    return [
        f"{chapter}, {name}: {difference}; if it is meant, look at it, then `make accept`"
        for name, found in differences(chapter).items()
        for difference in found
    ]


def differences(chapter: str) -> dict[str, list[str]]:
    """By figure, what its contract says and what it shows instead."""
    agreed = read_json(contract(chapter)) if contract(chapter).is_file() else {}
    drawn = {figure.name: figure.description or {} for figure in figures(chapter)}
    found = {name: ["the chapter no longer draws this figure"] for name in agreed.keys() - drawn}
    for name, description in drawn.items():
        if name in agreed:
            found[name] = list(_differences(agreed[name], description))
        else:
            found[name] = ["new figure without a contract"]
    return {name: found[name] for name in sorted(found) if found[name]}


def _differences(was: Description, now: Description) -> Iterator[str]:
    for field in ("size", "suptitle", "legends", "texts"):
        yield from _changed(field, was.get(field), now.get(field))
    panels, drawn = was.get("axes", []), now.get("axes", [])
    yield from _changed("number of panels", len(panels), len(drawn))
    if len(panels) == len(drawn):
        for number, (panel, other) in enumerate(zip(panels, drawn, strict=True), 1):
            for field in panel:
                for change in _changed(field, panel[field], other.get(field)):
                    yield f"panel {number} ({panel['title'] or 'no title'}): {change}"


def _changed(field: str, was: Any, now: Any) -> Iterator[str]:
    if field in {"title", "suptitle"}:
        same = NUMBER.sub("#", was or "") == NUMBER.sub("#", now or "")
    elif field in {"xlim", "ylim"} and was and now:
        near = TOLERANCE * abs(was[1] - was[0])
        same = all(abs(a - b) <= near for a, b in zip(was, now, strict=True))
    else:
        same = was == now
    if not same:
        yield f"{field} was {was!r}, is {now!r}"


def accept() -> None:
    """Write the side-by-side page, then make what is drawn now the contract."""
    found = {chapter: differences(chapter) for chapter in chapters()}
    undescribed = [f for chapter in found for f in figures(chapter) if f.description is None]
    if undescribed:
        names = ", ".join(f"{figure.place}: {figure.name}" for figure in undescribed)
        raise SystemExit(f"nothing accepted: drawn outside matplotlib's inline backend: {names}")
    write(PAGE, _page(found))
    print(f"The figures, before and after: {PAGE.absolute().as_uri()}")
    for chapter, changes in found.items():
        for name, changed in changes.items():
            print(f"  {chapter}, {name}: {'; '.join(changed)}")
        drawn = figures(chapter)
        write_json(contract(chapter), {figure.name: figure.description for figure in drawn})
        for figure in drawn:
            write(_accepted(chapter, figure.name), base64.b64decode(figure.png))
    for path in _contracts_without_chapter(list(found)):
        path.unlink()
    print("`git diff book/_contracts` shows what you accepted; ", end="")
    print("`git checkout book/_contracts` undoes it.")


def _contracts_without_chapter(names: list[str]) -> list[Path]:
    return sorted({*(BOOK / "_contracts").rglob("*.json")} - {contract(name) for name in names})


def faults_of_the_book() -> list[str]:
    """Contracts that belong to no chapter."""
    return [
        f"{path} belongs to no chapter of _toc.yml: delete it"
        for path in _contracts_without_chapter(chapters())
    ]


def _accepted(chapter: str, name: str) -> Path:
    """The picture that was accepted last on this machine."""
    return PICTURES / chapter / f"{name}.png"


def _page(found: dict[str, dict[str, list[str]]]) -> str:
    """All figures beside the ones accepted before, the changed ones first."""
    drawn = [(chapter, figure) for chapter in found for figure in figures(chapter)]
    drawn.sort(key=lambda pair: pair[1].name not in found[pair[0]])
    rows = "".join(_row(chapter, f, found[chapter].get(f.name, [])) for chapter, f in drawn)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Figures to accept</title>'
        "<style>body{font:16px sans-serif;margin:2em}img{max-width:100%}section{display:grid;"
        "grid-template-columns:1fr 1fr;gap:1em;border-top:1px solid}header{grid-column:1/3}"
        f"</style><h1>Figures: accepted before, and now</h1>{rows}</html>\n"
    )


def _row(chapter: str, figure: Figure, changes: list[str]) -> str:
    accepted = _accepted(chapter, figure.name)
    before = "<p>no earlier picture on this machine</p>"
    if accepted.is_file():
        before = _picture(base64.b64encode(accepted.read_bytes()).decode(), "as accepted before")
    items = "".join(f"<li>{html.escape(change)}</li>" for change in changes or ["no difference"])
    return (
        f"<section><header><h2>{html.escape(f'{chapter}: {figure.name}')}</h2><ul>{items}</ul>"
        f"<p>Caption: {html.escape(figure.caption)}</p><p>Alt: {html.escape(figure.alt)}</p>"
        f"</header><div>{before}</div><div>{_picture(figure.png, figure.alt)}</div></section>"
    )


def _picture(png: str, alt: str) -> str:
    return f'<img src="data:image/png;base64,{html.escape(png)}" alt="{html.escape(alt)}">'


if __name__ == "__main__":
    accept()
