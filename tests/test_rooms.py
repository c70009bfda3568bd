"""The house: what is public, how it is written up, what it stands on, and that it leaves home."""

import ast
import inspect
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lmm_helpers

ROOT = Path(__file__).parents[1]
MOST_NAMES = 26
HIDDEN = ("hide", "remove", "claim")
SECTION = re.compile(r"^ *([A-Z][A-Za-z ]+)\n *-+$", re.MULTILINE)
BELOW = {
    "lmm_large": {"lmm_helpers", "bookbuild", "reference", "benchmarks"},
    "lmm_helpers": {"bookbuild", "reference", "benchmarks"},
    "reference": {"bookbuild", "benchmarks"},
}


def functions():
    return [name for name in lmm_helpers.__all__ if callable(getattr(lmm_helpers, name))]


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def visible_names():
    """Every name that a cell which shows its code uses, on any page."""
    for path in (ROOT / "book").rglob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            tags = cell["metadata"].get("tags", [])
            if cell["cell_type"] == "code" and not any(tag.startswith(HIDDEN) for tag in tags):
                code = ast.walk(ast.parse("".join(cell["source"])))
                yield from (node.id for node in code if isinstance(node, ast.Name))


def test_the_house_stays_small():
    assert len(lmm_helpers.__all__) <= MOST_NAMES


def test_every_public_name_is_used_in_code_that_a_page_shows():
    assert set(lmm_helpers.__all__) - set(visible_names()) == set()


@pytest.mark.parametrize("name", functions())
def test_a_public_function_is_written_up(name):
    function = getattr(lmm_helpers, name)
    sections = SECTION.findall(inspect.getdoc(function))
    signature = inspect.signature(function)
    expected = ["Notes", "See Also", "Examples"]
    if signature.parameters:
        expected = ["Parameters", *expected]
    if signature.return_annotation is not None:
        expected = ["Returns", *expected]
    if "raise " in inspect.getsource(function):
        expected = ["Raises", *expected]
    assert set(expected) <= set(sections)
    documented = inspect.getdoc(function).split("Returns\n---")[0]
    for parameter in signature.parameters:
        assert re.search(rf"^(.*, )?\**{parameter}(,.*)?$", documented, re.MULTILINE), parameter
    notes = inspect.getdoc(function).partition("Notes\n-----")[2].partition("See Also\n---")[0]
    assert re.search(r"\bSource:", notes)


def test_what_is_not_public_is_described_in_a_line():
    for path in (ROOT / "lmm_helpers").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef) and re.match(r"_[a-z]", node.name):
                text = ast.get_docstring(node) or ""
                assert text, f"{path.name}: {node.name} says nothing of itself"
                assert not SECTION.search(text), f"{path.name}: {node.name} is written up as public"


@pytest.mark.parametrize("room", BELOW)
def test_arrows_go_down(room):
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & BELOW[room], path


LEAVE_HOME = """
import sys
outside = []
sys.addaudithook(
    lambda event, arguments: outside.append(arguments[0])
    if event == "open" and str(arguments[0]).startswith({root!r} + "/")
    and not str(arguments[0]).startswith(({root!r} + "/.venv", sys.prefix)) else None
)
import matplotlib
matplotlib.use("agg")
import lmm_helpers, lmm_large
for package in (lmm_helpers, lmm_large):
    assert package.__file__.startswith({wheels!r}), package.__file__
    for name in package.__all__:
        getattr(package, name)
assert len(lmm_helpers.load_bounce()) == len(lmm_helpers.replay_article()) == 613
assert len(lmm_helpers.load_sleepstudy()) == 180
visits = lmm_helpers.load_bounce()
pages = [visits["bounce_time"], visits["bounce_time"]]
words = dict(xlabel="age", ylabel="seconds", ylim=(0, 400), alt="Two data sets.")
words |= dict(x="age", y="bounce_time", hue="county")
lmm_helpers.flipbook({{"real": pages}}, real=visits, **words)
assert not outside, outside
"""


@pytest.mark.slow
def test_the_wheels_work_in_an_empty_folder(tmp_path):
    wheels, empty = tmp_path / "wheels", tmp_path / "empty"
    empty.mkdir()
    for source in (ROOT, ROOT / "lmm_large"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(wheels)
    code = LEAVE_HOME.format(root=str(ROOT), wheels=str(wheels))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=empty,
        env={"PYTHONPATH": str(wheels), "PATH": "", "HOME": str(empty), "MPLCONFIGDIR": str(empty)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
