"""The models and the data that the questions share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

import lmm_helpers
from lmm_large import Prior

if TYPE_CHECKING:
    import bambi as bmb
    import pandas as pd


@dataclass(frozen=True)
class Problem:
    """A model of data that the book has, for every route."""

    load: str
    columns: tuple[str, str, str]
    priors: dict[str, Any]
    brms: tuple[str, str]

    @property
    def rows(self) -> "pd.DataFrame":
        """The data."""
        data: pd.DataFrame = getattr(lmm_helpers, self.load)()
        return data


def spread(sigma: float) -> Prior:
    """Give the prior of group effects whose standard deviation is half normal."""
    return Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=sigma))


def line(columns: tuple[str, str, str], *scales: float) -> dict[str, Any]:
    """Give the priors of a line: mean and sd of the intercept, then of the slope, then sigma's."""
    mean, sd, slope, slope_sd, sigma = scales
    return {
        "Intercept": Prior("Normal", mu=mean, sigma=sd),
        columns[1]: Prior("Normal", mu=slope, sigma=slope_sd),
        "sigma": Prior("HalfNormal", sigma=sigma),
    }


VISITS = ("bounce_time", "std_age", "county")
NIGHTS = ("Reaction", "Days", "Subject")
_intercepts = line(VISITS, 200, 50, 0, 10, 20) | {"1|county": spread(15)}
_slopes = _intercepts | {"std_age|county": spread(5)}
_article = line(VISITS, 200, 1, 4, 1, 100) | {"1|county": spread(10), "std_age|county": spread(10)}
_nights = line(NIGHTS, 300, 100, 0, 20, 50) | {"1|Subject": spread(50), "Days|Subject": spread(20)}
_unequal = {"sigma": {"Intercept": Prior("Normal", mu=2, sigma=1), "1|county": spread(0.5)}}
_lkj = Prior("LKJ", eta=2)
PROBLEMS = {
    "varying intercept": Problem(
        "load_bounce", VISITS, _intercepts, ("bounce_brms", "varying_intercept")
    ),
    "varying slope": Problem("load_bounce", VISITS, _slopes, ("bounce_brms", "varying_slope")),
    "unequal spread": Problem(
        "load_bounce", VISITS, _slopes | _unequal, ("bounce_brms", "unequal_spread")
    ),
    "correlated slope": Problem(
        "load_bounce",
        VISITS,
        _slopes | {"std_age|county_corr": _lkj},
        ("bounce_brms", "correlated_slope"),
    ),
    "article, varying slope": Problem(
        "replay_article", VISITS, _article, ("article_brms", "varying_slope")
    ),
    "sleepstudy, varying slope": Problem(
        "load_sleepstudy", NIGHTS, _nights, ("sleepstudy_brms", "varying_slope")
    ),
    "sleepstudy, correlated slope": Problem(
        "load_sleepstudy",
        NIGHTS,
        _nights | {"Days|Subject_corr": _lkj},
        ("sleepstudy_brms", "correlated_slope"),
    ),
}

LIBRARIES = {
    "marginal + nutpie": ("nutpie", "pymc"),
    "marginal + PyMC": ("pymc",),
    "collapsed": ("numpy",),
    "Bambi + nutpie": ("bambi", "nutpie", "pymc"),
    "Bambi, centred + nutpie": ("bambi", "nutpie", "pymc"),
    "Bambi + PyMC": ("bambi", "pymc"),
}
"""Whose versions matter to a route."""

ROWS = ("y", "x", "g")
_rows_intercepts = line(ROWS, 200, 50, 0, 10, 20) | {"1|g": spread(15)}
_rows_slopes = _rows_intercepts | {"x|g": spread(5)}
ROW_PRIORS = {
    "varying intercept": _rows_intercepts,
    "varying slope": _rows_slopes,
    "correlated slope": _rows_slopes | {"x|g_corr": _lkj},
}


def is_correlated(priors: dict[str, Any]) -> bool:
    """Tell whether intercepts and slopes correlate, which Bambi cannot express."""
    return any(key.endswith("_corr") for key in priors)


def formula(columns: tuple[str, str, str], priors: dict[str, Any]) -> str:
    """Write the formula of a line whose group effects have priors."""
    response, predictor, group = columns
    effects = predictor if f"{predictor}|{group}" in priors else "1"
    return f"{response} ~ {predictor} + ({effects} | {group})"


