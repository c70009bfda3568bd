"""Run at the start of every kernel: each figure is stored with a description of what it shows.

IPython reads this file as the kernel's configuration, in a namespace of its own: no name of it
reaches a chapter.  IPython's PNG printer is wrapped where the inline backend looks it up, so the
description is made whenever the backend is activated; without matplotlib nothing happens.
"""

import ctypes
import logging
import math
import os
import re
import signal
import sys
from collections.abc import Sized
from typing import Any

from IPython.core import pylabtools


def _note_reads() -> None:
    """Note what is loaded already, and from now on each file at its first opening."""
    notes = os.open(os.environ["BOOK_READS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    seen: set[str | bytes] = set()

    def note(path: Any) -> None:
        if isinstance(path, str | bytes) and path not in seen:
            seen.add(path)
            os.write(notes, os.fsencode(os.path.abspath(path)) + b"\0")  # noqa: PTH100

    for module in list(sys.modules.values()):
        note(getattr(module, "__file__", None))
    sys.addaudithook(
        lambda event, values: note(values[0]) if event in {"open", "os.scandir"} else None
    )


def _die_with_the_press() -> None:
    """On Linux, a kernel ends at once when the process that started it is killed."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _end_quietly() -> None:
    """A kernel that is told to end may answer through a socket already closed, and log that."""
    for log in ("tornado.general", "tornado.application"):
        logging.getLogger(log).setLevel(logging.CRITICAL)


def _rounded(number: float) -> float:
    """Six significant digits, and no negative zero."""
    return float(f"{float(number):.6g}") + 0.0


def _colours(artist: Any) -> list[str]:
    """Colours with their opacity, of the face or else of the line: one, or one a part."""
    from matplotlib.colors import to_hex, to_rgba_array

    for of in ("get_facecolor", "get_color", "get_edgecolor"):
        given: Any = getattr(artist, of, list)()
        alpha = artist.get_alpha() if of == "get_color" else None
        rgba = to_rgba_array(given, None if isinstance(alpha, Sized) else alpha)
        if any(opacity > 0 for *_, opacity in rgba):
            return [to_hex(one, keep_alpha=True) for one in rgba]
    return ["none"]


def _parts(artist: Any) -> list[Any]:
    """Where the points of an artist lie on the canvas: an array a part."""
    if hasattr(artist, "get_extent"):  # an image: two corners
        left, right, low, high = artist.get_extent()
        return [artist.axes.transData.transform([(left, low), (right, high)])]
    if hasattr(artist, "get_offsets") and artist.get_offsets().any():
        points = artist.get_offset_transform().transform(artist.get_offsets().filled(math.nan))
        return [*points[:, None]]
    if hasattr(artist, "get_text"):
        return [artist.get_transform().transform([artist.get_unitless_position()])]
    paths = artist.get_paths() if hasattr(artist, "get_paths") else [artist.get_path()]
    close = 79  # the code of a vertex that is none
    whole = [(path.vertices, path.codes) for path in paths]
    vertices = [points if codes is None else points[codes != close] for points, codes in whole]
    return [artist.get_transform().transform(points) for points in vertices]


def _drawn(axes: Any) -> list[dict[str, Any]]:
    """What is drawn, by kind and colour: how much of it, how large, and where its points lie."""
    groups: dict[tuple[str, str], list[Any]] = {}
    values: dict[tuple[str, str], dict[str, str]] = {}
    artists = [*axes.lines, *axes.collections, *axes.patches, *axes.images, *axes.texts]
    for artist in (one for one in artists if one.get_visible()):
        kind, style, held = type(artist).__name__, "", {}
        colours, array = _colours(artist), getattr(artist, "get_array", lambda: None)()
        if kind == "Line2D":
            style = f" {artist.get_linestyle()} {artist.get_marker()}"
        elif hasattr(artist, "get_text"):  # by its words: each has its place
            kind = f"Text {re.sub(r'[\d.,−-]+', '#', _words(artist))!r}"
        elif array is not None:  # of numbers shown as colours
            colours, style, held = [""], artist.get_cmap().name, {"values": _five(array)}
        elif kind == "PathCollection":
            style = f" of {sum(len(path.vertices) for path in artist.get_paths()[:1])} corners"
            held = {"sizes": _five(artist.get_sizes())}
        for number, points in enumerate(_parts(artist)):
            colour = colours[number % len(colours)] + style
            groups.setdefault((kind, colour), []).append(points)
            values[kind, colour] = held
    return [
        {"kind": kind, "colour": colour, "count": len(parts)}
        | _summary(parts, axes)
        | values[kind, colour]
        for (kind, colour), parts in sorted(groups.items())
    ]


def _summary(parts: list[Any], axes: Any) -> dict[str, Any]:
    """Five numbers of the points along both axes, and along both diagonals of the panel."""
    import numpy as np

    across, up = axes.transAxes.inverted().transform(np.concatenate(parts)).T
    # In the units of the axes; of their logarithms, where they are logarithmic.
    x, y = axes.transLimits.inverted().transform(np.column_stack([across, up])).T
    along = {"x": x, "y": y, "rising": across + up, "falling": across - up}
    return {"points": len(x), **{name: _five(values) for name, values in along.items()}}


def _five(values: Any) -> str:
    """The ends, the quartiles and the median of what is a number."""
    import numpy as np

    finite = np.ma.masked_invalid(values).compressed()
    found: Any = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1]) if len(finite) else []
    return " ".join(f"{one:.5g}" for one in np.round(found, 9) + 0.0)


def _entries(legend: Any) -> list[Any]:
    """The title of a legend, then what it says of which colour."""
    keys = zip(legend.texts, legend.legend_handles, strict=False)
    return [_words(legend.get_title()), *([_words(t), _colours(key)[0]] for t, key in keys)]


def _words(text: Any) -> str:
    return str(text.get_text())


def _ticks(axis: Any) -> list[str] | None:
    """The labels of ticks that somebody set; those that follow from the limits say nothing."""
    if type(axis.get_major_locator()).__name__ not in {"FixedLocator", "StrCategoryLocator"}:
        return None
    return [str(one) for one in axis.get_major_formatter().format_ticks(axis.get_majorticklocs())]


def _panel(axes: Any) -> dict[str, Any]:
    """What one panel of a figure shows."""
    legend = axes.get_legend()
    titles = (axes.get_title(loc=loc) for loc in ("left", "center", "right"))
    limits = axes.transLimits.inverted().transform([(0, 0), (1, 1)])
    return {
        "title": " | ".join(title for title in titles if title),
        "xlabel": axes.get_xlabel(),
        "ylabel": axes.get_ylabel(),
        "xlim": [_rounded(limit) for limit in limits[:, 0]],
        "ylim": [_rounded(limit) for limit in limits[:, 1]],
        "xscale": axes.get_xscale(),
        "yscale": axes.get_yscale(),
        "xticks": _ticks(axes.xaxis),
        "yticks": _ticks(axes.yaxis),
        "drawn": _drawn(axes),
        "texts": [[_words(t), _colours(t)[0]] for t in axes.texts if t.get_visible()],
        "legend": _entries(legend) if legend else None,
    }


def _description(figure: Any) -> dict[str, Any]:
    """What a figure shows, without its pixels."""
    registry: Any = sys.modules.get("bookbuild.kernel_registry")
    panels = [*figure.axes, *(inset for axes in figure.axes for inset in axes.child_axes)]
    return {
        "size": [_rounded(inches) for inches in figure.get_size_inches()],
        "sampled": bool(registry and registry.fits),  # before it was drawn
        "suptitle": figure.get_suptitle(),
        "axes": [_panel(axes) for axes in panels if axes.get_visible()],
        "legends": [_entries(legend) for legend in figure.legends],
        "texts": [_words(text) for text in figure.texts if text.get_visible()],
    }


def _describe_figures() -> None:
    """Make every PNG of a figure twice as fine, and give it its description."""
    tools: Any = pylabtools
    plain, fine = tools.print_figure, tools.retina_figure

    def described(figure: Any, fmt: str = "png", base64: bool = False, **style: Any) -> Any:
        if fmt != "png" or not base64:
            return plain(figure, fmt=fmt, base64=base64, **style)
        drawn = fine(figure, base64=True, **style)
        if drawn is None:  # an empty figure
            return None
        png, metadata = drawn
        return png, {**metadata, "figure": _description(figure)}

    def described_fine(figure: Any, base64: bool = False, **style: Any) -> Any:
        return described(figure, base64=base64, **style)

    tools.print_figure, tools.retina_figure = described, described_fine


_note_reads()
_die_with_the_press()
_end_quietly()
_describe_figures()
