"""What the press sees while a chapter runs: fits and their checks, claims, outputs and files.

Stand-ins of Bambi, PyMC and the gate sample in no time; one test uses the real ones.
"""

import json
import shutil
import time

import pytest

from bookbuild import proof
from bookbuild.chapters import executed, record

BAMBI = """
import numpy as np, pymc, xarray as xr

class Model:
    def fit(self, draws=10, inference_method="nutpie", random_seed=None, **options):
        if inference_method == "vi":
            return object()
        return pymc.sample(draws=draws, random_seed=random_seed, **options)
"""
PYMC = """
import itertools
import numpy as np, xarray as xr
calls = itertools.count()  # no two fits of the tests are alike

def sample(draws=10, random_seed=None, chains=4, worst=0, progressbar=True):
    if progressbar:
        print("draws so far")
    rng = np.random.default_rng(next(calls))
    names = ("slope", "spread")
    drawn = {name: (("chain", "draw"), rng.normal(size=(chains, draws))) for name in names}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(drawn, attrs={"worst": worst})})
"""
GATE = """
def judge_convergence(fit):
    return {"passed": not fit.posterior.attrs["worst"]}

def check_convergence(fit, *, expected_faults=()):
    if judge_convergence(fit)["passed"] == bool(expected_faults):
        raise RuntimeError("it has not converged")
    return judge_convergence(fit)
"""
FORWARD = """
def draw(vars, draws=1, random_seed=None):
    return [0] * draws
"""
COLLAPSED = """
class Draws:
    khat = 0.2

def collapsed_posterior(statistics, *, seed):
    if statistics == "bad":
        raise RuntimeError("k-hat is 0.9")
    return Draws()
"""
HELPER = """
import pymc
from lmm_helpers.checks.convergence import check_convergence

def refit(check=True, **options):
    fit = pymc.sample(random_seed=1, **options)
    if check:
        fit = fit.posterior.to_dataset().drop_vars("spread")
        check_convergence(xr.DataTree.from_dict({"posterior": fit}))

import xarray as xr
"""
SETUP = """
import sys
sys.path.insert(0, "stand_ins")
import bambi as bmb
import pymc as pm
import time
from contextlib import suppress
from lmm_helpers import check_convergence
from lmm_helpers.checks.convergence import judge_convergence
SEED = 20
m = bmb.Model()
"""
CLAIM = "ready = len(str(SEED)) == 2\nassert ready, 'the seed has two digits'"
KEEP = "fit = m.fit(random_seed=SEED)\n"
GOOD = {
    "checked": KEEP + "check_convergence(fit)",
    "keyword": KEEP + "check_convergence(fit=fit)",
    "imported under another name": "from bambi import Model as M\nf = M().fit(random_seed=SEED)\n"
    "from lmm_helpers import check_convergence as ok\nok(f)",
    "comprehension": "d = {k: m.fit(random_seed=SEED + k) for k in range(3)}\n"
    "[check_convergence(f) for f in d.values()]",
    "all in a generator": "d = dict((k, m.fit(random_seed=k)) for k in range(3))\n"
    "for k in d:\n    check_convergence(d[k])",
    "predicted in between": KEEP + "fit.posterior['mu'] = fit.posterior['slope'] * 2\n"
    "check_convergence(fit)",
    "renamed": KEEP + "import xarray as xr\nother = fit.posterior.to_dataset().rename(slope='b')\n"
    "check_convergence(xr.DataTree.from_dict({'posterior': other}))",
    "broken on purpose": "fit = m.fit(random_seed=SEED, worst=2)\n"
    "check_convergence(fit, expected_faults=['R-hat'])",
    "shown to fail, then expected": "fit = m.fit(random_seed=SEED, worst=2)\n"
    "with suppress(RuntimeError):\n    check_convergence(fit)\n"
    "check_convergence(fit, expected_faults=['R-hat'])",
    "a helper checks its own": "from lmm_helpers.again import refit\nrefit()",
    "collapsed": "from lmm_large.collapsed import collapsed_posterior\n"
    "c = collapsed_posterior('good', seed=SEED)",
    "timed": "began = time.perf_counter()\n" + KEEP + "check_convergence(fit)",
    "magic": (
        "code",
        "%time fit = m.fit(random_seed=SEED)\ncheck_convergence(fit)",
        {"tags": ["timing"]},
    ),
    "statsmodels": "class OLS:\n    def fit(self): return 1\nOLS().fit()",
    "deleted": KEEP + "check_convergence(fit)\ndel fit",
    "drawn ahead": "def f():\n    return pm.draw(1, random_seed=SEED)\nf()",
}
NOT_CHECKED, NO_SEED = "is not checked: pass the whole fit", "gets no seed: pass random_seed=SEED"
SUPPRESSED, INSIDE = "did not pass its check, and the chapter went on", "within a function"
BAD = {
    "not checked": (KEEP, NOT_CHECKED),
    "module under another name": ("import pymc as s\nf = s.sample(random_seed=1)", NOT_CHECKED),
    "function under another name": (
        "from pymc import sample as s\nf = s(random_seed=1)",
        NOT_CHECKED,
    ),
    "bound method": ("go = m.fit\nf = go(random_seed=1)", NOT_CHECKED),
    "partial": ("from functools import partial\npartial(m.fit, random_seed=1)()", NOT_CHECKED),
    "a model named sm": ("sm = m\nf = sm.fit(random_seed=1)", NOT_CHECKED),
    "variational": ("f = m.fit(inference_method='vi', random_seed=1)", NOT_CHECKED),
    "kept nowhere": ("m.fit(random_seed=1)", NOT_CHECKED),
    "another fit": (KEEP + "new = m.fit(random_seed=2)\ncheck_convergence(new)", NOT_CHECKED),
    "some chains": (KEEP + "check_convergence(fit.isel(chain=[0, 1]))", NOT_CHECKED),
    "some draws": (KEEP + "check_convergence(fit.isel(draw=slice(5, None)))", NOT_CHECKED),
    "every other draw": (KEEP + "check_convergence(fit.isel(draw=slice(None, None, 2)))", "whole"),
    "some variables": (
        KEEP
        + "import xarray as xr\npart = fit.posterior.to_dataset()[['slope']].assign_attrs(worst=0)"
        "\ncheck_convergence(xr.DataTree.from_dict({'posterior': part}))",
        NOT_CHECKED,
    ),
    "empty loop": (KEEP + "for one in []:\n    check_convergence(fit)", NOT_CHECKED),
    "never": (KEEP + "if SEED < 0:\n    check_convergence(fit)", NOT_CHECKED),
    "never consumed": (KEEP + "g = (check_convergence(f) for f in [fit])", NOT_CHECKED),
    "only the last": (
        "for k in range(2):\n    fit = m.fit(random_seed=k)\ncheck_convergence(fit)",
        NOT_CHECKED,
    ),
    "redefined": (
        KEEP + "def check_convergence(fit): return True\ncheck_convergence(fit)",
        "whole",
    ),
    "only judged": (KEEP + "judge_convergence(fit)", NOT_CHECKED),
    "no seed": ("fit = m.fit()\ncheck_convergence(fit)", NO_SEED),
    "seed of None": ("fit = m.fit(random_seed=None)\ncheck_convergence(fit)", NO_SEED),
    "no seed among options": ("o = {}\nfit = m.fit(**o)\ncheck_convergence(fit)", NO_SEED),
    "looked up": (
        "import importlib\ns = getattr(importlib.import_module('pymc'), 'sample')\n"
        "f = s(random_seed=1)",
        NOT_CHECKED,
    ),
    "checked before another fit of that name": (
        KEEP + "check_convergence(fit)\nfit = m.fit(random_seed=3)",
        NOT_CHECKED,
    ),
    "expected and absent": (
        KEEP + "with suppress(RuntimeError):\n"
        "    check_convergence(fit, expected_faults=['R-hat'])",
        SUPPRESSED,
    ),
    "left by another way": (
        "fit = m.fit(random_seed=1, worst=2)\nfor _ in [0]:\n    try:\n"
        "        check_convergence(fit)\n    finally:\n        break",
        SUPPRESSED,
    ),
    "drawn ahead without a seed": ("def f():\n    return pm.draw(1)\nf()", NO_SEED),
    "suppressed": (
        "fit = m.fit(random_seed=1, worst=2)\nwith suppress(Exception):\n"
        "    check_convergence(fit)",
        SUPPRESSED,
    ),
    "caught": (
        "fit = m.fit(random_seed=1, worst=2)\ntry:\n    check_convergence(fit)\n"
        "except RuntimeError as error:\n    print('never mind')",
        SUPPRESSED,
    ),
    "in a function": (
        "def f():\n    return m.fit(random_seed=1)\nfit = f()\ncheck_convergence(fit)",
        INSIDE,
    ),
    "in a lambda": ("f = lambda: m.fit(random_seed=1)\nfit = f()\ncheck_convergence(fit)", INSIDE),
    "in a thread": (
        "from concurrent.futures import ThreadPoolExecutor as P\n"
        "fit = P().submit(m.fit, random_seed=1).result()\ncheck_convergence(fit)",
        INSIDE,
    ),
    "a helper that does not check": (
        "from lmm_helpers.again import refit\nrefit(check=False)",
        NOT_CHECKED,
    ),
    "collapsed without trust": (
        "from lmm_large.collapsed import collapsed_posterior\n"
        "with suppress(RuntimeError):\n    collapsed_posterior('bad', seed=SEED)",
        SUPPRESSED,
    ),
}


