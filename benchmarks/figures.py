"""A figure for each question, drawn from its table: what README shows."""

import math
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import bars

COLOURS = {
    "marginal + nutpie": "#332288",
    "marginal + PyMC": "#5fa8d3",
    "collapsed": "#117733",
    "collapsed, arrays": "#117733",
    "collapsed, pandas": "#999933",
    "Bambi + nutpie": "#882255",
    "Bambi, centred + nutpie": "#aa4499",
    "Bambi + PyMC": "#cc6677",
    "brms": "#777777",
    "lme4": "#777777",
    "statsmodels": "#b8860b",
}


def draw(question: str, table: pd.DataFrame, file: Path) -> None:
    """Draw the figure of a question, if anything of it is done, and write it as SVG."""
    done = table[table["status"] == "done"]
    if done.empty:
        return
    style = {"axes.grid": True, "axes.grid.axis": "x", "grid.alpha": 0.35}
    style |= {"axes.titlelocation": "left", "axes.titleweight": "bold"}
    with mpl.rc_context():
        sns.set_theme(style="ticks", rc=style)
        mpl.rcParams["svg.hashsalt"] = question
        figure = DRAWN[question](done, getattr(bars, question, lambda _: [])(table))
        sns.despine(figure)
        figure.savefig(file, metadata={"Date": None}, bbox_inches="tight")


def effective_draws(table: pd.DataFrame, ratios: list[bars.Ratio]) -> Figure:
    """Draw effective draws a second, a line of points for each model."""
    figure = Figure(figsize=(9, 5))
    ax = figure.subplots()
    _points(ax, table, "ess_per_second", "model")
    title = "Effective draws per second"
    if ratios:
        least = min(one.middle for one in ratios)
        title = (
            f"The marginal model gives at least {_times(least)} Bambi's effective draws per second"
        )
    ax.set(title=title, xlabel="smallest effective sample size per second of sampling", ylabel="")
    models = list(table["model"].unique())
    for route, part in table.groupby("route"):
        first = part[part["model"] == part["model"].iloc[0]]
        at = first["ess_per_second"].median(), models.index(first["model"].iloc[0]) - 0.15
        ax.annotate(str(route), at, color=COLOURS[str(route)], size=9, rotation=30)
    ax.set_ylim(len(models) - 0.5, -2)
    return figure


def whole_process(table: pd.DataFrame, ratios: list[bars.Ratio]) -> Figure:
    """Draw the seconds from starting Python to the first posterior."""
    figure = Figure(figsize=(9, 2.6))
    ax = figure.subplots()
    _points(ax, table, "seconds", "route")
    title = "From starting Python to the first posterior"
    if ratios:
        title += f": {_times(ratios[0].middle)} sooner without a compiler"
    ax.set(title=title, xlabel="seconds from starting Python to the first posterior", ylabel="")
    return figure


def rows_to_statistics(table: pd.DataFrame, ratios: list[bars.Ratio]) -> Figure:
    """Draw the seconds of reading, and those of compiling and of sampling afterwards."""
    reading = table[table["route"] != "marginal + nutpie"].assign(step=lambda t: t["route"])
    fits = table[table["route"] == "marginal + nutpie"]
    size = fits["rows"].map(lambda rows: f"{rows:,} rows")
    steps = [
        reading,
        fits.assign(step="compile, after " + size, seconds=fits["compile_seconds"]),
        fits.assign(step="sample, after " + size),
    ]
    every = pd.concat(steps)
    figure = Figure(figsize=(9, 3.2))
    ax = figure.subplots()
    sns.stripplot(
        every, x="seconds", y="step", color=COLOURS["marginal + nutpie"], jitter=False, ax=ax
    )
    title = f"Statistics of {table['rows'].max():,} rows"
    if ratios:
        title += f": {_times(ratios[0].middle)} the time of a plain average"
    ax.set(title=title, xlabel="seconds", ylabel="", xlim=(0, None))
    return figure


def time_and_memory(table: pd.DataFrame, ratios: list[bars.Ratio]) -> Figure:
    """Draw seconds and memory against rows, a column of panels for each number of groups."""
    parts = table[["read_seconds", "compile_seconds", "seconds"]]
    table = table.assign(total=parts.sum(axis=1))
    middle = table.groupby(["groups", "route", "rows"], as_index=False)[
        ["total", "peak_mb"]
    ].median()
    groups = sorted(middle["groups"].unique())
    figure = Figure(figsize=(4 * len(groups) + 1, 7), layout="constrained")
    axes = figure.subplots(2, len(groups), sharex=True, sharey="row", squeeze=False)
    measures = {"total": "read, compile and fit (seconds)", "peak_mb": "peak memory (megabytes)"}
    for line, (measure, label) in zip(axes, measures.items(), strict=True):
        for ax, number in zip(line, groups, strict=True):
            part = middle[middle["groups"] == number]
            sns.lineplot(
                part,
                x="rows",
                y=measure,
                hue="route",
                palette=COLOURS,
                marker="o",
                errorbar=None,
                legend=False,
                ax=ax,
            )
            last = part.loc[part.groupby("route")["rows"].idxmax()].sort_values(measure)
            for _, ends in last.groupby("rows"):
                height = -math.inf  # labels at the same place are set above each other
                for route, x, y in ends[["route", "rows", measure]].itertuples(index=False):
                    height = max(y, 1.3 * height)
                    ax.annotate(
                        route,
                        (x, height),
                        color=COLOURS[route],
                        size=9,
                        va="center",
                        xytext=(8, 0),
                        textcoords="offset points",
                    )
            ax.set(xscale="log", yscale="log", xlabel="rows", ylabel=label)
            if measure == "total":
                ax.set_title(f"{number:,} groups")
    farthest = middle.groupby("route")["rows"].max()
    reached = farthest.filter(like="marginal").max()
    others = farthest[~farthest.index.str.startswith(("marginal", "collapsed"))]
    title = f"{reached:,} rows by statistics of groups"
    if not others.empty:
        title += f"; reading every row at each step ends at {others.max():,}"
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return figure


def _points(ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Draw a point for each repetition, on a scale of powers of ten."""
    sns.stripplot(table, x=x, y=y, hue="route", palette=COLOURS, jitter=False, size=7, ax=ax)
    ax.set_xscale("log")
    if legend := ax.get_legend():
        legend.remove()


def _times(ratio: float) -> str:
    """Say how many times, never more than it is."""
    return f"{math.floor(ratio)} times" if ratio >= 10 else f"{math.floor(10 * ratio) / 10:g} times"


DRAWN = {
    "effective_draws": effective_draws,
    "whole_process": whole_process,
    "rows_to_statistics": rows_to_statistics,
    "time_and_memory": time_and_memory,
}
