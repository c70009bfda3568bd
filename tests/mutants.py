"""Break the code in small ways, and see whether the tests notice.

    python tests/mutants.py                          300 mutants of the three packages
    python tests/mutants.py --number 60 --seed 2 lmm_helpers/checks lmm_helpers/data

A mutant is the code with one change: a comparison, a constant, a sign, a condition, a statement
left out, two arguments swapped. It is killed if a test fails or does not end in time. The sample is
seeded. A first run notes which test calls which function, so that a mutant is tried on the tests
that can notice it, the quickest first, in a process forked from one that has the libraries already.

The working copy is not touched: mutants live in copies. What survives is a question to the tests
(is there a test on either side of this limit?) or to the code (does this line do anything?).
"""

import argparse
import ast
import atexit
import copy
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
NOTES = ROOT / "_build" / "mutants"
ROOMS = {
    "lmm_helpers": ["tests/lmm_helpers", "lmm_helpers"],
    "lmm_large": ["tests/lmm_large", "lmm_large"],
    "bookbuild": ["tests/bookbuild", "tests/book"],
}
LIBRARIES = ("pytest", "hypothesis", "pandas", "scipy.stats", "seaborn", "arviz", "bambi", "nutpie")
OPTIONS = ["-q", "-p", "no:cacheprovider"]
SEEN = "MUTANTS_SEEN"
STARTUP = f"import os\nif {SEEN!r} in os.environ:\n    import tests.mutants as m; m.watch()\n"
LONGEST = 300  # seconds of tests for one mutant, as measured without it

COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


class Mutant(NamedTuple):
    """A module with one change."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    function: int | None
    """Where the innermost function around the change begins; None at the module's own level."""
    code: str
    original: str


