"""Executes one chapter in a process and a kernel of its own: `python -m bookbuild.execute NAME`.

The notebook grows in `_build/running/`, moves to `_build/executed/` when its last cell is done, and
gets its record then.  A failing cell leaves the partial notebook in `_build/failed/` instead.
"""

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import yaml

from bookbuild import freshness, kernel_registry, progress
from bookbuild.chapters import (
    BOOK,
    BUILD,
    Cell,
    Notebook,
    executed,
    known,
    page_source,
    pages,
    read_json,
    read_notebook,
    record,
    source,
    text,
    write,
    write_json,
)
from bookbuild.stopping import stop_at_signals

CELL_TIMEOUT = 3600
say = partial(print, flush=True)  # a line for the person who watches, at once
OF_AUTHORS = {".ipynb", ".md", ".yml", ".bib", ".css"}  # who may write while a chapter runs
# What a user's environment may say to Python, Jupyter and the libraries; a kernel hears none of it.
FOREIGN = re.compile(r"PYTHON|JUPYTER|IPYTHON|MPL|MATPLOTLIBRC|NUMBA|PYTENSOR|DASK|POLARS|ARVIZ")
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
    parameters = {name: yaml.safe_load(value) for name, value in options.p}
    stop_at_signals(f"{chapter}: stopped, nothing of it is kept")
    with progress.only_worker(chapter):
        if freshness.is_fresh(chapter, parameters):
            return 0
        return _execute(chapter, parameters)


def _execute(chapter: str, parameters: Mapping[str, object]) -> int:
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
        with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
            reads = Path(sockets) / "reads"
            seen = Path(sockets) / "seen"
            os.environ |= {"BOOK_READS": str(reads), kernel_registry.NOTES: str(seen)}
            defaults = _run(chapter, parameters, running, f"{sockets}/socket")
            opened, watched = reads.read_bytes(), read_json(seen)
    except PapermillExecutionError as error:
        trace = "\n".join("\n".join(error.traceback).splitlines()[-25:])
        say(_failure(chapter, running, f"{error.ename}: {error.evalue}\n\n{trace}"))
        return 1
    except (DeadKernelError, CellTimeoutError) as error:
        say(_failure(chapter, running, f"{type(error).__name__}: {error}"))
        return 1
    seconds = time.time() - started
    notebook = _without_traces(read_notebook(running))
    write_json(executed(chapter), notebook)
    used = {**defaults, **{name: json.dumps(value) for name, value in parameters.items()}}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    ids = {cell["execution_count"]: cell["id"] for cell in code}
    files = freshness.read_by(chapter, notebook, opened)
    content = {
        "chapter": chapter,
        "key": key,
        "notebook_sha256": freshness.sha256(executed(chapter)),
        "cells": len(code),
        **{kind: [{**one, "cell": ids[one["cell"]]} for one in watched[kind]] for kind in watched},
        "figures": sum("image/png" in o.get("data", {}) for cell in code for o in cell["outputs"]),
        "cost": {
            "seconds": round(seconds, 1),
            "peak_memory_mb": round(peak / (1024**2 if sys.platform == "darwin" else 1024)),
        },
        "parameters": used,
        "seeds": {name: value for name, value in used.items() if "SEED" in name.upper()},
        "versions": {"python": sys.version.split()[0], **_versions()},
        "reads": {path.as_posix(): freshness.sha256(path) for path in files},
        "changed": _changed_since(started, files),
    }
    write_json(record(chapter), freshness.sealed(content))  # last: it makes the result one
    running.unlink()
    say(f"{chapter}: executed in {seconds:.0f} s")
    return 0


def _prepare_environment(build: Path) -> None:
    """The same for every user: nothing of their configuration, one thread a library, own caches."""
    for name in [name for name in os.environ if FOREIGN.match(name)]:
        del os.environ[name]
    profile = build / "ipython" / "profile_default" / "ipython_kernel_config.py"
    write(profile, freshness.KERNEL_STARTUP.read_bytes())
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": kernel, "display_name": "Python", "language": "python"}
    write_json(build / "jupyter" / "kernels" / "python3" / "kernel.json", specification)
    cache = build / "cache"
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    os.environ |= {
        "IPYTHONDIR": str(build / "ipython"),
        "JUPYTER_PATH": str(build / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(build / "jupyter"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir='{cache / 'pytensor'}'",
        "PYTHONHASHSEED": os.environ.get("BOOK_HASH_SEED", "0"),
        "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{Path(__file__).parents[1]}",
    }


def _run(
    chapter: str,
    parameters: Mapping[str, object],
    output: Path,
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
        if done == 0 or 4 * done // total > 4 * (done - 1) // total:
            say(f"{chapter} {done}/{total} cells")

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
        extra_arguments=[
            "--HistoryManager.enabled=False",
            "--log-level=CRITICAL",
            "--InteractiveShell.colors=nocolor",
            f"--IPKernelApp.extra_extensions={kernel_registry.__name__}",
        ],
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
    wrong = [n for n in begun if any("ename" in o for o in cells[n].get("outputs", []))]
    number = [*wrong[:1], *begun[-1:], 0][0]
    return "\n".join(
        [
            f"\nFAILED: chapter {chapter}, cell {number + 1} ({cells[number]['id']})",
            *(f"    {line}" for line in cells[number]["source"].splitlines()),
            error,
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
        if "outputs" in cell:
            cell["outputs"] = _one_output_a_stream(cell["outputs"])
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
            cell["metadata"]["tags"].append("remove-cell")
    return notebook


def _one_output_a_stream(outputs: list[Cell]) -> list[Cell]:
    """What a cell writes arrives in pieces whose sizes differ from run to run."""
    joined: dict[object, Cell] = {}
    pieces: dict[object, list[str]] = {}
    for number, output in enumerate(outputs):
        key = output.get("name", number)
        joined.setdefault(key, output)
        pieces.setdefault(key, []).append(text(output.get("text", "")))
    for key, output in joined.items():
        if "text" in output:
            output["text"] = "".join(pieces[key])
    return [*joined.values()]


def _changed_since(started: float, reads: Sequence[Path]) -> list[str]:
    """What the chapter, or somebody else, wrote into the repository while the chapter ran."""
    own = {page_source(name) for name in pages()}
    below = (path for path in freshness.files_below(BOOK) if path.suffix not in OF_AUTHORS)
    book = [path for path in below if not any(part.startswith(".") for part in path.parts)]
    changed = (path for path in {*reads, *book} - own if path.stat().st_mtime > started)
    return sorted(path.as_posix() for path in changed if path.is_file())


def _versions() -> dict[str, str]:
    installed = {library.name: library.version for library in metadata.distributions()}
    return {name: installed[name] for name in LIBRARIES if name in installed}


if __name__ == "__main__":
    sys.exit(main())
