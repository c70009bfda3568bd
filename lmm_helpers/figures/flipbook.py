"""The flip-book: data sets imagined by priors, page by page, beside the real one."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lmm_helpers.checks._groups import column_of, group_labels
from lmm_helpers.checks.plausibility import Simulated, simulated_pages
from lmm_helpers.figures.palette import COUNTY_COLOURS

SIDE = 1000  # a panel is drawn on a square of this side and stretched to the room there is
PRINTED_PAGES = 3  # of each book, for print and for readers without JavaScript
THEMES = {"light": ("#ffffff", "black"), "dark": ("#121212", "white")}  # paper as in flipbook.css
CONTRAST = 3.0  # of dots against paper (WCAG 2.2, 1.4.11)
FARTHEST = 30_000  # a line that ends farther out, in thousandths of the axis, is drawn to here

Codes = NDArray[np.uint16]
Ends = NDArray[np.int16]


class _Run(NamedTuple):
    """One group: where its dots begin and end, the rows its line joins, and its colour."""

    group: str
    start: int
    stop: int
    left: int
    right: int
    style: str


class _Page(NamedTuple):
    """What stands on one page: the dots, and the heights of each group's line at its two ends."""

    codes: Codes
    ends: Ends | None = None


def flipbook(
    books: Mapping[str, Simulated],
    *,
    real: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    xlabel: str,
    ylabel: str,
    ylim: tuple[float, float],
    alt: str,
    caption: str = "",
    lines: Mapping[str, Simulated] = MappingProxyType({}),
    palette: Mapping[str, str] = COUNTY_COLOURS,
    page_names: Sequence[str] = (),
) -> HTML:
    """Bind simulated data sets into a player that shows them page by page beside the real one.

    Parameters
    ----------
    books
        By name, data sets simulated from one prior each: arrays of the shape (pages, rows) or
        what ``bambi.Model.prior_predictive`` gives, as in `plausibility`. Rows as in `real`,
        at least two pages, equally many in all books.
    real
        The real data, one row a visit.
    x, y, hue
        Columns of `real`: the predictor, the response (whose unit the books share) and the
        group that has a colour.
    xlabel, ylabel
        Labels of the axes, with their units.
    ylim
        Lower and upper end of every panel's vertical axis, in the unit of `y`. Values beyond
        are counted in the panel instead of drawn.
    alt
        What the figure looks like, for readers who do not see it.
    caption
        What to see, as plain text below the figure.
    lines
        By name of a book, the expected response of each row on each page, in the shape of the
        book: ``prior["prior"]["mu"]`` of a Bambi model. It is drawn as one line a group, from the
        smallest to the largest `x` of its rows; books without an entry show dots alone.
    palette
        A colour for each group; it is darkened or lightened where it could not be seen.
    page_names
        What each page stands for, if pages are steps and not draws. Named pages are printed from
        the first to the last, evenly spread.

    Returns
    -------
    IPython.display.HTML
        One fragment that needs no server and loads nothing: a grid of the first pages, in
        whose place a script puts the player. The same arguments give the same bytes.

    Raises
    ------
    ValueError
        If a column, a colour or `alt` is missing, if the real data have missing or infinite
        values, if `ylim` is no interval, if `page_names` are not one for each page, if the books
        are not as described above, or if `lines` do not fit the books or bend within a group.

    Notes
    -----
    A value is drawn to a thousandth of `ylim`; infinite ones count as beyond it. Source: chapter
    2; the idea is the hypothetical outcome plot of Hullman et al. (2015).

    See Also
    --------
    plausibility : The same data sets in numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from lmm_helpers import load_bounce
    >>> visits = load_bounce()
    >>> pages = np.random.default_rng(1).normal(200, 50, size=(4, len(visits)))
    >>> player = flipbook({"a guess": pages}, real=visits, x="age", y="bounce_time", hue="county",
    ...                   xlabel="age (years)", ylabel="time (seconds)", ylim=(0, 400),
    ...                   alt="Times against age: the real ones, and four guessed data sets.")
    >>> "a guess" in player.data, len(player.data) < 100_000
    (True, True)
    """
    if not alt.strip():
        raise ValueError("alt is empty; say what the figure looks like.")
    if not (np.isfinite(ylim).all() and ylim[0] < ylim[1]):
        raise ValueError(f"ylim is {ylim!r}; it must be (lower, upper), two finite numbers.")
    across, times = _numbers(real, x), _numbers(real, y)
    order, runs = _runs(real, hue, palette, across)
    pages = _pages(books, rows=len(real))
    last = len(next(iter(pages.values())))
    if len(page_names) not in (0, last):
        raise ValueError(f"page_names holds {len(page_names)} names for {last} pages; name each.")
    xlim = _padded(across)
    columns = np.rint(SIDE * (across[order] - xlim[0]) / (xlim[1] - xlim[0])).astype(int)
    furniture = _furniture(xlim, ylim, xlabel, ylabel)
    codes = {name: _encoded(page[:, order], ylim) for name, page in pages.items()}
    ends = {
        name: _line_ends(line[:, order], across[order], runs, ylim, name=name)
        for name, line in _lines(lines, pages, rows=len(real)).items()
    }
    panels = [_panel("real data", _Page(_encoded(times[order], ylim)), columns, runs, furniture)]
    stop = last if page_names else min(PRINTED_PAGES, last)
    printed = np.unique(np.linspace(1, stop, PRINTED_PAGES).round().astype(int)).tolist()
    for name, book in codes.items():
        for number in printed:
            label = f"page {number}" + (f": {page_names[number - 1]}" if page_names else "")
            page = _Page(book[number - 1], ends[name][number - 1] if name in ends else None)
            panels.append(_panel(name, page, columns, runs, furniture, page=number, label=label))
    data = {
        "x": columns.tolist(),
        "runs": [[run.start, run.stop] for run in runs],
        "ends": [[run.left, run.right] for run in runs],
        "pages": last,
        "names": list(page_names),
        "books": [_base64(book.astype("<u2")) for book in codes.values()],
        "lines": [_base64(ends[name].astype("<i2")) if name in ends else "" for name in codes],
    }
    legend = "".join(
        f'<span class="flipbook-group" style="{run.style}">{escape(run.group)}</span>'
        for run in sorted(runs, key=lambda run: list(palette).index(run.group))
    )
    return HTML(  # type: ignore[no-untyped-call]
        f'<figure class="flipbook"><style>{_part("flipbook.css")}</style>'
        f'<div class="flipbook-grid" role="img" aria-label="{escape(alt)}">{"".join(panels)}</div>'
        f'<div class="flipbook-legend">{legend}</div>'
        f"{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}"
        f'<script type="application/json">{_embedded(data)}</script>'
        f"<script>{_part('flipbook.js')}</script></figure>"
    )


