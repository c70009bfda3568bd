"""Renders the site from the executed notebooks with jupyter-book; a warning stops the press.

The sources are staged afresh in `_build/src/`, the site is built beside the one that is there, and
takes its place only when it is whole.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bookbuild import freshness, progress
from bookbuild.chapters import (
    BOOK,
    BUILD,
    chapters,
    executed,
    page_source,
    pages,
    read_json,
    read_notebook,
    record,
    without_colours,
    write,
    write_json,
)

STAGE = BUILD / "src"
WORK = BUILD / "render"
SITE = BUILD / "html"
STATIC = BOOK / "_static"
LOG = BUILD / "render.log"
KEY = SITE / ".key"
CONFIGURATION = [Path("_config.yml"), Path("_toc.yml")]
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
BUILD_RECORD = "<!-- build record -->"
MADE = {
    "chapter": "Chapter",
    "cells": "Cells",
    "claims": "Claims",
    "figures": "Figures",
    "fits": "Fits",
}
COST = {
    "chapter": "Chapter",
    "seconds": "Seconds",
    "peak_memory_mb": "Peak memory (MB)",
    "draws_per_second": "Effective draws per second",
}
PROBLEM = re.compile(r"WARNING:|ERROR:|Error:|Exception")
NOTEBOOK_LINE = re.compile(r"\.ipynb:(\d+)(\d{4}):")  # as myst-nb counts: cell and line in one


def inputs() -> list[Path]:
    """All files from which the site is made."""
    pages_and_notebooks = [
        executed(name) if name in chapters() else page_source(name) for name in pages()
    ]
    records = [record(name) for name in chapters()]
    press = [*Path(__file__).parent.glob("sphinx_*.py"), Path(__file__)]
    return [*CONFIGURATION, *pages_and_notebooks, *records, *_accessories(), *press, freshness.LOCK]


def _accessories() -> list[Path]:
    """What the pages use besides the pages: bibliography, styles, scripts, pictures."""
    suffixes = {".bib", ".css", ".js", ".svg", ".png", ".ico", ".csv", ".woff2"}
    found = freshness.files_below(BOOK)
    return [path for path in found if path.suffix in suffixes and not _private(path)]


def _private(path: Path) -> bool:
    """Whether a file serves the press alone (`_contracts`, `_numbers.yml`)."""
    return path.relative_to(BOOK).parts[0].startswith("_") and not path.is_relative_to(STATIC)


def key() -> str:
    """The content key of the site."""
    return freshness.combined({p.as_posix(): freshness.sha256(p) for p in inputs() if p.is_file()})


def is_fresh() -> bool:
    """Whether the site is what its inputs give."""
    complete = KEY.is_file() and (SITE / "index.html").is_file()
    return complete and KEY.read_text(encoding="utf-8") == key()


def render() -> None:
    """Build the site from the executed chapters."""
    stale = [chapter for chapter in chapters() if not freshness.is_fresh(chapter)]
    if stale:
        raise SystemExit(f"not executed since their last change: {', '.join(stale)}: `make book`")
    made_from = key()
    _stage()
    shutil.rmtree(WORK, ignore_errors=True)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(STAGE), "--path-output", str(WORK)]
    options = ["--all", "-W", "-n", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": _python_path(), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, check=False)
    write(LOG, without_colours((done.stdout + done.stderr).decode()))
    if done.returncode != 0:
        raise SystemExit(f"the site was not built: {_problems()}\nThe whole log: {LOG}")
    built = WORK / "_build" / "html"
    write(built / KEY.name, made_from)
    write(built / ".nojekyll", "")
    _swap(built)


def _python_path() -> str:
    """Where the Sphinx extensions of this package are found."""
    ours = str(Path(__file__).parent.parent)
    return os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH")]))


def _problems() -> str:
    """The lines of the log that say what is wrong, with paths as the author knows them."""
    lines = LOG.read_text(encoding="utf-8").splitlines()
    told = dict.fromkeys(line for line in lines if PROBLEM.search(line)) or lines[-20:]
    staged = f"{STAGE.absolute()}{os.sep}"
    lines = [NOTEBOOK_LINE.sub(_cell_and_line, line.replace(staged, "")) for line in told]
    return "".join(f"\n    {line}" for line in lines)


def _cell_and_line(found: re.Match[str]) -> str:
    return f".ipynb, cell {int(found[1])}, line {int(found[2])}:"


def _swap(built: Path) -> None:
    """Put the new site in the place of the old one."""
    old = BUILD / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if SITE.exists():
        SITE.rename(old)
    built.rename(SITE)
    shutil.rmtree(old, ignore_errors=True)


def _stage() -> None:
    """Copy what jupyter-book needs, the executed notebooks in the place of their sources."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for path in [*CONFIGURATION, *_accessories()]:
        write(STAGE / path, path.read_bytes())
        if path.is_relative_to(STATIC) and path.suffix in {".css", ".js", ".woff2"}:
            write(STAGE / path.relative_to(BOOK), path.read_bytes())  # where jupyter-book looks
    for name in pages():
        if name in chapters():
            write_json(STAGE / BOOK / f"{name}.ipynb", _for_pages(read_notebook(executed(name))))
        else:
            page = page_source(name).read_text(encoding="utf-8")
            write(STAGE / page_source(name), page.replace(BUILD_RECORD, build_record()))


def _for_pages(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with images that shrink on a phone (a width, no height), undescribed."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for field in ("height", "figure"):
                output.get("metadata", {}).get("image/png", {}).pop(field, None)
    return notebook


def build_record() -> str:
    """How this book was built, as Markdown tables."""
    records = [read_json(record(chapter)) for chapter in chapters()]
    made = [
        [*(str(noted[field]) for field in MADE), _seeds(noted), noted["key"][:8]]
        for noted in records
    ]
    cost = [[str(noted[field] or "") for field in COST] for noted in records]
    versions = {name: v for noted in records for name, v in sorted(noted["versions"].items())}
    python = versions.pop("python", "")
    return "\n\n".join(
        [
            _table([*MADE.values(), "Seeds", "Key"], made),
            _table([*COST.values()], cost),
            f"Executed with Python {python} on a machine with {os.cpu_count()} cores.",
            _table(["Library", "Version"], [[name, v] for name, v in versions.items()]),
        ]
    )


def _seeds(noted: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in noted["seeds"].items())


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    with progress.only_worker("the site"):
        if not is_fresh():
            render()