@pytest.fixture(scope="module")
def stand_ins():
    return {
        "bambi/__init__.py": "from bambi.models import Model",
        "bambi/models.py": BAMBI,
        "pymc/__init__.py": "from .sampling.mcmc import sample\nfrom .sampling.forward import draw",
        "pymc/sampling/__init__.py": "",
        "pymc/sampling/mcmc.py": PYMC,
        "pymc/sampling/forward.py": FORWARD,
        "lmm_helpers/__init__.py": "from lmm_helpers.checks.convergence import check_convergence",
        "lmm_helpers/checks/__init__.py": "",
        "lmm_helpers/checks/convergence.py": GATE,
        "lmm_helpers/again.py": HELPER,
        "lmm_large/__init__.py": "",
        "lmm_large/collapsed.py": COLLAPSED,
    }


@pytest.fixture
def watched(book, stand_ins):
    """The sample book, whose chapters import the stand-ins."""
    for path, content in stand_ins.items():
        book.write(f"book/stand_ins/{path}", content)
    book.environment |= {"YES": "1"}
    return book


def executed_faults(book, *cells, metadata=None):
    path = book.notebook("one", *cells)
    if metadata:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": metadata}))
    status, output = book.run("bookbuild.execute", "one")
    assert status == 0, output
    return proof.of_executed("one")


