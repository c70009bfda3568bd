"""Run measured cases, each in a process of its own, and keep what they found.

A case that is done is not run again: its record stays in `_build/benchmarks` until that folder is
removed, and an interrupted bench goes on where it stopped.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "_build" / "benchmarks"
RESULTS = ROOT / "benchmarks" / "results"
CORES = 2
COLUMNS = (
    "question",
    "route",
    "model",
    "rows",
    "groups",
    "repetition",
    "read_seconds",
    "compile_seconds",
    "seconds",
    "cpu_seconds",
    "peak_mb",
    "ess_min",
    "ess_per_second",
    "versions",
    "status",
)
Record = dict[str, Any]


@dataclass
class Bench:
    """The cases of one question, in the order of the table."""

    question: str
    kept: Path = KEPT
    results: Path = RESULTS
    cache: Path = KEPT / "cache"
    records: list[Record] = field(default_factory=list)

    def run(
        self,
        command: list[str],
        *,
        libraries: tuple[str, ...] = (),
        file: Callable[[], Path] | None = None,
        cold: bool = False,
        **case: Any,
    ) -> Record:
        """Run a case, or take what is kept of it.

        The process is given two more arguments: a file with the case, and one for its answer. The
        limits are `limit`, in seconds, and `limit_gb`. With `cold` no compiled code is at hand.
        """
        case = {"question": self.question, "repetition": 1, "limit_gb": 6, **case, "cold": cold}
        path = self.kept / self.question / _file_name(case)
        if path.exists():
            record: Record = json.loads(path.read_text(encoding="utf-8"))
        else:
            record = self._measured(command, case, file, cold)
            record["versions"] |= {name: version(name) for name in libraries}
            if record["status"] not in ("failed", "not installed"):
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, json.dumps(record, indent=1))
        self.records.append(record)
        return record

    def note(self, status: str, **case: Any) -> None:
        """Put down why a case was not run."""
        self.records.append({"case": {"repetition": 1, **case}, "status": status})

    def _measured(
        self,
        command: list[str],
        case: Record,
        file: Callable[[], Path] | None,
        cold: bool,
    ) -> Record:
        """Run a case."""
        where = " · ".join(str(case[key]) for key in ("question", "model", "rows", "groups"))
        print(f"{where} · {case['route']}", end=" ", flush=True)
        answer: Record = {}
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            asked, answered = Path(folder, "case.json"), Path(folder, "answer.json")
            given = case | ({"file": str(file())} if file else {})
            asked.write_text(json.dumps(given), encoding="utf-8")
            cache = Path(folder) if cold else self.cache
            watched = _watched(
                [*command, str(asked), str(answered)], case["limit"], case["limit_gb"], cache
            )
            if watched["status"] == "done" and answered.exists():
                answer = json.loads(answered.read_text(encoding="utf-8"))
        print(f"· {answer.get('status', watched['status'])} · {watched['seconds']:.1f} s")
        if watched["status"] == "failed":
            print(watched["said"])
        del watched["said"]
        return {"case": case, "versions": {}, "measured": []} | watched | answer

    def write(self) -> None:
        """Write the table, and when and on what it was made."""
        self.results.mkdir(parents=True, exist_ok=True)
        table = self.results / f"{self.question}.csv"
        unfinished = table.with_suffix(".part")
        with unfinished.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for record in self.records for row in self._rows(record))
        unfinished.replace(table)
        provenance = self.results / "provenance.json"
        noted = json.loads(provenance.read_text(encoding="utf-8")) if provenance.exists() else {}
        noted[self.question] = _provenance()
        write(provenance, json.dumps(noted, indent=1, sort_keys=True) + "\n")

    def _rows(self, record: Record) -> Iterator[dict[str, str]]:
        """Give the rows of the table that a record makes."""
        case = record["case"]
        done = record["status"] == "done"
        versions = "; ".join(f"{k} {v}" for k, v in sorted(record.get("versions", {}).items()))
        whole = {"seconds": record["seconds"], "cpu_seconds": record["cpu_seconds"]} if done else {}
        for measured in record.get("measured") or [whole]:
            row = {key: case.get(key) for key in COLUMNS} | measured
            row |= {"question": self.question, "versions": versions, "status": record["status"]}
            row["peak_mb"] = row["peak_mb"] or record["peak_mb"] if done else None
            if row["ess_min"] and row["seconds"]:
                row["ess_per_second"] = row["ess_min"] / row["seconds"]
            yield {key: _written(value) for key, value in row.items()}

    @property
    def failed(self) -> list[str]:
        """The cases that ended with an error."""
        return [str(r["case"]) for r in self.records if r["status"] == "failed"]


def python(module: str) -> list[str]:
    """Give the command that measures a case of a module of this folder."""
    return [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}"]


def answer(measure: Callable[[Record], Record]) -> None:
    """Read the case this process was started for, measure it, and write the answer."""
    asked, answered = map(Path, sys.argv[1:3])
    case = json.loads(asked.read_text(encoding="utf-8"))
    try:
        record = measure(case)
    except MemoryError:  # asked for more at once than there is
        record = {"status": f"over {case['limit_gb']:g} GB"}
    write(answered, json.dumps(record))


class Clock:
    """Seconds by the clock on the wall, and those that processors worked for it."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time a block; children that have ended count among the processors' seconds."""
    clock, wall, cpu = Clock(), time.perf_counter(), sum(os.times()[:4])
    yield clock
    clock.seconds = time.perf_counter() - wall
    clock.cpu_seconds = sum(os.times()[:4]) - cpu


