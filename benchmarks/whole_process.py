"""From starting Python to the first posterior of the book's 613 visits."""

import sys

from benchmarks.running import Bench, Record

NAME = "whole_process"
FULL: Record = {"repetitions": 5, "draws": 1000, "limit": 300}
SMALL = FULL | {"repetitions": 2}

PRIORS = """
priors = {
    "Intercept": Prior("Normal", mu=200, sigma=50),
    "std_age": Prior("Normal", mu=0, sigma=10),
    "sigma": Prior("HalfNormal", sigma=20),
    "1|county": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=15)),
}
formula = "bounce_time ~ std_age + (1 | county)"
"""
ARRAYS = """
import csv
from importlib.resources import files
import numpy as np
from lmm_large import Prior, collapsed_posterior, group_statistics
with (files("lmm_helpers.data") / "bounce.csv").open() as file:
    visits = list(csv.DictReader(file))
rows = {name: np.array([float(visit[name]) for visit in visits]) for name in ("bounce_time", "age")}
rows["std_age"] = (rows["age"] - rows["age"].mean()) / rows["age"].std(ddof=1)
rows["county"] = np.array([visit["county"] for visit in visits])
"""
COLLAPSED = "effects = collapsed_posterior(data, priors=priors, seed=1, draws={draws}).draws"
FRAME = """
from lmm_helpers import load_bounce
from lmm_large import Prior, collapsed_posterior, group_statistics
"""
MARGINAL = """
import nutpie
from lmm_helpers import load_bounce
from lmm_large import Prior, draw_group_effects, group_statistics, marginal_model
"""
NUTPIE = """
data = group_statistics(load_bounce(), formula)
compiled = nutpie.compile_pymc_model(marginal_model(data, priors=priors))
fit = nutpie.sample(
    compiled, draws={draws}, tune=1000, chains=4, cores=2, seed=1, target_accept=0.95,
    progress_bar=False,
)
effects = draw_group_effects(fit, data, seed=1).posterior
"""
BAMBI = """
import bambi
from lmm_helpers import load_bounce
Prior = bambi.Prior
"""
FIT = """
model = bambi.Model(formula, load_bounce(), priors=priors)
fit = model.fit(
    inference_method="nutpie", draws={draws}, tune=1000, chains=4, cores=2, random_seed=1,
    target_accept=0.95, progressbar=False,
)
effects = fit.posterior
"""
GATHER = "data = group_statistics(rows, formula)\n"
GROUPS = "data = group_statistics(load_bounce(), formula)\n"
CHECK = '\nassert effects["1|county"].shape == (4, {draws}, 8)\n'
CODE = {
    "collapsed, arrays": ARRAYS + PRIORS + GATHER + COLLAPSED + CHECK,
    "collapsed, pandas": FRAME + PRIORS + GROUPS + COLLAPSED + CHECK,
    "marginal + nutpie": MARGINAL + PRIORS + NUTPIE + CHECK,
    "Bambi + nutpie": BAMBI + PRIORS + FIT + CHECK,
}
LIBRARIES = {
    "collapsed, arrays": ("numpy",),
    "collapsed, pandas": ("numpy", "pandas"),
    "marginal + nutpie": ("nutpie", "pymc"),
    "Bambi + nutpie": ("bambi", "nutpie", "pymc"),
}


def run(bench: Bench, sizes: Record) -> None:
    """Run the routes alternately; a repetition before the first fills the caches."""
    for repetition in range(sizes["repetitions"] + 1):
        for route in sizes.get("routes", CODE):
            code = CODE[route].replace("{draws}", str(sizes["draws"]))
            bench.run(
                [sys.executable, "-W", "ignore", "-c", code],
                libraries=LIBRARIES[route],
                route=route,
                model="varying intercept",
                rows=613,
                groups=8,
                repetition=repetition,
                draws=sizes["draws"],
                limit=sizes["limit"],
            )
    bench.records = [r for r in bench.records if r["case"]["repetition"] > 0]
