"""Notes what a kernel reads: every file that its Python opens, modules included."""

import os
import sys
from typing import Any


def note_reads() -> None:
    """Note what is loaded already, and from now on each file at its first opening."""
    notes = os.open(os.environ["BOOK_READS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    seen: set[str | bytes] = set()

    def note(path: Any) -> None:
        if isinstance(path, str | bytes) and path not in seen:
            seen.add(path)
            os.write(notes, os.fsencode(os.path.abspath(path)) + b"\0")  # noqa: PTH100

    for module in list(sys.modules.values()):
        note(getattr(module, "__file__", None))
    sys.addaudithook(lambda event, values: note(values[0]) if event == "open" else None)
