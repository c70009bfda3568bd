"""How the book's figures look: one colour for each county."""

import logging

import pytensor.configdefaults
import seaborn as sns

from lmm_helpers.data.bounce import COUNTY_SIZES

_COLOURS = ["#882255", "#cc6677", "#999933", "#00a78f", "#117733", "#6e97c9", "#332288", "#aa4499"]
COUNTY_COLOURS = dict(zip(COUNTY_SIZES, _COLOURS, strict=True))
"""A colour for each county, after Paul Tol's *muted*.

Each stands out from white by at least 3:1 and can be told from the others by colour-blind readers.
"""


def set_up_chapter() -> None:
    """Give figures the book's style, and make draws depend on the seed alone.

    Log lines that only repeat an output are kept off the page.

    Notes
    -----
    PyTensor lets Numba reorder arithmetic ("fast maths"), otherwise in a function compiled just now
    than in one from the cache, and after some steps the draws differ. Without it a seed fixes the
    draws, and sampling is as fast. Source: every chapter calls this in its first cell.

    See Also
    --------
    name_panels : Titles for the figures of ArviZ.

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
    pytensor.configdefaults.config.numba__fastmath = False
    for library in ("pymc", "bambi", "nutpie"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("arviz_stats.psense").setLevel(logging.ERROR)
