"""Ctrl-C, SIGTERM or the end of its parent ends the press, and what it started with it."""

import os
import signal
import sys
import time
from contextlib import suppress
from threading import Thread
from types import FrameType, TracebackType
from typing import NoReturn

import psutil


def stop_at_signals(message: str) -> None:
    """From now on end as a whole, saying the message; a full disk is told in a sentence."""
    parent = os.getppid()

    def stop(signum: int, _frame: FrameType | None = None) -> NoReturn:
        try:
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
            print(f"\n{message}", flush=True)
        finally:
            os._exit(128 + signum)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        stop(signal.SIGTERM)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    Thread(target=watch, daemon=True).start()
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A sentence for what the machine refuses (a full disk), a traceback for a fault of ours."""
    if isinstance(error, OSError):
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
