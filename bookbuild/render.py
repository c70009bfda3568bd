"""Renders the site from the executed notebooks with jupyter-book; a warning stops the press.

The sources are staged afresh in `_build/src/`, the site is built and checked beside the one that is
there, gets a manifest of its files, and takes its place only when it is whole and without faults.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bookbuild import bibliography, claims, freshness, measures, progress, site
from bookbuild.chapters import (
    BOOK,
    BUILD,
    chapters,
    executed,
    page_source,
    pages,
    read_json,
    read_notebook,
    write,
    write_json,
)
from bookbuild.stopping import stop_at_signals

STAGE = BUILD / "src"
WORK = BUILD / "render"
SITE = BUILD / "html"
STATIC = BOOK / "_static"
LOG = BUILD / "render.log"
MANIFEST = ".manifest.json"
CONFIGURATION = [Path("_config.yml"), Path("_toc.yml")]
JUPYTER_BOOK = (
    "from bookbuild.stopping import stop_at_signals; stop_at_signals('the site: stopped');"
    "from jupyter_book.cli.main import main; main()"
)
PRESS = Path(__file__).parents[1]  # where Sphinx finds the extensions of this package
BUILD_RECORD = "<!-- build record -->"
COST = {"seconds": "Seconds", "peak_memory_mb": "Peak memory (MB)"}
MADE = ["chapter", "cells", "claims", "figures", "fits"]
PROBLEM = re.compile(r"WARNING:|ERROR:|Error:|Exception")
NOTEBOOK_LINE = re.compile(r"\.ipynb:(\d+)(\d{4}):")  # as myst-nb counts: cell and line in one


def _accessories() -> list[Path]:
    """What the pages use besides the pages: bibliography, styles, scripts, pictures."""
    suffixes = {".bib", ".css", ".js", ".svg", ".png", ".ico", ".csv", ".woff2"}
    return [path for path in freshness.files_below(BOOK) if path.suffix in suffixes]


def key() -> str:
    """The content key of the site: all from which it is made, without what execution cost."""
    records = {name: {**freshness.noted(name), "cost": None} for name in chapters()}
    written = [executed(name) if name in records else page_source(name) for name in pages()]
    files = [*CONFIGURATION, *written, *_accessories(), measures.ALLOWED, freshness.LOCK]
    made_of = {str(path): freshness.sha256(path) for path in files}
    press = {path.name: freshness.sha256(path) for path in Path(__file__).parent.glob("*.py")}
    return freshness.combined({**records, **made_of, **press})


def is_fresh() -> bool:
    """Whether the site is what its inputs give, file by file what was checked."""
    try:
        manifest = read_json(SITE / MANIFEST)
    except (SystemExit, OSError):
        return False
    return manifest == {"key": key(), "files": _hashes(SITE)}


def _hashes(folder: Path) -> dict[str, str]:
    """What a site consists of, its manifest apart."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: freshness.sha256(path)
        for name, path in files.items()
        if path.is_file() and name != MANIFEST
    }


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
    environment = {
        **os.environ,
        "PYTHONPATH": str(PRESS),
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
    }
    done = subprocess.run([*command, *options], env=environment, capture_output=True, check=False)
    write(LOG, done.stdout + done.stderr)
    if done.returncode != 0:
        raise SystemExit(f"the site was not built: {_problems()}\nThe whole log: {LOG}")
    built = WORK / "_build" / "html"
    _finish(built)
    faults = "".join(f"\n  - {fault}" for fault in site.faults(built))
    if faults:
        raise SystemExit(f"the site has faults, what was published before stays:{faults}")
    write_json(built / MANIFEST, {"key": made_from, "files": _hashes(built)})
    old = BUILD / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if SITE.exists():
        SITE.rename(old)
    built.rename(SITE)
    shutil.rmtree(old, ignore_errors=True)


