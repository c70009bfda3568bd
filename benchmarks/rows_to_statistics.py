"""The statistics of many rows beside queries written by hand, and the posterior after."""

from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

from benchmarks.problems import LIBRARIES, ROW_PRIORS, ROWS, rows_file
from benchmarks.running import Bench, Record, answer, python, timed

NAME = "rows_to_statistics"
FULL: Record = {
    "rows": 10**8,
    "few_rows": 10**4,
    "wide_rows": 10**7,
    "groups": 1000,
    "repetitions": 5,
    "route": "marginal + nutpie",
    "seeds": [1, 2, 3],
    "draws": 1000,
    "limit": 300,
}
SMALL = FULL | {"rows": 10**6, "wide_rows": 10**6, "repetitions": 2, "seeds": [1]}
MEAN, STATISTICS = "count and average in SQL", "group_statistics"
FOUR = ("y", "x", "x2", "x3", "x4")
SQL = {
    MEAN: "count(*), avg(y)",
    "four predictors in SQL": ", ".join(
        ["count(*)", *(f"avg({name}), var_pop({name})" for name in FOUR)]
        + [f"covar_pop({one}, {other})" for one, other in combinations(FOUR, 2)]
    ),
}
FORMULAS = {
    STATISTICS: "y ~ x + (x | g)",
    "one predictor": "y ~ x + (x | g)",
    "one predictor and a factor": "y ~ x + f + (x | g)",
    "four predictors": "y ~ x + x2 + x3 + x4 + (x | g)",
}
READING = (MEAN, STATISTICS)
WIDE = ("four predictors in SQL", *(name for name in FORMULAS if name != STATISTICS))


def run(bench: Bench, sizes: Record) -> None:
    """Read the same warm file alternately; then sample from the statistics of many and of few."""
    with ExitStack() as stack:
        many, few = (
            stack.enter_context(rows_file(sizes[key], sizes["groups"]))
            for key in ("rows", "few_rows")
        )
        wide = stack.enter_context(rows_file(sizes["wide_rows"], sizes["groups"], wide=True))
        if not many.has_room:
            for route in (*READING, sizes["route"]):
                case = {"rows": many.rows, "groups": many.groups, "model": ""}
                bench.note("no room on disk", route=route, **case)
            return
        for repetition in range(1, sizes["repetitions"] + 1):
            for route in (*READING, *WIDE):
                rows = wide if route in WIDE else many
                bench.run(
                    python(NAME),
                    file=rows.parquet,
                    libraries=("duckdb",),
                    route=route,
                    model="",
                    rows=rows.rows,
                    groups=rows.groups,
                    repetition=repetition,
                    limit=sizes["limit"],
                )
        for seed in sizes["seeds"]:
            for rows in (many, few):
                bench.run(
                    python(NAME),
                    file=rows.parquet,
                    cold=True,
                    libraries=LIBRARIES[sizes["route"]],
                    route=sizes["route"],
                    model="correlated slope",
                    rows=rows.rows,
                    groups=rows.groups,
                    repetition=seed,
                    seeds=[seed],
                    long=sizes["limit"],
                    draws=sizes["draws"],
                    tune=sizes["draws"],
                    chains=4,
                    target_accept=0.95,
                    limit=sizes["limit"],
                )


def measure(case: Record) -> Record:
    """Measure a case, in its own process."""
    file = Path(case["file"])
    if case["route"] not in (*READING, *WIDE):
        from benchmarks.sampling import fitted

        return fitted(case, file, ROWS, ROW_PRIORS[case["model"]])
    import duckdb

    from lmm_large import group_statistics

    with file.open("rb") as stream:  # the file is in memory before the clock starts
        while stream.read(1 << 24):
            pass
    with timed() as clock:
        if case["route"] in SQL:
            query = f"SELECT g, {SQL[case['route']]} FROM read_parquet(?) GROUP BY g"  # noqa: S608
            with duckdb.connect() as connection:
                groups = len(connection.execute(query, [str(file)]).fetchall())
        else:
            formula = FORMULAS[case["route"]]
            groups = len(group_statistics(file, formula, progress=False).labels)
    if groups != case["groups"]:
        raise RuntimeError(f"{groups} groups where there are {case['groups']}")
    return {"measured": [{"seconds": clock.seconds, "cpu_seconds": clock.cpu_seconds}]}


if __name__ == "__main__":
    answer(measure)
