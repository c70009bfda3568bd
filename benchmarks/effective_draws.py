"""Effective draws per second, of the book's mixed models, by each route."""

from typing import Any

from benchmarks.problems import LIBRARIES, PROBLEMS, is_correlated
from benchmarks.running import ROOT, Bench, Record, answer, python

NAME = "effective_draws"
ROUTES = (
    "marginal + nutpie",
    "marginal + PyMC",
    "collapsed",
    "Bambi + nutpie",
    "Bambi, centred + nutpie",
    "Bambi + PyMC",
    "brms",
)
FULL: Record = {
    "models": tuple(PROBLEMS),
    "routes": ROUTES,
    "seeds": [1, 2, 3],
    "draws": 1000,
    "tune": 1000,
    "long": 30,
    "limit": 600,
}
SMALL = FULL | {"seeds": [1, 2], "limit": 120, "routes": (ROUTES[0], *ROUTES[2:5])}
CHAINS = {"marginal + PyMC": 2, "Bambi + PyMC": 2, "brms": 2}


def run(bench: Bench, sizes: Record) -> None:
    """Run all cases."""
    for model in sizes["models"]:
        problem = PROBLEMS[model]
        rows = problem.rows
        for route in sizes["routes"]:
            case: dict[str, Any] = {
                "route": route,
                "model": model,
                "rows": len(rows),
                "groups": rows[problem.columns[2]].nunique(),
            }
            settings = {key: sizes[key] for key in ("seeds", "draws", "tune", "long", "limit")}
            settings |= {"chains": CHAINS.get(route, 4), "target_accept": 0.95}
            if (route.startswith("Bambi") and is_correlated(problem.priors)) or (
                route == "collapsed" and isinstance(problem.priors["sigma"], dict)
            ):
                bench.note("not expressible", **case)
            elif route == "brms":
                file, chunk = problem.brms
                settings |= {"models": f"reference/models/{file}.R", "chunk": chunk}
                settings |= {"data": rows.to_csv(index=False, lineterminator="\n")}
                bench.run(["Rscript", str(ROOT / "benchmarks/brms.R")], **case, **settings)
            else:
                bench.run(python(NAME), libraries=LIBRARIES[route], **case, **settings)


def measure(case: Record) -> Record:
    """Measure a case, in its own process."""
    from benchmarks.sampling import fitted

    problem = PROBLEMS[case["model"]]
    return fitted(case, problem.rows, problem.columns, problem.priors)


if __name__ == "__main__":
    answer(measure)
