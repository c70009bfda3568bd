"""Executes one chapter in a process and a kernel of its own: `python -m bookbuild.execute NAME`.

The notebook grows in `_build/running/`, moves to `_build/executed/` when its last cell is done, and
gets its record then.  A failing cell leaves the partial notebook in `_build/failed/` instead.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import IO

from bookbuild import fits, freshness, progress
from bookbuild.chapters import (
    BOOK,
    BUILD,
    Cell,
    Notebook,
    executed,
    known,
    read_notebook,
    record,
    source,
    without_colours,
    write,
    write_json,
)
from bookbuild.python import claims
from bookbuild.stopping import stop_at_signals

CELL_TIMEOUT = 3600
LIBRARIES = [
    *("arviz", "arviz-base", "arviz-plots", "arviz-stats", "bambi", "ipykernel", "lmm-helpers"),
    *("matplotlib", "numba", "numpy", "nutpie", "pandas", "papermill", "preliz", "pymc"),
    *("pytensor", "scikit-learn", "scipy", "seaborn", "statsmodels", "xarray"),
]


def main(arguments: list[str] | None = None) -> int:
    """Execute a chapter unless its result is already there; the exit status tells."""
    parser = argparse.ArgumentParser(prog="bookbuild.execute", description=__doc__)
    parser.add_argument("chapter")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("PARAM", "VALUE"))
    options = parser.parse_args(arguments)
    chapter = known(options.chapter)
    parameters = {name: _value(value) for name, value in options.p}
    stop_at_signals(f"{chapter}: stopped, nothing of it is kept")
    with progress.only_worker(chapter) as status:
        if freshness.is_fresh(chapter, parameters):
            return 0
        return _execute(chapter, parameters, status)


def _value(written: str) -> object:
    """A parameter as JSON reads it, or else the string as written."""
    try:
        return json.loads(written)
    except ValueError:
        return written


def _execute(chapter: str, parameters: Mapping[str, object], status: IO[str]) -> int:
    _prepare_environment(BUILD.absolute())
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    key = freshness.key(chapter, parameters)  # of what is executed, should it change meanwhile
    running = BUILD / "running" / f"{chapter}.ipynb"
    running.parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    try:
        # The kernel is spoken to through sockets in a folder, so that no network is needed at all;
        # their names have a short limit, so the folder is not below this one.
        with progress.ticking(), tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
            defaults = _run(chapter, parameters, running, started, status, f"{sockets}/socket")
    except PapermillExecutionError as error:
        trace = "\n".join("\n".join(error.traceback).splitlines()[-25:])
        progress.say(_failure(chapter, running, f"{error.ename}: {error.evalue}\n\n{trace}"))
        return 1
    except (DeadKernelError, CellTimeoutError) as error:
        progress.say(_failure(chapter, running, f"{type(error).__name__}: {error}"))
        return 1
    seconds = time.time() - started
    notebook = _without_traces(read_notebook(running))
    _keep(chapter, notebook, parameters, defaults, key, seconds)
    running.unlink()
    progress.say(f"{chapter}: executed in {seconds:.0f} s")
    return 0


def _prepare_environment(build: Path) -> None:
    """One thread a library, no configuration of this user, compiled code kept between builds."""
    profile = build / "ipython" / "profile_default" / "ipython_kernel_config.py"
    write(profile, freshness.KERNEL_STARTUP.read_bytes())
    cache = build / "cache"
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    os.environ |= {
        "IPYTHONDIR": str(build / "ipython"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir='{cache / 'pytensor'}'",
        "PYTHONHASHSEED": "0",
    }
    os.environ.pop("MATPLOTLIBRC", None)
    os.environ.pop("MPLBACKEND", None)


def _run(
    chapter: str,
    parameters: Mapping[str, object],
    output: Path,
    started: float,
    status: IO[str],
    sockets: str,
) -> dict[str, str]:
    """Execute the notebook with papermill; returns the parameters it declares, with defaults."""
    import papermill
    from traitlets.config import Config

    declared = papermill.inspect_notebook(str(source(chapter)))
    unknown = parameters.keys() - declared.keys()
    if unknown:
        raise SystemExit(f"{chapter} has no parameter {', '.join(sorted(unknown))}")
    total = sum(cell["cell_type"] == "code" for cell in read_notebook(source(chapter))["cells"])
    done = -1

    def cell_done(**_: object) -> None:
        nonlocal done
        done += 1
        progress.show(progress.Status(chapter, done, total, started), status)

    cell_done()
    papermill.execute_notebook(
        source(chapter),
        output,
        dict(parameters),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=CELL_TIMEOUT,
        start_timeout=300,
        resources={"metadata": {"path": str((BOOK / chapter).parent.absolute())}},
        extra_arguments=["--HistoryManager.enabled=False", "--log-level=CRITICAL"],
        coalesce_streams=True,
        config=Config({"KernelManager": {"transport": "ipc", "ip": sockets}}),
        record_timing=False,
        on_cell_executed=cell_done,
    )
    return {name: str(parameter["default"]) for name, parameter in declared.items()}


def _failure(chapter: str, running: Path, error: str) -> str:
    """What failed and where; the partial notebook is kept under another name."""
    failed = BUILD / "failed" / f"{chapter}.ipynb"
    failed.parent.mkdir(parents=True, exist_ok=True)
    running.replace(failed)
    cells = [cell for cell in read_notebook(failed)["cells"] if not _of_papermill(cell)]
    begun = [n for n, cell in enumerate(cells) if cell["metadata"]["papermill"]["start_time"]]
    number = begun[-1] if begun else 0
    return "\n".join(
        [
            f"\nFAILED: chapter {chapter}, cell {number + 1} ({cells[number]['id']})",
            *(f"    {line}" for line in cells[number]["source"].splitlines()),
            error if progress.on_terminal() else without_colours(error),
            f"The notebook up to this cell is kept as {failed}",
        ]
    )


def _of_papermill(cell: Cell) -> bool:
    """Whether papermill put the cell there, so that it does not count."""
    tags = cell["metadata"].get("tags", [])
    return bool({"papermill-error-cell-tag", "injected-parameters"} & set(tags))


def _without_traces(notebook: Notebook) -> Notebook:
    """The notebook without dates, durations and paths, so that equal runs give equal bytes."""
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
            cell["metadata"]["tags"].append("remove-cell")
    return notebook


def _keep(
    chapter: str,
    notebook: Notebook,
    parameters: Mapping[str, object],
    defaults: Mapping[str, str],
    key: str,
    seconds: float,
) -> None:
    """Move the result to its place, then write the record that makes it one."""
    write_json(executed(chapter), notebook)
    used = {**defaults, **{name: json.dumps(value) for name, value in parameters.items()}}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    content = {
        "chapter": chapter,
        "key": key,
        "notebook_sha256": freshness.sha256(executed(chapter)),
        "cells": len(code),
        "claims": len(claims(chapter, notebook)),
        "figures": sum("image/png" in output.get("data", {}) for output in outputs),
        "fits": len(fits.samplings(fits.code(chapter, notebook))),
        "draws_per_second": _draws_per_second(outputs),
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak / (1024**2 if sys.platform == "darwin" else 1024)),
        "parameters": used,
        "seeds": {name: value for name, value in used.items() if "SEED" in name.upper()},
        "versions": {"python": sys.version.split()[0], **_versions()},
    }
    write_json(record(chapter), content)


def _draws_per_second(outputs: list[Cell]) -> float | None:
    """Effective draws of the worst parameter a second of sampling, over all verdicts shown."""
    noted = [output.get("metadata", {}).get("text/html", {}).get("sampling") for output in outputs]
    verdicts = [sampling for sampling in noted if sampling]
    seconds = sum(sampling["sampling_seconds"] for sampling in verdicts)
    draws = sum(sampling["smallest_ess"] for sampling in verdicts)
    return round(draws / seconds, 1) if seconds else None


def _versions() -> dict[str, str]:
    installed = {name: _version(name) for name in LIBRARIES}
    return {name: version for name, version in installed.items() if version}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
