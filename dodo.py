"""The whole line on one page: sources → executed chapters → proof → checked site.

    doit                           the book
    doit source                    the proof of the sources, in seconds
    doit chapter --name NAME       one chapter: executed and proofed
    doit accept                    what the figures show now becomes their contract
    doit twice                     every chapter once more, from nothing: equal to the last bit?

What is stale is judged by content: the result of each step lies beside a key of all that it was
made from, so doit keeps no notes.  A build that is killed at any moment continues.
"""

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from typing import Any

from doit.exceptions import TaskFailed
from doit.reporter import ConsoleReporter

from bookbuild import freshness, proof, render
from bookbuild.chapters import (
    BUILD,
    Notebook,
    Place,
    chapters,
    code_cells,
    executed,
    known,
    read_notebook,
    source,
)
from bookbuild.stopping import stop_at_signals

Task = dict[str, Any]


def task_source() -> Task:
    """Proof-read the sources: found in a moment, before anything is executed."""
    return {"actions": [partial(no_faults, proof.of_sources)]}


def task_execute() -> Iterator[Task]:
    """Execute each chapter in a kernel of its own, unless its result is there; long ones first."""
    for chapter in sorted(chapters(), key=size, reverse=True):
        yield {
            "name": chapter,
            "actions": [partial(run, "bookbuild.execute", chapter)],
            "task_dep": ["source"],
            "uptodate": [(freshness.is_fresh, [chapter])],
        }


def size(chapter: str) -> int:
    """How much there is to execute, roughly: the length of the notebook."""
    return source(chapter).stat().st_size


def task_proof() -> Task:
    """Proof-read the executed chapters: outputs, figures, contracts."""
    return {"actions": [partial(no_faults, proof.of_results)], "task_dep": ["execute"]}


def task_render() -> Task:
    """Render the site from the executed chapters, check it, and put it in its place."""
    return {
        "actions": [partial(run, "bookbuild.render")],
        "task_dep": ["proof"],
        "uptodate": [render.is_fresh],
    }


def task_book() -> Task:
    """The checked book."""
    return {"actions": [say_where], "task_dep": ["render"]}


def task_accept() -> Task:
    """Make what the figures show now their contract, after a page that shows both."""
    return {"actions": [partial(run, "bookbuild.contracts")], "task_dep": ["execute"]}


def task_twice() -> Task:
    """Execute every chapter a second time, elsewhere and in another order, and compare."""
    return {"actions": [partial(no_faults, differences)], "task_dep": ["execute"]}


def task_chapter() -> Task:
    """Execute and proof-read one chapter."""
    name = {"name": "chapter", "long": "name", "default": "", "help": "its name, as 01_eda"}
    return {"actions": [one_chapter], "params": [name]}


def no_faults(find: Callable[[], list[str]]) -> TaskFailed | None:
    """Fail with all faults that are found."""
    try:
        faults = find()
    except (SystemExit, OSError) as error:  # what the press cannot read at all, a full disk
        faults = [str(error)]
    return TaskFailed("\n".join(f"  - {fault}" for fault in faults)) if faults else None


def run(module: str, *arguments: str) -> TaskFailed | None:
    """Run a module of the press as a process of its own, which says itself what is wrong."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)  # noqa: S603
    name = " ".join([module, *arguments])
    return TaskFailed(f"  - {name}: see above") if done.returncode else None


def one_chapter(chapter: str) -> TaskFailed | None:
    """Proof-read the source, execute it, proof-read the result."""
    name = known(chapter)
    return (
        no_faults(partial(proof.of_source, name))
        or run("bookbuild.execute", name)
        or no_faults(partial(proof.of_executed, name))
    )


def differences() -> list[str]:
    """Where a second execution shows something else; cells tagged `timing` may."""
    copy = BUILD / "twice"
    shutil.rmtree(copy, ignore_errors=True)
    not_sources = shutil.ignore_patterns(BUILD.name, ".git", ".venv*", ".*_cache", "__pycache__")
    shutil.copytree(".", copy, ignore=not_sources)
    names = sorted(chapters(), key=size)
    command = [sys.executable, "-m", "doit", *(f"execute:{name}" for name in names)]
    environment = {**os.environ, "BOOK_HASH_SEED": "1"}  # another order of sets
    if subprocess.run(command, cwd=copy, env=environment, check=False).returncode:  # noqa: S603
        return ["the second execution failed: see above"]
    return [
        f"{place}: two executions differ: seed it, sort it, or tag a clock's cell `timing`:"
        f"\n      {(line or 'more')[:90]}\n      {(other or 'more')[:90]}"
        for name in chapters()
        for (place, shown), (_, again) in zip(
            lines(name, read_notebook(executed(name))),
            lines(name, read_notebook(copy / executed(name))),
            strict=True,
        )
        for line, other in [pair for pair in zip_longest(shown, again) if len({*pair}) > 1][:1]
    ]


def lines(name: str, notebook: Notebook) -> list[tuple[Place, list[str]]]:
    """The lines of the outputs of each cell that holds no clock."""
    return [
        (place, json.dumps(cell["outputs"], indent=0, sort_keys=True).splitlines())
        for place, cell in code_cells(name, notebook)
        if "timing" not in cell["metadata"].get("tags", [])
    ]


def say_where() -> None:
    """The last line of a good build."""
    print(f"The book is ready: {(render.SITE / 'index.html').absolute().as_uri()}")


class Reporter(ConsoleReporter):  # type: ignore[misc] # doit is untyped
    """Shows what the steps print and why one failed, nothing of doit's own workings."""

    def execute_task(self, task: Any) -> None:
        """The steps speak for themselves."""

    def skip_uptodate(self, task: Any) -> None:
        """What is up to date is not worth a line."""

    def _write_failure(self, result: dict[str, Any], write_exception: bool = True) -> None:
        message = str(result["exception"].get_msg()).strip("\n")
        self.write(f"\nSTOPPED at {result['task'].name}:\n{message}\n")


# The environment of this user is no part of the book: PYTHONWARNINGS, PYTHONOPTIMIZE and the like.
for name in [name for name in os.environ if name.startswith("PYTHON")]:
    if name != "PYTHONPATH":  # by which a sample book finds the press; kernels never hear of it
        del os.environ[name]
warnings.resetwarnings()
stop_at_signals("Stopped. Finished chapters are kept; `make book` continues.")
try:
    chapters()
    BUILD.mkdir(exist_ok=True)
except (SystemExit, OSError) as error:
    sys.exit(f"STOPPED: {error}")

DOIT_CONFIG = {
    "backend": "sqlite3",
    "dep_file": ":memory:",
    "default_tasks": ["book"],
    "reporter": Reporter,
    "verbosity": 2,
    "num_process": os.process_cpu_count() or 2,
    "par_type": "thread",
}
