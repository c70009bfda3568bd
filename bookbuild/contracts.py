"""What figures show and chapters claim, as committed in `book/_contracts/<chapter>.json`.

A figure that shows something else than its contract says is a fault, and so is a claim that is
gone.  `make accept` writes a page with the old and the new pictures side by side, asks, and
rewrites the contracts; git shows what was accepted.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from bookbuild import claims
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
EXACT, DRAWN = 0.01, 0.02  # of an axis, on another machine: before anything is sampled, and after
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
    random: bool  # shows single draws: where they lie is another matter on another machine


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
            "single-draws" in cell["metadata"].get("tags", []),
        )
        for place, cell in cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", {}) and shown(cell, "figure", "name")
    ]


def shown(cell: Cell, kind: str, field: str) -> str:
    """What the metadata of a cell say of its figure: name, caption, alt."""
    return str(cell["metadata"].get("mystnb", {}).get(kind, {}).get(field, ""))


def words(description: Description) -> list[str]:
    """The title, labels and legend of a figure, and what is written in it."""
    found = [description.get("suptitle", ""), *description.get("texts", [])]
    for panel in description.get("axes", []):
        found += [panel["title"], panel["xlabel"], panel["ylabel"], *(t[0] for t in panel["texts"])]
    return found


def faults(chapter: str) -> list[str]:
    """Where the figures of a chapter differ from their contracts."""
    return [
        f"{chapter}, {name}: {difference}; if it is meant, look at it, then `make accept`"
        for name, found in differences(chapter).items()
        for difference in found
    ]


def differences(chapter: str) -> dict[str, list[str]]:
    """By figure, what its contract says and what it shows instead."""
    whole = read_json(contract(chapter)) if contract(chapter).is_file() else {}
    agreed, claimed = whole.get("figures", {}), whole.get("claims", [])
    drawn = {figure.name: figure for figure in figures(chapter)}
    found = {name: ["the chapter no longer draws this figure"] for name in agreed.keys() - drawn}
    for name, (*_, description, random) in drawn.items():
        if name in agreed:
            found[name] = [*changes(agreed[name], description or {}, random=random)]
        else:
            found[name] = ["new figure without a contract"]
    made = claimed_now(chapter)
    found["claims"] = [f"no longer claims {one!r}" for one in claimed if one not in made]
    return {name: found[name] for name in sorted(found) if found[name]}


def claimed_now(chapter: str) -> list[str]:
    """What a chapter claims, in words without digits."""
    return [re.sub(r"\d", "#", one) for made in claims.made(chapter).values() for one in made]


def changes(was: Description, now: Description, *, random: bool = False) -> Iterator[str]:
    """What a figure showed and shows instead; a `random` one may show it elsewhere."""
    near = DRAWN if was.get("sampled") else EXACT
    panels, drawn = was.get("axes", []), now.get("axes", [])
    yield from _changed("number of panels", len(panels), len(drawn))
    for number, (panel, other) in enumerate(zip(panels, drawn, strict=False), 1):
        found = [*_artists(panel, other, near, random=random), *_fields(panel, other, near)]
        yield from (f"panel {number} ({other.get('title') or 'no title'}): {one}" for one in found)
    yield from _fields(was, now, near)


def _fields(was: Description, now: Description, near: float) -> Iterator[str]:
    """Texts, scales and sizes that differ, on either side."""
    for field in sorted((was.keys() | now.keys()) - {"axes", "drawn"}):
        low, high = was.get(field, [0, 0]) if field in {"xlim", "ylim"} else (0, 0)
        within = near * abs(high - low)
        yield from _changed(field, was.get(field), now.get(field), near, within)


def _artists(was: Description, now: Description, near: float, *, random: bool) -> Iterator[str]:
    """What is drawn that was not, or no longer, or in other number, or elsewhere."""
    before, after = (
        {f"{group.get('kind')} {group.get('colour')}": group for group in panel.get("drawn", [])}
        for panel in (was, now)
    )
    for what in sorted(before.keys() ^ after.keys()):
        yield f"{what} is {'no longer' if what in before else 'newly'} drawn"
    across, up = (
        abs(limits[1] - limits[0]) for limits in (was.get("xlim", [0, 0]), was.get("ylim", [0, 0]))
    )
    spans = {"x": across, "y": up, "rising": 2, "falling": 2}
    for what in [] if random else sorted(before.keys() & after.keys()):
        group, other = before[what], after[what]
        for field in sorted(group.keys() | other.keys()):
            a, b = group.get(field), other.get(field)
            if near == DRAWN and field in spans:  # the ends of draws are anywhere
                a, b = (" ".join(str(value).split()[1:-1]) for value in (a, b))
            within = near * spans.get(field, 0)
            share = near if field in {"values", "sizes"} else 0
            yield from (f"{what}: {one}" for one in _changed(field, a, b, share, within))


def _changed(field: str, was: Any, now: Any, near: float = 0, within: float = 0) -> Iterator[str]:
    """The change, unless words are equal and numbers `near` each other or `within` a distance."""
    texts = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in (was, now)]
    same = len({NUMBER.sub("#", text) for text in texts}) == 1
    for pair in zip(*map(NUMBER.findall, texts), strict=False):
        one, other = (Decimal(number.replace(",", "").replace("−", "-")) for number in pair)
        last_digit = Decimal(1).scaleb(int(one.as_tuple().exponent)) if near == DRAWN else 0
        allowed = max(Decimal(near) * abs(one), Decimal(within), last_digit)
        same = same and abs(one - other) <= allowed
    if not same:
        yield f"{field} was {was!r}, is {now!r}"


def accept() -> None:
    """Write the side-by-side page, ask, then make what is drawn now the contract."""
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
    if os.environ.get("YES") != "1" and not _agreed():
        raise SystemExit("nothing accepted: look at the page, then say yes, or YES=1 make accept")
    for chapter in found:
        drawn = figures(chapter)
        shows = {figure.name: figure.description for figure in drawn}
        write_json(contract(chapter), {"figures": shows, "claims": claimed_now(chapter)})
        keep_pictures(chapter)
    for path in left_over():
        path.unlink()
    print("`git diff book/_contracts` shows what you accepted; ", end="")
    print("`git checkout book/_contracts` undoes it.")


def _agreed() -> bool:
    """Ask whoever sits at the terminal; nobody agrees to nothing."""
    try:
        return input("Accept all of this? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def keep_pictures(chapter: str) -> None:
    """Keep the pictures of a chapter that is as agreed, for the next one to be compared with."""
    for figure in figures(chapter):
        write(_accepted(chapter, figure.name), base64.b64decode(figure.png))


def left_over() -> list[Path]:
    """Contracts that belong to no chapter."""
    return sorted({*(BOOK / "_contracts").rglob("*.json")} - {contract(n) for n in chapters()})


def _accepted(chapter: str, name: str) -> Path:
    """The picture that was accepted last on this machine."""
    return PICTURES / chapter / f"{name}.png"


def _page(found: dict[str, dict[str, list[str]]]) -> str:
    """All figures beside the ones accepted before, the changed ones first."""
    drawn = [(chapter, figure) for chapter in found for figure in figures(chapter)]
    drawn.sort(key=lambda pair: pair[1].name not in found[pair[0]])
    pictures = (_accepted(chapter, figure.name) for chapter, figure in drawn)
    before = [base64.b64encode(p.read_bytes()).decode() if p.is_file() else "" for p in pictures]
    changed = [found[chapter].get(figure.name, ["no difference"]) for chapter, figure in drawn]
    template = Path(__file__).with_name("accept.html").read_text(encoding="utf-8")
    rows = zip(drawn, before, changed, strict=True)
    return str(jinja2.Template(template, autoescape=True).render(rows=rows))


if __name__ == "__main__":
    accept()
