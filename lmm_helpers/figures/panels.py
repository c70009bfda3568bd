"""Names for the panels of a figure that ArviZ has drawn."""

from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure


def name_panels(plots: Any, title: str, panels: Iterable[str], **properties: Any) -> Figure:
    """Give an ArviZ figure a title, its panels names, and all of them the same properties.

    Parameters
    ----------
    plots
        The ``PlotCollection`` that a function such as ``arviz.plot_trace`` returns, drawn by
        matplotlib.
    title
        Title of the figure, set to the left above it.
    panels
        A name for each panel, in reading order; panels beyond the last name keep their titles.
    **properties
        What ``matplotlib.axes.Axes.set`` takes, as ``xlabel`` or ``ylim``, for every panel.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, to be drawn upon further.

    Raises
    ------
    ValueError
        If there are more names than panels.

    Notes
    -----
    ArviZ labels a panel by its variable and coordinates. Where a figure compares models or
    counties, their names say more. Source: chapters 4 and 5.

    See Also
    --------
    arviz.plot_trace, arviz.plot_loo_pit : Functions whose figures it names.
    set_up_chapter : The style of all figures.

    Examples
    --------
    >>> import arviz as az, numpy as np
    >>> fit = az.from_dict({"posterior": {"slope": np.zeros((2, 10))}})
    >>> plots = az.plot_trace(fit, var_names="slope")
    >>> figure = name_panels(plots, "Two chains that never move", ["the slope"], ylim=(-1, 1))
    >>> figure.get_suptitle()
    'Two chains that never move'
    """
    figure: Figure = plots.viz["figure"].item()
    names = list(panels)
    if len(names) > len(figure.axes):
        raise ValueError(f"there are {len(names)} names for {len(figure.axes)} panels.")
    figure.suptitle(title, x=0.01, y=1.03, ha="left")
    for ax, name in zip(figure.axes, names, strict=False):
        ax.set_title(name, fontsize=12)
    for ax in figure.axes:
        ax.set(**properties)
    return figure