def _base64(numbers: Codes | Ends) -> str:
    """Write the bytes of an array as text."""
    return base64.b64encode(numbers.tobytes()).decode()


def _embedded(data: Mapping[str, object]) -> str:
    """Write data as JSON that no name can lead out of its script element."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    """Read a file that ships beside this module."""
    return files("lmm_helpers.figures").joinpath(name).read_text(encoding="utf-8")


def _numbers(real: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Give a column of finite numbers."""
    column = column_of(real, name)
    if not pd.api.types.is_numeric_dtype(column):
        raise ValueError(f"column {name!r} does not hold numbers; convert it with astype(float).")
    numbers = column.to_numpy(dtype=float, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise ValueError(
            f"column {name!r}, row {bad[0]}: {numbers[bad[0]]} cannot be drawn; drop the row."
        )
    return numbers


def _runs(
    real: pd.DataFrame, hue: str, palette: Mapping[str, str], across: NDArray[np.float64]
) -> tuple[NDArray[np.intp], list[_Run]]:
    """Sort the rows by group, the largest first so that small groups are drawn on top."""
    labels = group_labels(column_of(real, hue)).cat
    without = [name for name in labels.categories if name not in palette]
    if without:
        raise ValueError(f"palette has no colour for {without[0]!r}; add one, as '#882255'.")
    styles = _styles(palette)
    codes = labels.codes.to_numpy()
    rows, runs, start = [], [], 0
    for code in np.argsort(-np.bincount(codes), kind="stable").tolist():
        own, name = np.flatnonzero(codes == code), labels.categories[code]
        left, right = (start + int(find(across[own])) for find in (np.argmin, np.argmax))
        runs.append(_Run(name, start, start + len(own), left, right, styles[name]))
        rows.append(own)
        start += len(own)
    return np.concatenate(rows), runs


def _pages(books: Mapping[str, Simulated], *, rows: int) -> dict[str, NDArray[np.float64]]:
    """Check that the books can be shown side by side."""
    if not books:
        raise ValueError("books is empty; give at least one, as {'a prior': pages}.")
    pages = {
        name: simulated_pages(book, rows=rows, name=f"books[{name!r}]")
        for name, book in books.items()
    }
    lengths = {name: len(book) for name, book in pages.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"books have unequal numbers of pages, {lengths}; draw equally many.")
    if min(lengths.values()) < 2:
        raise ValueError("books have one page; draw more, as in prior_predictive(draws=30).")
    return pages


def _lines(
    lines: Mapping[str, Simulated], pages: Mapping[str, NDArray[np.float64]], *, rows: int
) -> dict[str, NDArray[np.float64]]:
    """Check that each set of lines belongs to a book and has its pages."""
    expected = {}
    for name, line in lines.items():
        if name not in pages:
            raise ValueError(f"lines has {name!r}, which is no book; books are {list(pages)}.")
        expected[name] = simulated_pages(line, rows=rows, name=f"lines[{name!r}]")
        if len(expected[name]) != len(pages[name]):
            raise ValueError(
                f"lines[{name!r}] has {len(expected[name])} pages, its book {len(pages[name])}; "
                "take both from the same draws."
            )
    return expected


def _line_ends(
    expected: NDArray[np.float64],
    across: NDArray[np.float64],
    runs: list[_Run],
    ylim: tuple[float, float],
    *,
    name: str,
) -> Ends:
    """Give the heights of each group's line at its ends, on each page, from the top."""
    low, high = ylim
    ends = np.empty((len(expected), len(runs), 2), dtype=np.int16)
    for number, run in enumerate(runs):
        own, places = expected[:, run.start : run.stop], across[run.start : run.stop]
        first, last = expected[:, [run.left]], expected[:, [run.right]]
        width = across[run.right] - across[run.left] or 1.0
        straight = first + (last - first) * (places - across[run.left]) / width
        bent = ~np.isclose(own, straight, rtol=1e-6, atol=1e-3 * (high - low)).all(axis=1)
        if bent.any():
            raise ValueError(
                f"lines[{name!r}] bends in {run.group!r} on page {bent.argmax() + 1}; give what "
                "the model expects of each row, such as prior['prior']['mu']."
            )
        heights = SIDE * (high - expected[:, [run.left, run.right]]) / (high - low)
        ends[:, number] = np.rint(np.clip(heights, -FARTHEST, FARTHEST))
    return ends


def _encoded(values: NDArray[np.float64], ylim: tuple[float, float]) -> Codes:
    """Count down from the upper limit: 0 is above the page, SIDE + 2 below, between lies 1 + y."""
    low, high = ylim
    inside = 1 + np.rint(SIDE * ((high - np.clip(values, low, high)) / (high - low)))
    return np.where(values > high, 0, np.where(values < low, SIDE + 2, inside)).astype(np.uint16)


def _padded(values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits that leave some air around the outermost dots."""
    low, high = values.min(), values.max()
    air = 0.04 * (high - low) or 0.5
    return float(low - air), float(high + air)


def _furniture(
    xlim: tuple[float, float], ylim: tuple[float, float], xlabel: str, ylabel: str
) -> str:
    """Draw what all panels share: rules, ticks and labels."""
    marks, rules = "", ""
    for axis, (low, high), edge in (("x", xlim, "left"), ("y", ylim, "bottom")):
        for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high):
            if low <= tick <= high:
                place = (tick - low) / (high - low)
                text = f"{tick:g}".replace("-", "\N{MINUS SIGN}")
                marks += (
                    f'<span class="flipbook-{axis}tick" style="{edge}:{place:.2%}">{text}</span>'
                )
                across, up = round(SIDE * place), round(SIDE * (1 - place))
                rules += f"M{across} 0V{SIDE}" if axis == "x" else f"M0 {up}H{SIDE}"
    labels = f'<span class="flipbook-xlabel">{escape(xlabel)}</span>'
    labels += f'<span class="flipbook-ylabel">{escape(ylabel)}</span>'
    svg = f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" aria-hidden="true">'
    zero = round(SIDE * ylim[1] / (ylim[1] - ylim[0]))
    baseline = f'<path class="flipbook-zero" d="M0 {zero}H{SIDE}"/>' if 0 < zero < SIDE else ""
    return f'{marks}{labels}{svg}<path class="flipbook-rules" d="{rules}"/>{baseline}'


def _panel(
    name: str,
    drawn: _Page,
    columns: NDArray[np.int_],
    runs: list[_Run],
    furniture: str,
    *,
    page: int | None = None,
    label: str = "",
) -> str:
    """Draw one data set; flipbook.js writes later pages over it in the same way."""
    codes, ends = drawn
    above, below = int((codes == 0).sum()), int((codes == SIDE + 2).sum())
    shown = len(codes) - above - below
    count = f"▲ {above} above · ▼ {below} below · {shown} shown"
    places = [
        f"M{across} {code - 1}h1" if 0 < code < SIDE + 2 else ""
        for across, code in zip(columns.tolist(), codes.tolist(), strict=True)
    ]
    dots = "".join(
        f'<path class="flipbook-group" style="{run.style}" '
        f'd="{"".join(places[run.start : run.stop])}"/>'
        for run in runs
    )
    if ends is not None:
        dots += "".join(
            f'<path class="flipbook-line" style="{run.style}" '
            f'd="M{columns[run.left]} {begin}L{columns[run.right]} {end}"/>'
            for run, (begin, end) in zip(runs, ends.tolist(), strict=True)
        )
    title = f'<span class="flipbook-name">{escape(name)}</span>'
    if page is not None:
        title += f'<span class="flipbook-number">, {escape(label)}</span>'
    return (
        f'<div class="flipbook-panel{"" if page is None else f" flipbook-page-{page}"}">'
        f'<div class="flipbook-title">{title}</div>'
        f'<div class="flipbook-count">{count if above or below else f"all {shown} shown"}</div>'
        f'<div class="flipbook-plot">{furniture}{dots}</svg></div></div>'
    )


def _styles(palette: Mapping[str, str]) -> dict[str, str]:
    """Give each group its colour for every theme, as CSS.

    The whole palette is mixed with as little black or white as makes every colour stand out from
    the paper, so that colours keep their distances from each other.
    """
    colours = np.array([to_rgb(colour) for colour in palette.values()])
    styles = dict.fromkeys(palette, "")
    for theme, (paper, ink) in THEMES.items():
        mixtures = (colours + share * (to_rgb(ink) - colours) for share in np.linspace(0, 1, 41))
        mixed = next(colours for colours in mixtures if _contrast(colours, paper).min() >= CONTRAST)
        for group, (red, green, blue) in zip(palette, mixed, strict=True):
            styles[group] += f"--{theme}:{to_hex((red, green, blue))};"
    return styles


def _contrast(colours: NDArray[np.float64], paper: str) -> NDArray[np.float64]:
    """Compute contrast ratios as in WCAG 2.2, from 1 to 21."""
    channels = np.vstack([colours, to_rgb(paper)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    *own, behind = linear @ [0.2126, 0.7152, 0.0722] + 0.05
    return np.array([max(light, behind) / min(light, behind) for light in own])
