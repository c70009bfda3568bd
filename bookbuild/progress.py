"""How far the running chapters are: one line redrawn in place on a terminal, plain lines elsewhere.

Each worker keeps its status in a file of `_build/running/` that it holds locked; the lock ends with
the process, however it ends, so a status without a lock belongs to nobody and is not shown.
"""

import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import IO, NamedTuple

from bookbuild.chapters import BUILD

RUNNING = BUILD / "running"
ERASE_LINE = "\r\x1b[2K"


class Status(NamedTuple):
    """Cells done of a chapter that is being executed."""

    chapter: str
    done: int
    total: int
    started: float

    def __str__(self) -> str:
        return f"{self.chapter} {self.done}/{self.total} cells {time.time() - self.started:.0f} s"


@contextmanager
def only_worker(chapter: str) -> Iterator[IO[str]]:
    """The locked status file of a chapter; waits for another process that executes the chapter."""
    path = RUNNING.absolute() / f"{chapter.replace('/', '--')}.status"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as status:
        if not _lock(status):
            say(f"{chapter}: another process is at work on it; waiting for its result")
            fcntl.flock(status, fcntl.LOCK_EX)
        status.truncate(0)
        try:
            yield status
        finally:
            status.truncate(0)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def running(folder: Path) -> list[Status]:
    """The status of every worker that is alive."""
    found = []
    for path in sorted(folder.glob("*.status")):
        with path.open(encoding="utf-8") as file:
            if not _lock(file):
                content = file.read()
                if content.endswith("\n"):
                    found.append(Status(*json.loads(content)))
    return found


def show(status: Status, file: IO[str]) -> None:
    """Tell how far a chapter is."""
    file.seek(0)
    file.truncate()
    file.write(json.dumps(status) + "\n")
    file.flush()
    if on_terminal():
        _draw(Path(file.name).parent)
    elif status.done == 0 or _quarter(status.done, status) > _quarter(status.done - 1, status):
        say(str(status))


def _draw(folder: Path) -> None:
    line = " · ".join(map(str, running(folder)))
    print(ERASE_LINE + line[: shutil.get_terminal_size().columns - 1], end="", flush=True)


@contextmanager
def ticking() -> Iterator[None]:
    """On a terminal, the seconds run on during a long cell."""
    folder, stop = RUNNING.absolute(), Event()

    def tick() -> None:
        while not stop.wait(1):
            _draw(folder)

    ticker = Thread(target=tick, daemon=True)
    if on_terminal():
        ticker.start()
    try:
        yield
    finally:
        stop.set()


def _quarter(done: int, status: Status) -> int:
    return 4 * done // max(status.total, 1)


def say(line: str) -> None:
    """Print a line that stays."""
    print(f"{ERASE_LINE if on_terminal() else ''}{line}", flush=True)


def on_terminal() -> bool:
    """Whether a person watches."""
    return sys.stdout.isatty()