def _finish(built: Path) -> None:
    """What jupyter-book leaves out: the policy of every page; and sources without clocks."""
    write(built / ".nojekyll", "")
    for path in built.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        write(path, page.replace("<head>", f"<head>{site.POLICY}", 1))
    write(built / "index.html", f"{site.POLICY}{(built / 'index.html').read_text('utf-8')}")
    for name in chapters():
        notebook = _for_pages(read_notebook(executed(name)))
        for cell in notebook["cells"]:
            if "timing" in cell["metadata"].get("tags", []):
                cell["outputs"] = []
        write_json(built / "_sources" / BOOK / f"{name}.ipynb", notebook)


def _problems() -> str:
    """The lines of the log that say what is wrong, with paths as the author knows them."""
    lines = LOG.read_text(encoding="utf-8").splitlines()
    told = dict.fromkeys(line for line in lines if PROBLEM.search(line)) or lines[-20:]
    staged = f"{STAGE.absolute()}{os.sep}"
    lines = [NOTEBOOK_LINE.sub(_cell_and_line, line.replace(staged, "")) for line in told]
    return "".join(f"\n    {line}" for line in lines)


def _cell_and_line(found: re.Match[str]) -> str:
    return f".ipynb, cell {int(found[1])}, line {int(found[2])}:"


def _stage() -> None:
    """Copy what jupyter-book needs, the executed notebooks in the place of their sources."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for path in [*CONFIGURATION, *_accessories()]:
        write(STAGE / path, path.read_bytes())
        if path.is_relative_to(STATIC) and path.suffix in {".css", ".js", ".woff2"}:
            write(STAGE / path.relative_to(BOOK), path.read_bytes())  # where jupyter-book looks
    references = next((n for n, text in _texts() if "{bibliography}" in text), "")
    for name, text in _texts():
        to = os.path.relpath(references, Path(name).parent)
        suffix = ".ipynb" if name in chapters() else ".md"
        write(STAGE / BOOK / f"{name}{suffix}", bibliography.linked(text, to))
    write(STAGE / BOOK / f"{claims.PAGE}.md", claims.page())
    toc = yaml.safe_load(Path("_toc.yml").read_text(encoding="utf-8"))
    last_part = toc["parts"][-1] if "parts" in toc else toc
    last_part["chapters"].append({"file": f"{BOOK}/{claims.PAGE}"})
    write(STAGE / "_toc.yml", yaml.safe_dump(toc, sort_keys=False))


def _texts() -> Iterator[tuple[str, str]]:
    """The pages as jupyter-book gets them."""
    for name in pages():
        if name in chapters():
            notebook = _for_pages(read_notebook(executed(name)))
            first = next(c for c in notebook["cells"] if c["cell_type"] == "markdown")
            first["source"] = measures.timed(name, first["source"])
            yield name, json.dumps(claims.linked(name, notebook))
        else:
            page = page_source(name).read_text(encoding="utf-8")
            yield name, measures.timed(name, page.replace(BUILD_RECORD, build_record()))


def _for_pages(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with images that shrink on a phone (a width, no height), undescribed."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for field in ("height", "figure"):
                output.get("metadata", {}).get("image/png", {}).pop(field, None)
    return notebook


def build_record() -> str:
    """How this book was built, as Markdown tables."""
    import pandas as pd

    records = [freshness.noted(chapter) for chapter in chapters()]
    made = [
        {what.title(): n if isinstance(n := noted[what], str | int) else len(n) for what in MADE}
        | {"Seeds": ", ".join(f"{name} = {value}" for name, value in noted["seeds"].items())}
        | {"Key": noted["key"][:8]}
        for noted in records
    ]
    cost = [
        {"Chapter": noted["chapter"], **{COST[what]: noted["cost"][what] for what in COST}}
        for noted in records
    ]
    versions = {name: v for noted in records for name, v in sorted(noted["versions"].items())}
    libraries = [{"Library": name, "Version": version} for name, version in versions.items()]
    tables = [
        pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
        for rows in (made, cost, libraries)
    ]
    return "\n\n".join([*tables, f"The machine has {os.cpu_count()} cores."])


if __name__ == "__main__":
    stop_at_signals("the site: stopped, what was published before stays")
    with progress.only_worker("the site"):
        if not is_fresh():
            render()
