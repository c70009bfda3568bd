"""How time and memory grow with the rows and the groups, here and elsewhere."""

from pathlib import Path

from benchmarks.problems import LIBRARIES, ROW_PRIORS, ROWS, RowsFile, rows_file
from benchmarks.running import ROOT, Bench, Record, answer, python, timed

NAME = "time_and_memory"
FULL: Record = {
    "rows": [10**3, 10**4, 10**5, 10**6, 10**7, 10**8],
    "groups": [8, 1000, 100_000],
    "model": "varying slope",
    "routes": ("marginal + nutpie", "collapsed", "lme4", "statsmodels", "Bambi + nutpie"),
    "draws": 500,
    "seeds": [1, 2, 3],
    "long": 10,
    "limit": 90,
}
SMALL = FULL | {
    "rows": [10**3, 10**4, 10**5, 10**6],
    "groups": [8, 1000],
    "seeds": [1],
    "limit": 60,
}
GROWS = ("lme4", "statsmodels", "Bambi + nutpie")
"""Routes that read each row again at each step."""


def run(bench: Bench, sizes: Record) -> None:
    """Run all cases, from few rows to many."""
    for groups in sizes["groups"]:
        given_up = set()
        for rows in sizes["rows"]:
            if groups > rows / 2:
                continue
            with rows_file(rows, groups) as file:
                for route in sizes["routes"]:
                    case = {"route": route, "model": sizes["model"], "rows": rows, "groups": groups}
                    if route in given_up:
                        bench.note("not tried", **case)
                    elif not file.has_room:
                        bench.note("no room on disk", **case)
                    elif not _run(bench, sizes, file, case):
                        given_up.add(route)


def _run(bench: Bench, sizes: Record, file: RowsFile, case: Record) -> bool:
    """Run a case; tell whether more rows are worth trying."""
    route = case["route"]
    settings = {key: sizes[key] for key in ("seeds", "long", "limit")}
    if route in LIBRARIES:
        settings |= {"chains": 2, "target_accept": 0.95}
        settings |= {"draws": sizes["draws"], "tune": sizes["draws"]}
    record = bench.run(
        ["Rscript", str(ROOT / "benchmarks/lme4.R")] if route == "lme4" else python(NAME),
        libraries=LIBRARIES.get(route, ("statsmodels",) if route == "statsmodels" else ()),
        file=file.csv if route == "lme4" else file.parquet,
        **case,
        **settings,
    )
    if record["status"] != "done":
        return record["status"] in ("refused", "failed", "not installed")
    first = record["measured"][0]
    return route not in GROWS or first["read_seconds"] + first["seconds"] < sizes["limit"] / 3


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
    options = slopes if case["model"] == "varying slope" else {}
    measured: list[Record] = []
    for seed in case["seeds"]:
        with timed() as clock:
            fit = smf.mixedlm("y ~ x", rows, groups="g", **options).fit(reml=True)
        if len(fit.fe_params) != 2:
            raise RuntimeError("statsmodels has fitted another model")
        measured.append({"repetition": seed, "read_seconds": read.seconds, **vars(clock)})
        if clock.seconds > case["long"]:
            break
    return {"measured": measured}


if __name__ == "__main__":
    answer(measure)