def bambi_model(
    rows: "pd.DataFrame",
    columns: tuple[str, str, str],
    priors: dict[str, Any],
    *,
    centred: bool = False,
) -> "bmb.Model":
    """Write a model in Bambi's words, with its default form or its intercepts around their mean.

    Bambi's own `noncentered=False` leaves the intercept beside effects around zero. Around their
    mean they are when they take over the intercept and its prior.
    """
    import bambi as bmb

    def prior(given: Any) -> Any:
        if isinstance(given, dict):
            return {key: prior(value) for key, value in given.items()}
        if not isinstance(given, Prior):
            return given
        return bmb.Prior(given.name, **{key: prior(value) for key, value in given.args.items()})

    _, _, group = columns
    formulas = [formula(columns, priors)]
    if isinstance(priors["sigma"], dict):
        formulas.append(f"sigma ~ 1 + (1 | {group})")
    given = prior(priors)
    if centred:
        formulas[0] = formulas[0].replace("~", "~ 0 +")
        spread = given[f"1|{group}"].args["sigma"]
        mean = given.pop("Intercept")
        given[f"1|{group}"] = bmb.Prior("Normal", mu=mean, sigma=spread, noncentered=False)
    return bmb.Model(bmb.Formula(*formulas), rows, priors=given)


SIMULATED = """
COPY (
    SELECT
        200 + 12 * normal(g, 1) + (2 * normal(g, 3) - 3) * x + 8 * normal(i, 5) AS y,
        * EXCLUDE (i)
    FROM (
        SELECT i, normal(i, 7) AS x,
            if(i < {groups}, i, floor({groups} * even(i, 9)))::INTEGER AS g{more}
        FROM range({rows}) AS numbers(i)
    )
) TO $file (FORMAT parquet)
"""
"""Every group has a row, the others are dealt out by chance: a hash of the row's number."""
MORE = """,
            normal(i, 10) AS x2, normal(i, 12) AS x3, normal(i, 14) AS x4,
            'level ' || floor(5 * even(i, 0))::INTEGER AS f"""


class RowsFile:
    """A Parquet file of simulated rows that is written when it is first asked for.

    A wide one has three more predictors and a factor of five levels.
    """

    def __init__(self, folder: Path, rows: int, groups: int, *, wide: bool = False) -> None:
        self.rows, self.groups, self.more = rows, groups, MORE if wide else ""
        self.file = folder / "rows.parquet"

    @property
    def has_room(self) -> bool:
        """Whether the disk can take the file: twenty bytes a row or fifty, and some to spare."""
        each = 60 if self.more else 30
        return disk_usage(self.file.parent).free > each * self.rows + 1e9 * (self.rows > 1e6)

    def parquet(self) -> Path:
        """Write the rows in a stream, if they are not there; give the file."""
        import duckdb

        if not self.file.exists():
            part = self.file.with_suffix(".part")
            with duckdb.connect() as connection:
                connection.execute("SET memory_limit = '1GB'; SET enable_progress_bar = false")
                connection.execute(
                    "CREATE MACRO even(i, k) AS (hash(16 * i + k) >> 11)::DOUBLE / pow(2, 53); "
                    "CREATE MACRO normal(i, k) AS "
                    "sqrt(-2 * ln(1 - even(i, k))) * cos(2 * pi() * even(i, k + 1))"
                )
                query = SIMULATED.format(groups=self.groups, rows=self.rows, more=self.more)
                connection.execute(query, {"file": str(part)})
            part.replace(self.file)
        return self.file

    def csv(self) -> Path:
        """Write the same rows as text, for R; give the file."""
        import duckdb

        file = self.file.with_suffix(".csv")
        if not file.exists():
            duckdb.read_parquet(str(self.parquet())).to_csv(str(file))
        return file


@contextmanager
def rows_file(rows: int, groups: int, *, wide: bool = False) -> Iterator[RowsFile]:
    """Give a file of rows in the folder for temporary files (`TMPDIR`); remove it afterwards."""
    with TemporaryDirectory(prefix="benchmark-rows-", dir=gettempdir()) as folder:
        yield RowsFile(Path(folder), rows, groups, wide=wide)
