"""The whole line on one page: sources → executed chapters → proof → site → site checks.

    doit -n 2                      the book
    doit chapter --name NAME       one chapter: executed and proofed
    doit accept                    what the figures show now becomes their contract

What is stale is judged by content: the result of each step lies beside a key of all that it was
made from.  A build that is killed at any moment, or that loses doit's own notes, continues.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed
from doit.reporter import ConsoleReporter

from bookbuild import freshness, proof, render, site
from bookbuild.chapters import BUILD, chapters, executed, known, page_source, pages, record, source
from bookbuild.stopping import stop_at_signals

Task = dict[str, Any]
NOTES = BUILD / "doit.sqlite3"


def task_source() -> Task:
    """Proof-read the sources: found in a moment, before anything is executed."""
    return check(proof.of_sources, file_dep=[page_source(name) for name in pages()])


def task_execute() -> Iterator[Task]:
    """Execute each chapter in a kernel of its own, unless its result is there; long ones first."""
    for chapter in sorted(chapters(), key=size, reverse=True):
        yield {
            "name": chapter,
            "actions": [partial(run, "bookbuild.execute", chapter)],
            "file_dep": [*freshness.inputs(chapter), freshness.KERNEL_STARTUP],
            "task_dep": ["source"],
            "targets": [executed(chapter), record(chapter)],
            "uptodate": [result_of(freshness.is_fresh, chapter)],
        }


def size(chapter: str) -> int:
    """How much there is to execute, roughly: the length of the notebook."""
    return source(chapter).stat().st_size


def task_proof() -> Task:
    """Proof-read the executed chapters: outputs, figures, contracts."""
    return check(proof.of_results, file_dep=[executed(chapter) for chapter in chapters()])


def task_render() -> Task:
    """Render the site from the executed chapters; a warning stops the press."""
    return {
        "actions": [partial(run, "bookbuild.render")],
        "file_dep": render.inputs(),
        "task_dep": ["proof"],
        "targets": [render.SITE / "index.html"],
        "uptodate": [result_of(render.is_fresh)],
    }


def task_site() -> Task:
    """Check that the site holds every page, link and image, and loads nothing from elsewhere."""
    return check(site.faults, file_dep=[render.SITE / "index.html"])


def task_book() -> Task:
    """The checked book."""
    return {"actions": [say_where], "task_dep": ["site"]}


def task_accept() -> Task:
    """Make what the figures show now their contract, after a page that shows both."""
    return {"actions": [partial(run, "bookbuild.contracts")], "task_dep": ["execute"]}


def task_chapter() -> Task:
    """Execute and proof-read one chapter."""
    name = {"name": "chapter", "long": "name", "default": "", "help": "its name, as 01_eda"}
    return {"actions": [one_chapter], "params": [name]}


def check(find: Callable[[], list[str]], file_dep: list[Path]) -> Task:
    """A task that runs each time and fails with every fault that is found."""
    return {"actions": [partial(no_faults, find)], "file_dep": file_dep, "uptodate": [False]}


def no_faults(find: Callable[[], list[str]]) -> TaskFailed | None:
    """Fail with all faults that are found."""
    try:
        faults = find()
    except SystemExit as error:  # what the press cannot read at all
        faults = [str(error)]
    return TaskFailed("\n".join(f"  - {fault}" for fault in faults)) if faults else None


def run(module: str, *arguments: str) -> TaskFailed | None:
    """Run a module of the press as a process of its own, which says itself what is wrong."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)  # noqa: S603
    return (
        TaskFailed(f"  - {' '.join([module, *arguments])}: see above") if done.returncode else None
    )


def one_chapter(chapter: str) -> TaskFailed | None:
    """Proof-read the source, execute it, proof-read the result."""
    name = known(chapter)
    return (
        no_faults(partial(proof.of_source, name))
        or run("bookbuild.execute", name)
        or no_faults(partial(proof.of_executed, name))
    )


def say_where() -> None:
    """The last line of a good build."""
    print(f"The book is ready: {(render.SITE / 'index.html').absolute().as_uri()}")


def result_of(function: Callable[..., bool], *arguments: Any) -> Callable[[Any, Any], bool]:
    """A condition as doit calls it."""

    def condition(task: Any, values: Any) -> bool:
        return function(*arguments)

    return condition


class Reporter(ConsoleReporter):  # type: ignore[misc] # doit is untyped
    """Shows what the steps print and why one failed, nothing of doit's own workings."""

    def execute_task(self, task: Any) -> None:
        """The steps speak for themselves."""

    def skip_uptodate(self, task: Any) -> None:
        """What is up to date is not worth a line."""

    def _write_failure(self, result: dict[str, Any], write_exception: bool = True) -> None:
        message = str(result["exception"].get_msg()).strip("\n")
        self.write(f"\nSTOPPED at {result['task'].name}:\n{message}\n")


def usable_notes() -> str:
    """Where doit keeps its notes; notes that a kill has damaged are thrown away."""
    BUILD.mkdir(exist_ok=True)
    notes = sqlite3.connect(NOTES)
    try:
        notes.execute("pragma quick_check")
    except sqlite3.DatabaseError:
        NOTES.unlink()
    finally:
        notes.close()
    return str(NOTES)


stop_at_signals("Stopped. Finished chapters are kept; `make book` continues.")

DOIT_CONFIG = {
    "backend": "sqlite3",
    "dep_file": usable_notes(),
    "default_tasks": ["book"],
    "reporter": Reporter,
    "verbosity": 2,
}