def test_fits_that_pass_are_noted_and_pass(watched):
    found = executed_faults(watched, SETUP, CLAIM, *GOOD.values())
    assert found == [], "\n".join(found)
    noted = json.loads(record("one").read_text(encoding="utf-8"))["fits"]
    ran = {
        name: f"c{number}"
        for number, name in enumerate(GOOD, 3)
        if name not in {"statsmodels", "drawn ahead"}
    }
    assert {fit["cell"] for fit in noted} == {*ran.values()}, "what is drawn ahead is no fit"
    assert len(noted) == len(ran) + 2 + 2, "two cells fit three times"
    assert "draws so far" not in executed("one").read_text(encoding="utf-8")


def test_fits_that_do_not_are_faults_of_their_cells(watched):
    cells = [SETUP, CLAIM, *(code for code, _ in BAD.values())]
    # every cell begins with its own check and model, whatever the one before did with the names
    again = "from lmm_helpers import check_convergence\n"
    found = executed_faults(watched, *cells[:2], *(again + cell for cell in cells[2:]))
    for number, (name, (_, message)) in enumerate(BAD.items(), 3):
        of_cell = [fault for fault in found if f"cell {number} (c{number}): " in fault]
        assert [message in fault for fault in of_cell] == [True], (name, of_cell)


def test_what_a_report_judges_it_need_not_refuse(watched):
    cells = [SETUP, CLAIM, KEEP + "judge_convergence(fit)", KEEP]
    report = {"kernelspec": {"name": "python3"}, "bookbuild": {"report": True}}
    (fault,) = executed_faults(watched, *cells, metadata=report)
    assert fault.startswith("one, cell 4 (c4): bambi's Model.fit is not checked")