def peak_mb() -> float:
    """Give the most memory that this process has had so far, in megabytes."""
    return _peak(psutil.Process()) / 1e6


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def use_two_cores() -> None:
    """Keep this process and all it starts to two cores, and clean up when told to end."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _watched(command: list[str], limit: float, limit_gb: float, cache: Path) -> Record:
    """Run a command, and end it with its children when it takes too long or too much memory."""
    outcome: Record = {"status": "done", "seconds": 0.0, "cpu_seconds": 0.0, "peak_mb": 0.0}
    if not shutil.which(command[0]):
        return outcome | {"status": "not installed", "said": ""}
    environment = os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={cache}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        ended = threading.Event()

        def watch() -> None:
            pause = 0.01
            while not ended.wait(pause):
                passed = time.perf_counter() - start
                outcome["peak_mb"] = max(outcome["peak_mb"], _memory(process.pid) / 1e6)
                if passed > limit:
                    outcome["status"] = f"over {limit:g} s"
                elif outcome["peak_mb"] > limit_gb * 1e3:
                    outcome["status"] = f"over {limit_gb:g} GB"
                if outcome["status"] != "done":
                    _end(process.pid)
                pause = min(0.2, 0.01 + passed / 50)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            outcome["seconds"] = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            ended.set()
            watcher.join()
            _end(process.pid)
        outcome["cpu_seconds"] = usage.ru_utime + usage.ru_stime
        if process.returncode and outcome["status"] == "done":
            outcome["status"] = "failed"
        said.seek(0)
        return outcome | {"said": said.read()[-3000:]}


def _memory(pid: int) -> float:
    """Give the most memory a process has had so far, or what it and its children have now."""
    together = highest = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        highest = _peak(process)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                together += one.memory_info().rss
    return max(together, highest)


def _peak(process: psutil.Process) -> float:
    """Give the most memory a process has had so far; where Linux does not tell, what it has now."""
    with suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        if peak := re.search(r"VmHWM:\s+(\d+) kB", status):
            return 1024.0 * int(peak[1])
    return float(process.memory_info().rss)


def _end(pid: int) -> None:
    """End a process and all it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _file_name(case: Mapping[str, object]) -> str:
    """Give the name of a case's record; any change to the case gives another."""
    whole = json.dumps(case, sort_keys=True)
    words = " ".join(str(case[key]) for key in ("model", "rows", "groups", "route", "repetition"))
    return f"{re.sub(r'[^\w]+', '-', words)}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}.json"


def _written(value: object) -> str:
    """Give a value as the table has it: numbers with four digits."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _provenance() -> Record:
    """Say when and on what kind of machine a table was made, but not on which."""
    return {
        "made_on": datetime.now(UTC).date().isoformat(),
        "cores": CORES,
        "cores_of_machine": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "platform": f"{sys.platform} {os.uname().machine}",
        "python": sys.version.split()[0],
    }
