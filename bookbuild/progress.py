"""One worker a chapter: a lock that ends with its process, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from bookbuild.chapters import BUILD


@contextmanager
def only_worker(name: str) -> Iterator[None]:
    """Work alone on a chapter or the site; waits for another process that is at work on it."""
    path = BUILD / "running" / f"{name.replace('/', '--')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{name}: another process is at work on it; waiting for its result", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
