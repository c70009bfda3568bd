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
    """Compare the marginal model with the better of Bambi's routes, model by model."""
    found = []
    for model, part in _done(table).groupby("model", sort=False):
        bambi = part[part["route"].str.startswith("Bambi")]
        if bambi.empty:
            continue
        best = bambi.groupby("route")["ess_per_second"].median().idxmax()
        ours = part[part["route"] == "marginal + nutpie"]
        theirs = part[part["route"] == best]
        name = f"{model}, marginal + nutpie against {best}"
        found.append(ratio(name, ours, theirs, "ess_per_second", "at least 4"))
    return found


def whole_process(table: pd.DataFrame) -> list[Ratio]:
    """Compare the collapsed route with Bambi, from the start of Python."""
    parts = dict(iter(_done(table).groupby("route")))
    return [
        ratio(f"Bambi + nutpie against {route}", parts["Bambi + nutpie"], part, "seconds", bar)
        for route, bar in (("collapsed, arrays", "at least 20"), ("collapsed, pandas", "none"))
        if (part := parts.get(route)) is not None and "Bambi + nutpie" in parts
    ]


def rows_to_statistics(table: pd.DataFrame) -> list[Ratio]:
    """Compare statistics with a plain average, and sampling after many rows with after few."""
    done = _done(table)
    many, few = done["rows"].max(), done["rows"].min()
    parts = dict(iter(done.groupby(["route", "rows"])))
    pairs = (
        ("group_statistics", "count and average in SQL", many, "at most 3"),
        ("marginal + nutpie", "marginal + nutpie", few, "at most 1.5"),
    )
    return [
        ratio(
            f"{above}, {many:,} rows, against {below}, {rows:,} rows",
            parts[above, many],
            parts[below, rows],
            "seconds",
            bar,
        )
        for above, below, rows, bar in pairs
        if (above, many) in parts and (below, rows) in parts
    ]


def _done(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] == "done"]
