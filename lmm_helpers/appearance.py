"""How the book's figures look: one colour for each county, black for what is pooled."""

import logging

import seaborn as sns

from lmm_helpers.bounce import COUNTY_SIZES

_COLOURS = ["#882255", "#cc6677", "#999933", "#44aa99", "#117733", "#5fa8d3", "#332288", "#aa4499"]
COUNTY_COLOURS = dict(zip(COUNTY_SIZES, _COLOURS, strict=True))
"""A colour for each county, told apart by colour-blind readers too (after Paul Tol's *muted*)."""

POOLED_COLOUR = "black"


def set_up_chapter() -> None:
    """Give figures the book's style and keep log lines that repeat an output off the page.

    Notes
    -----
    Source: every chapter calls this in its first cell.

    Examples
    --------
    >>> set_up_chapter()
    >>> import matplotlib
    >>> matplotlib.rcParams["axes.titlelocation"]
    'left'
    """
    sns.set_theme(
        context="notebook",
        style="ticks",
        rc={
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "figure.dpi": 100,
            "figure.figsize": (9.0, 4.8),
            "figure.titleweight": "bold",
            "grid.alpha": 0.35,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
        },
    )
    for library in ("pymc", "bambi", "nutpie"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("arviz_stats.psense").setLevel(logging.ERROR)
