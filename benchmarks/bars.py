"""The ratios that the project is held to, each with its spread over repetitions."""

from typing import NamedTuple

import pandas as pd


class Ratio(NamedTuple):
    """A ratio of medians, and the smallest and the largest one of paired repetitions."""

    of: str
    middle: float
    low: float
    high: float
    bar: str

    def __str__(self) -> str:
        """Show the ratio beside its bar."""
        spread = f"{self.middle:.3g} ({self.low:.3g} to {self.high:.3g})"
        return f"{self.of}: {spread}, bar: {self.bar}"


def ratio(of: str, above: pd.DataFrame, below: pd.DataFrame, column: str, bar: str) -> Ratio:
    """Divide a column of two parts of a table, repetition by repetition."""
    upper, lower = (part.set_index("repetition")[column] for part in (above, below))
    each = upper / lower
    return Ratio(of, upper.median() / lower.median(), each.min(), each.max(), bar)


def effective_draws(table: pd.DataFrame) -> list[Ratio]:
    """Compare each of our routes with the best of Bambi's, model by model; ours is the better."""
    comparisons = []
    for model, part in _done(table).groupby("model", sort=False):
        routes = dict(iter(part.groupby("route", sort=False)))
        rates = part.groupby("route")["ess_per_second"].median()
        bambi = rates[rates.index.str.startswith("Bambi")]
        ours = rates[rates.index.isin(["marginal + nutpie", "collapsed"])]
        if bambi.empty:
            continue
        for route in map(str, ours.sort_values(ascending=False).index):
            name = f"{model}, {route} against {bambi.idxmax()}"
            bar = "at least 4" if route == ours.idxmax() else "none"
            best = routes[str(bambi.idxmax())]
            comparisons.append(ratio(name, routes[route], best, "ess_per_second", bar))
    return comparisons


def whole_process(table: pd.DataFrame) -> list[Ratio]:
    """Compare the collapsed route with Bambi, from the start of Python."""
    parts = dict(iter(_done(table).groupby("route")))
    return [
        ratio(f"Bambi + nutpie against {route}", parts["Bambi + nutpie"], part, "seconds", bar)
        for route, bar in (("collapsed, arrays", "at least 20"), ("collapsed, pandas", "none"))
        if (part := parts.get(route)) is not None and "Bambi + nutpie" in parts
    ]


def rows_to_statistics(table: pd.DataFrame) -> list[Ratio]:
    """Compare statistics with queries by hand, and sampling after many rows with after few."""
    parts = dict(iter(_done(table).groupby("route")))
    sampled = parts.pop("marginal + nutpie", table.iloc[:0])
    few = sampled["rows"].min()
    pairs = [
        ("group_statistics", "count and average in SQL", "at most 3"),
        ("four predictors", "four predictors in SQL", "at most 1.5"),
        ("one predictor and a factor", "one predictor", "at most 1.5"),
    ]
    compared = [
        (above, parts[above], below, parts[below], bar)
        for above, below, bar in pairs
        if above in parts and below in parts
    ]
    after_few = sampled["rows"] == few
    if not after_few.all():
        name = "marginal + nutpie"
        compared.append((name, sampled[~after_few], name, sampled[after_few], "at most 1.5"))

    def said(route: str, part: pd.DataFrame) -> str:
        return f"{route}, {part['rows'].iloc[0]:,} rows"

    return [
        ratio(f"{said(above, one)}, against {said(below, other)}", one, other, "seconds", bar)
        for above, one, below, other, bar in compared
    ]


def _done(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] == "done"]