def test_a_real_fit_and_the_real_gate(book):
    shutil.rmtree(book.folder / "lmm_helpers")  # the sample's own, which would hide the real one
    fit = "m.fit(draws=500, tune=300, chains=4, cores=1, random_seed=1, progressbar=False)"
    with_pymc = (
        "with pm.Model():\n    pm.Normal('x')\n"
        "    fit = pm.sample(300, tune=300, chains=4, random_seed=1, progressbar=False)\n"
    )
    found = executed_faults(
        book,
        "import logging\nlogging.disable()\nimport pymc as pm\nimport pandas as pd\nimport bambi",
        "d = pd.DataFrame({'x': range(9), 'y': [2, 3, 2, 4, 4, 3, 5, 6, 5]})\n"
        "m = bambi.Model('y ~ x', d)\nassert len(d) == 9, 'nine rows'",
        f"from lmm_helpers import check_convergence\nfit = {fit}\ncheck_convergence(fit);",
        with_pymc,
    )
    assert found == [
        "one, cell 4 (c4): pymc's sample is not checked: pass the whole fit, every chain, draw "
        "and variable, to check_convergence"
    ]


def test_claims_are_counted_as_they_run_whatever_python_is_told(watched):
    watched.environment["PYTHONOPTIMIZE"] = "1"
    cells = [
        "import numpy as np\nn = 3",
        "for k in range(n):\n    assert k < n, f'{k} is small'\nassert np.all([n]), 'all {n}'",
        "if n:\n    assert n, 'it is there'",
    ]
    found = executed_faults(watched, *cells)
    assert found == [
        "one, cell 3 (c3): the claim 'it is there' is no truth value: end it with .item(), .all() "
        "or a comparison"
    ]
    noted = json.loads(record("one").read_text(encoding="utf-8"))["claims"]
    assert [claim["words"] for claim in noted] == [
        *(f"{k} is small" for k in range(3)),
        "all {n}",
        "it is there",
    ]


def test_a_claim_that_never_runs_is_a_fault(watched):
    cells = [
        ("code", CLAIM.replace("ready, 'the", "ready, 'this"), {"tags": ["skip-execution"]}),
        "if SEED < 0:\n    assert len('a') == 1, 'it is one'",
        "for one in []:\n    assert one > 0, 'it is positive'",
        "try:\n    raise ValueError\n    assert SEED > 0, 'it is'\nexcept ValueError:\n    pass",
        "%%script true\nassert SEED > 0, 'it is positive'",
    ]
    found = executed_faults(watched, "SEED = 20", CLAIM, *cells)
    assert len(found) == len(cells)
    for number, fault in enumerate(found, 3):
        assert fault.startswith(f"one, cell {number} (c{number}): `assert ")
        assert fault.endswith("never ran: claim what always runs")


def test_a_false_claim_is_a_fault_even_if_the_chapter_goes_on(watched):
    quiet = "from contextlib import suppress\nwith suppress(AssertionError):\n    "
    (fault,) = executed_faults(
        watched, "SEED = 20", CLAIM, f"{quiet}assert SEED < 0, 'it is small'"
    )
    assert fault == (
        "one, cell 3 (c3): the claim 'it is small' is false, and the chapter went on: mend the "
        "prose, the code or the data"
    )
    may = {"tags": ["raises-exception"]}
    watched.notebook("one", "SEED = 20", ("code", "assert SEED < 0, 'small'", may), "SEED", CLAIM)
    status, output = watched.run("bookbuild.execute", "one")
    assert status == 1
    assert "FAILED: chapter one, cell 2 (c2)" in output
    assert "AssertionError: small" in output


def test_a_large_output_is_refused_in_no_time(watched):
    cells = ["SEED = 20", CLAIM, "for _ in range(3000):\n    print('x' * 999)"]
    watched.notebook("one", *cells)
    began = time.monotonic()
    assert watched.run("bookbuild.execute", "one")[0] == 0
    assert time.monotonic() - began < 40
    (fault,) = proof.of_executed("one")
    assert "cell 3 (c3): an output of more than" in fault
