"""Ctrl-C and SIGTERM end the press at once, and every process that it started with it."""

import os
import signal
from types import FrameType
from typing import NoReturn

import psutil


def stop_at_signals(message: str) -> None:
    """On SIGINT or SIGTERM: end all descendants, say the message, exit as shells expect."""
    owner = os.getpid()

    def stop(signum: int, _frame: FrameType | None) -> NoReturn:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        if os.getpid() == owner:  # and not a fork of it
            print(f"\n{message}", flush=True)
        os._exit(128 + signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