def mutants_of(path: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    original = (ROOT / path).read_text(encoding="utf-8")
    tree, found = ast.parse(original), {}
    for owner, field, index, function, node in _places(tree):
        for kind, changed in _changes(node):
            _put(owner, field, index, changed)
            code = ast.unparse(ast.fix_missing_locations(tree))
            _put(owner, field, index, node)
            told = (ast.unparse(node), "(left out)" if kind == "left out" else ast.unparse(changed))
            found[code] = Mutant(
                path, node.lineno, kind, *map(_short, told), function, code, original
            )
    found.pop(ast.unparse(tree), None)
    return list(found.values())


def _put(owner: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(owner, field, node)
    else:
        getattr(owner, field)[index] = node


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"


def _places(
    node: ast.AST, function: int | None = None
) -> Iterator[tuple[ast.AST, str, int | None, int | None, Any]]:
    """Every node that may be changed: its owner, field and index there, and its function.

    Types, docstrings, decorators and what only words an error are left alone.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    passed_over = {"annotation", "returns", "decorator_list", "type_params", "bases"}
    for field, value in ast.iter_fields(node):
        if field in passed_over or (isinstance(node, ast.Raise) and field in {"exc", "cause"}):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_text(child):
                continue
            if hasattr(child, "lineno") and not isinstance(child, ast.arg | ast.keyword):
                yield node, field, index, function, child
            yield from _places(child, function)


def _is_text(node: ast.AST) -> bool:
    """Whether a node is a docstring, an f-string, an import, or the list of public names."""
    if isinstance(node, ast.Assign):
        return any(isinstance(name, ast.Name) and name.id == "__all__" for name in node.targets)
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def _changes(node: Any) -> Iterator[tuple[str, ast.AST]]:
    """The changes that are tried at a node."""

    def with_(**fields: Any) -> Any:
        changed = copy.copy(node)
        for name, value in fields.items():
            setattr(changed, name, value)
        return changed

    match node:
        case ast.Compare(ops=ops):
            for number, op in enumerate(ops):
                for other in COMPARED[type(op)]:
                    yield "comparison", with_(ops=[*ops[:number], other(), *ops[number + 1 :]])
        case ast.Constant(value=bool(value)):
            yield "constant", with_(value=not value)
        case ast.Constant(value=int(value)):
            yield "constant", with_(value=value + 1)
        case ast.Constant(value=float(value)):
            yield "constant", with_(value=value * 1.1 or 0.1)
        case ast.Constant(value=str(value)):
            yield "text", with_(value=f"{value}_")
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in COMPUTED:
            yield "arithmetic", with_(op=COMPUTED[type(op)]())
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield "sign or not", operand
        case ast.BoolOp(op=op):
            yield "and, or", with_(op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.Call(args=[first, second, *others]) if not any(
            isinstance(one, ast.Starred) for one in (first, second)
        ):
            yield "arguments swapped", with_(args=[second, first, *others])
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "condition", with_(test=ast.UnaryOp(ast.Not(), test))
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Call()):
            yield "left out", ast.copy_location(ast.Pass(), node)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "left out", with_(value=ast.Constant(None))


class Watched(NamedTuple):
    """What a run of a room's tests without a mutant tells."""

    seconds: dict[str, float]
    """How long each test took."""
    callers: dict[str, list[str]]
    """The tests in which a function is called, by its ``path:line``."""


def watch() -> None:
    """Note, in this process and until it ends, which test calls which function of this copy."""
    seen: set[tuple[str, str, int]] = set()
    monitoring, tool, here = sys.monitoring, sys.monitoring.COVERAGE_ID, f"{ROOT}{os.sep}"

    def started(code: Any, offset: int) -> object:
        if code.co_filename.startswith(here) and (test := os.environ.get("PYTEST_CURRENT_TEST")):
            seen.add((test, code.co_filename.removeprefix(here), code.co_firstlineno))
        return monitoring.DISABLE

    def write() -> None:
        with Path(os.environ[SEEN], str(os.getpid())).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(one) + "\n" for one in seen)

    monitoring.use_tool_id(tool, "mutants")
    monitoring.register_callback(tool, monitoring.events.PY_START, started)
    monitoring.set_events(tool, monitoring.events.PY_START)
    atexit.register(write)


def note(places: list[str]) -> None:
    """Run the tests of these places, and write down how long each took."""
    import pytest

    clock = _Clock()
    status = int(pytest.main([*OPTIONS, *places], [clock]))
    passed = {name: t for name, t in clock.seconds.items() if name not in clock.failed}
    Path(os.environ[SEEN], "seconds.json").write_text(json.dumps(passed), encoding="utf-8")
    sys.exit(0 if status == 1 and passed else status)


class _Clock:
    """A plugin of pytest: times the tests, and lets each be seen calling what others called."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        sys.monitoring.restart_events()
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)


def watched(room: str, folder: Path) -> Watched:
    """Run the tests of a room in a copy. Kept for as long as nothing changes.

    A test that fails without a mutant is told and left out: it would kill everything.
    """
    key = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".py", ".css", ".js", ".txt"}):
        key.update(path.read_bytes())
    kept = NOTES / f"{room}-{key.hexdigest()[:16]}.json"
    if not kept.is_file():
        seen = folder / "_seen"
        seen.mkdir()
        script = f"import tests.mutants as m; m.note({ROOMS[room]!r})"
        environment = _environment(folder) | {SEEN: str(seen)}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{room}: the tests cannot be run\n{done.stdout[-3000:]}")
        print(*re.findall(r"^FAILED \S+", done.stdout, re.MULTILINE), sep="\n", flush=True)
        seconds = json.loads((seen / "seconds.json").read_text(encoding="utf-8"))
        callers = defaultdict(set)
        for file in seen.glob("[0-9]*"):
            for line in file.read_text(encoding="utf-8").splitlines():
                test, path, number = json.loads(line)
                name, phase = test.rsplit(" ", 1)
                # What a fixture calls may be shared by all tests of the file.
                of_file = name.split("::")[0]
                tests = {t for t in seconds if t.startswith(f"{of_file}::")}
                callers[f"{path}:{number}"] |= {name} & set(seconds) if phase == "(call)" else tests
        shutil.rmtree(seen)
        NOTES.mkdir(parents=True, exist_ok=True)
        found = {name: sorted(tests) for name, tests in callers.items()}
        kept.write_text(json.dumps({"seconds": seconds, "callers": found}), encoding="utf-8")
    return Watched(**json.loads(kept.read_text(encoding="utf-8")))


def tests_for(mutant: Mutant, known: Watched) -> list[str]:
    """The tests that can notice a mutant, the quickest first, up to a total time."""
    tests = set(known.callers.get(f"{mutant.path}:{mutant.function}", []))
    if mutant.function is None or not tests:
        own = [names for f, names in known.callers.items() if f.startswith(f"{mutant.path}:")]
        tests |= {test for names in own for test in names}
        words = re.compile(rf"\b(?:{'|'.join(map(re.escape, _names(mutant)))})\b")
        files = {test.split("::")[0] for test in known.seconds}
        mention = {file for file in files if words.search((ROOT / file).read_text("utf-8"))}
        tests |= {test for test in known.seconds if test.split("::")[0] in mention}
    chosen, total = [], 0.0
    for test in sorted(tests, key=lambda test: (known.seconds[test], test)):
        total += known.seconds[test]
        if chosen and total > LONGEST:
            break
        chosen.append(test)
    return chosen


def _names(mutant: Mutant) -> list[str]:
    """The module's own name and those that it defines."""
    names = [Path(mutant.path).stem]
    for node in ast.parse(mutant.original).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def _environment(folder: Path) -> dict[str, str]:
    """The environment of a copy: its own modules first, and no byte code that could be stale."""
    settings = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"}
    settings |= {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return {**os.environ, **settings}


def _copy_to(folder: Path) -> Path:
    """Copy what git tracks, or would, to a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "sitecustomize.py").write_text(STARTUP, encoding="utf-8")
    return folder


def _start(mutant: Mutant, tests: list[str], folder: Path) -> int:
    """Fork a process that runs the tests on the mutant; give its number."""
    (folder / mutant.path).write_text(mutant.code, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy has threads; they sleep
        process = os.fork()
    if process:
        return process
    os.setsid()
    output = os.open(folder / "_output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(_environment(folder))
    os.chdir(folder)
    elsewhere = {ROOT, ROOT / "tests"}
    sys.path[:] = [str(folder), *(p for p in sys.path if Path(p).resolve() not in elsewhere)]
    status = 70
    try:
        status = int(import_module("pytest").main([*OPTIONS, "-x", *tests]))
    finally:
        sys.stdout.flush()
        os._exit(status)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def verdict_of(status: int, output: str) -> tuple[str, str]:
    """Whether a mutant that was run to its end is killed, and by what."""
    if status == 0:
        return "survived", ""
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return "killed", named[1] if named else "it cannot be imported"


def hunt(sample: list[Mutant], known: dict[str, Watched], folders: list[Path]) -> Iterator[tuple]:
    """Try the mutants, one in each folder at a time; give each with its verdict."""
    free, running, waiting = list(folders), {}, list(sample)
    while waiting or running:
        while waiting and free:
            mutant = waiting.pop(0)
            room = known[mutant.path.split("/")[0]]
            tests = tests_for(mutant, room)
            if not tests:
                yield mutant, "untested", "", 0.0
                continue
            folder, limit = free.pop(), 30 + 4 * sum(room.seconds[test] for test in tests)
            began = time.monotonic()
            running[_start(mutant, tests, folder)] = (mutant, folder, began, began + limit)
        time.sleep(0.05)
        for process, (mutant, folder, began, latest) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and time.monotonic() < latest:
                continue
            _end(process)  # and what it has started
            if ended:
                output = (folder / "_output").read_text(encoding="utf-8", errors="replace")
                verdict = verdict_of(os.waitstatus_to_exitcode(status), output)
            else:
                os.waitpid(process, 0)
                verdict = ("killed", "the time limit")
            (folder / mutant.path).write_text(mutant.original, encoding="utf-8")
            del running[process]
            free.append(folder)
            yield mutant, *verdict, time.monotonic() - began


def main() -> None:
    """Sample mutants, hunt them, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", default=list(ROOMS), help="modules or folders")
    parser.add_argument("--number", type=int, default=300, help="how many mutants; 300")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="mutants at a time; 1")
    parser.add_argument("--least", type=float, default=0, help="fail if fewer are killed")
    asked = parser.parse_args()
    given = [Path(ROOT, path) for path in asked.paths]
    files = sorted({f for p in given for f in (p.rglob("*.py") if p.is_dir() else [p])})
    everything = [m for file in files for m in mutants_of(file.relative_to(ROOT).as_posix())]
    number = min(asked.number, len(everything))
    sample = random.Random(asked.seed).sample(everything, number)
    sample.sort(key=lambda mutant: (mutant.path, mutant.line))
    print(f"{number} of {len(everything)} mutants, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folders = [_copy_to(Path(place, f"copy{i}").resolve()) for i in range(asked.workers)]
        rooms = {mutant.path.split("/")[0] for mutant in sample}
        known = {room: watched(room, folders[0]) for room in sorted(rooms)}
        for library in LIBRARIES:
            import_module(library)
        found = []
        for mutant, verdict, by, seconds in hunt(sample, known, folders):
            place_of = f"{mutant.path}:{mutant.line}"
            change = f"{mutant.kind}: {mutant.before} → {mutant.after}"
            print(f"{verdict:8} {seconds:5.1f} s  {place_of}  {change}  {by}", flush=True)
            found.append((mutant.path, verdict, f"{place_of}  {change}"))
    raise SystemExit(_told(found, asked.least))


def _told(found: list[tuple[str, str, str]], least: float) -> int:
    """Print the table by module and the survivors; give the status to end with."""
    killed = Counter(path for path, verdict, _ in found if verdict == "killed")
    tried = Counter(path for path, _, _ in found)
    print("\n| Module | Mutants | Killed |\n| --- | ---: | ---: |")
    for path in sorted(tried):
        print(f"| {path} | {tried[path]} | {killed[path]} |")
    share = killed.total() / tried.total()
    print(f"| all | {tried.total()} | {killed.total()} ({share:.0%}) |")
    alive = [f"- {verdict}: {change}" for _, verdict, change in found if verdict != "killed"]
    print("\n".join(["\nNot killed:", *(alive or ["- none"])]))
    return int(share < least)


if __name__ == "__main__":
    main()
