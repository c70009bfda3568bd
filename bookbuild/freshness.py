"""When a chapter must be executed again: judged by content, never by date.

The key of a chapter is a hash of everything its outputs depend on.  It is stored in the chapter's
record beside the hash of the executed notebook, and the record is written last: a kill at any
moment leaves either a whole result or none.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from bookbuild.chapters import executed, read_json, read_notebook, record, source
from bookbuild.python import imports

LOCK = Path("requirements.txt")
HELPERS = Path("lmm_helpers")
ENGINE = Path("lmm_large")
REFERENCE = Path("reference")  # what `reference` reads
BENCHMARKS = Path("benchmarks") / "results"  # what `benchmarks` reads
KERNEL_STARTUP = Path(__file__).with_name("kernel_startup.py")


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def combined(contents: Mapping[str, str]) -> str:
    """One hash of several named ones."""
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files of a folder that a person wrote, in a fixed order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
    )


def inputs(chapter: str) -> list[Path]:
    """The files on which the outputs of a chapter depend."""
    notebook = read_notebook(source(chapter))
    helpers = [
        path for room in (HELPERS, ENGINE, REFERENCE, BENCHMARKS) for path in files_below(room)
    ]
    return [source(chapter), LOCK, *(helpers if imports(chapter, notebook, HELPERS.name) else [])]


def key(chapter: str, parameters: Mapping[str, object] | None = None) -> str:
    """The content key of a chapter executed with these papermill parameters."""
    contents = {path.as_posix(): sha256(path) for path in inputs(chapter)}
    contents["kernel start-up"] = sha256(KERNEL_STARTUP)
    contents["parameters"] = json.dumps(parameters or {}, sort_keys=True)
    return combined(contents)


def is_fresh(chapter: str, parameters: Mapping[str, object] | None = None) -> bool:
    """Whether the executed notebook is whole and what these contents give."""
    if not (executed(chapter).is_file() and record(chapter).is_file()):
        return False
    try:
        noted = read_json(record(chapter))
    except SystemExit:  # a damaged record vouches for nothing
        return False
    expected = (key(chapter, parameters), sha256(executed(chapter)))
    return (noted.get("key"), noted.get("notebook_sha256")) == expected
