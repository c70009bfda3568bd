"""Run at the start of every kernel: figures and verdicts are stored with notes on themselves.

Each figure gets a description of what it shows, each verdict on a fit the speed of its sampler.

IPython reads this file as the kernel's configuration, in a namespace of its own: no name of it
reaches a chapter.  IPython's PNG printer is wrapped where the inline backend looks it up, so the
description is made whenever the backend is activated; without matplotlib nothing happens.
"""

import ctypes
import logging
import signal
import sys
from collections import Counter
from typing import Any

from IPython.core import pylabtools
from IPython.core.formatters import HTMLFormatter

from bookbuild.kernel_reads import note_reads


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


def _kinds(axes: Any) -> dict[str, int]:
    """How many artists of each class the axes hold; those within a container count as one."""
    held = {id(child) for container in axes.containers for child in container.get_children()}
    drawn = [*axes.lines, *axes.collections, *axes.patches, *axes.images, *axes.texts]
    free = [artist for artist in drawn if id(artist) not in held and artist.get_visible()]
    return dict(sorted(Counter(type(a).__name__ for a in [*free, *axes.containers]).items()))


def _entries(legend: Any) -> list[str]:
    return [text.get_text() for text in [legend.get_title(), *legend.get_texts()]]


def _panel(axes: Any) -> dict[str, Any]:
    """What one panel of a figure shows."""
    legend = axes.get_legend()
    titles = (axes.get_title(loc=loc) for loc in ("left", "center", "right"))
    return {
        "title": " | ".join(title for title in titles if title),
        "xlabel": axes.get_xlabel(),
        "ylabel": axes.get_ylabel(),
        "xlim": [_rounded(limit) for limit in axes.get_xlim()],
        "ylim": [_rounded(limit) for limit in axes.get_ylim()],
        "xscale": axes.get_xscale(),
        "yscale": axes.get_yscale(),
        "artists": _kinds(axes),
        "legend": _entries(legend) if legend else None,
    }


def _description(figure: Any) -> dict[str, Any]:
    """What a figure shows, without its pixels."""
    return {
        "size": [_rounded(inches) for inches in figure.get_size_inches()],
        "suptitle": figure.get_suptitle(),
        "axes": [_panel(axes) for axes in figure.axes if axes.get_visible()],
        "legends": [_entries(legend) for legend in figure.legends],
        "texts": sum(text.get_visible() for text in figure.texts) - bool(figure.get_suptitle()),
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


def _time_verdicts() -> None:
    """Store beside the table of `check_convergence` what it notes of the sampler's speed."""
    formatter: Any = HTMLFormatter
    plain = formatter.__call__

    def timed(self: Any, shown: Any) -> Any:
        html = plain(self, shown)
        sampling = getattr(shown, "attrs", {})
        if html is None or not isinstance(sampling, dict) or "sampling_seconds" not in sampling:
            return html
        return html, {"sampling": sampling}

    formatter.__call__ = timed


note_reads()
_die_with_the_press()
_end_quietly()
_time_verdicts()
_describe_figures()
