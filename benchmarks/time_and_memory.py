"""How time and memory grow with the rows and the groups, here and elsewhere."""

from pathlib import Path

from benchmarks.problems import LIBRARIES, ROW_PRIORS, ROWS, RowsFile, rows_file
from benchmarks.running import ROOT, Bench, Record, answer, python, timed

NAME = "time_and_memory"
FULL: Record = {
    "rows": [10**3, 10**4, 10**5, 10**6, 10**7, 10**8],
    "groups": [8, 1000, 100_000],
    "models": ("varying intercept", "varying slope"),
    "routes": ("marginal + nutpie", "collapsed", "lme4", "statsmodels", "Bambi + nutpie"),
    "draws": 500,
    "repetitions": 3,
    "limit": 90,
}
SMALL = FULL | {
    "rows": [10**3, 10**4, 10**5, 10**6],
    "groups": [8, 1000],
    "repetitions": 1,
    "limit": 60,
}
LONG = 10
"""A case that takes longer, in seconds, is not repeated."""
GROWS = ("lme4", "statsmodels", "Bambi + nutpie")
"""Routes that read each row again at each step."""


def run(bench: Bench, sizes: Record) -> None:
    """Run all cases, from few rows to many."""
    given_up: set[tuple[str, str, int]] = set()
    for groups in sizes["groups"]:
        for rows in sizes["rows"]:
            if groups > rows / 2:
                continue
            with rows_file(rows, groups) as file:
                for model in sizes["models"]:
                    for route in sizes["routes"]:
                        case = {"route": route, "model": model, "rows": rows, "groups": groups}
                        line = (route, model, groups)
                        if line in given_up:
                            bench.note("not tried", **case)
                        elif not file.has_room:
                            bench.note("no room on disk", **case)
                        elif not _run(bench, sizes, file, case):
                            given_up.add(line)


def _run(bench: Bench, sizes: Record, file: RowsFile, case: Record) -> bool:
    """Run a case, again if it is quick; tell whether more rows are worth trying."""
    settings = {"limit": sizes["limit"]}
    route = case["route"]
    if route in LIBRARIES:
        settings |= {"chains": 4, "target_accept": 0.95}
        settings |= {"draws": sizes["draws"], "tune": sizes["draws"]}
    command = ["Rscript", str(ROOT / "benchmarks/lme4.R")] if route == "lme4" else python(NAME)
    for repetition in range(1, sizes["repetitions"] + 1):
        record = bench.run(
            command,
            libraries=LIBRARIES.get(route, ("statsmodels",) if route == "statsmodels" else ()),
            file=file.csv if route == "lme4" else file.parquet,
            **case,
            repetition=repetition,
            seeds=[repetition],
            **settings,
        )
        if record["status"] != "done" or record["seconds"] > LONG:
            break
    if record["status"] != "done":
        return record["status"] in ("refused", "failed")
    (measured,) = record["measured"]
    by_row = measured.get("read_seconds", 0) + measured["seconds"]
    return route not in GROWS or by_row < sizes["limit"] / 3


def measure(case: Record) -> Record:
    """Measure a case, in its own process."""
    file = Path(case["file"])
    if case["route"] == "statsmodels":
        return _statsmodels(case, file)
    from benchmarks.sampling import fitted

    return fitted(case, file, ROWS, ROW_PRIORS[case["model"]])


def _statsmodels(case: Record, file: Path) -> Record:
    """Fit by REML."""
    import pandas as pd
    import statsmodels.formula.api as smf

    slopes = {"re_formula": "1", "vc_formula": {"slope": "0 + x"}}
    with timed() as read:
        rows = pd.read_parquet(file)
    with timed() as clock:
        options = slopes if case["model"] == "varying slope" else {}
        fit = smf.mixedlm("y ~ x", rows, groups="g", **options).fit(reml=True)
    if len(fit.fe_params) != 2:
        raise RuntimeError("statsmodels has fitted another model")
    return {"measured": [{"read_seconds": read.seconds, **vars(clock)}]}


if __name__ == "__main__":
    answer(measure)
