"""When a chapter must be executed again: judged by content, never by date.

The record of a chapter holds a key of what the press executed (source, lock, interpreter, the
modules that execute), the hash of every file that the kernel read, and its own digest.  It is
written last: a kill at any moment leaves either a whole result or none.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from bookbuild.chapters import (
    BUILD,
    Notebook,
    code_cells,
    executed,
    read_json,
    record,
    source,
)

LOCK = Path("requirements.txt")
PYTHON_VERSION = Path(".python-version")
PRESS = [Path(__file__).with_name("execute.py"), *Path(__file__).parent.glob("kernel_*.py")]
KERNEL_STARTUP = Path(__file__).with_name("kernel_startup.py")
FILE_NAME = re.compile(r"[\w*-][\w.*-]*\.[\w*]+")


def sha256(path: Path) -> str:
    """Hash of a file's bytes or a folder's names, read once for each date; empty if it is gone."""
    try:
        state = path.stat()
        return _sha256(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return ""


@cache
def _sha256(path: Path, _date: int, _size: int) -> str:
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir() if one.name[0] not in "._")
        return combined({"names": names})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def combined(contents: Mapping[str, object]) -> str:
    """One hash of several named values."""
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files of a folder that a person wrote, in a fixed order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
    )


def key(chapter: str, parameters: Mapping[str, object] | None = None) -> str:
    """The content key of a chapter executed with these papermill parameters."""
    inputs = [source(chapter), LOCK, PYTHON_VERSION, *PRESS]
    hashes = {path.name: sha256(path) for path in inputs}
    return combined({**hashes, "python": sys.version, "parameters": parameters or {}})


def read_by(chapter: str, notebook: Notebook, opened: bytes) -> list[Path]:
    """The files of the book's repository and of the environment that a chapter read."""
    root, environment = Path.cwd(), Path(sys.prefix)
    found = {_as_written(path) for path in opened.split(b"\0") if path}
    # DuckDB, Arrow and Polars open files behind Python's back: a name that stands in a cell counts.
    cells = code_cells(chapter, notebook)
    names = {name for _, cell in cells for name in FILE_NAME.findall(cell["source"])}
    patterns = [name for name in names if "*" in name]
    for folder in (path for path in root.iterdir() if path.name[0] not in "._"):
        for path in files_below(folder):
            if path.name in names or any(fnmatchcase(path.name, one) for one in patterns):
                found.add(path)
    found -= {path for path in found if path.is_relative_to(root / BUILD)}
    files = {path for path in found if path.is_file()}
    folders = {path for path in found - files if path.is_dir() and path != root}
    ours = {p for p in files | folders if p.is_relative_to(root)}
    installed = {path for path in files if path.is_relative_to(environment)}
    ours -= {path for path in folders if path.is_relative_to(environment)}
    return sorted(path.relative_to(root) if path in ours else path for path in ours | installed)


def _as_written(opened: bytes) -> Path:
    """The module whose byte code was opened, or the file itself."""
    path = os.fsdecode(opened)
    return Path(source_from_cache(path) if path.endswith(".pyc") else path)


def sealed(content: Mapping[str, object]) -> dict[str, object]:
    """A record with the digest by which it is known to be whole."""
    return {**content, "digest": combined(content)}


def noted(chapter: str) -> dict[str, Any]:
    """The record of a chapter; nothing if it is missing, damaged or edited."""
    try:
        content = read_json(record(chapter))
    except (SystemExit, OSError):
        return {}
    digest = content.pop("digest", None)
    return content if digest == combined(content) else {}


def is_fresh(chapter: str, parameters: Mapping[str, object] | None = None) -> bool:
    """Whether the executed notebook is whole and what these contents give."""
    content = noted(chapter)
    return (
        bool(content)
        and content["notebook_sha256"] == sha256(executed(chapter))
        and content["key"] == key(chapter, parameters)
        and all(sha256(Path(path)) == was for path, was in content["reads"].items())
    )
