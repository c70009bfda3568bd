"""Execution: a whole result with its record, or nothing that could be taken for one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bookbuild import freshness
from bookbuild.chapters import executed, record

# Writes the process of its kernel, then waits as long as the file `slow` is there.
PATIENT = """
import os, pathlib, time
root = pathlib.Path.cwd().parent
with open(f"{root}-started", "a") as file:
    print(os.getpid(), file=file)
while pathlib.Path("slow").exists():
    time.sleep(0.1)
"""


def wait_for(condition, seconds=30):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def slow(book):
    """The sample book with a chapter that takes its time."""
    book.notebook("one", PATIENT, "assert len('a') == 1, 'yes'")
    return book.write("book/slow", "")


def test_a_chapter_leaves_a_result_and_a_record(book):
    book.notebook(
        "one",
        ("code", "SEED = 5", {"tags": ["parameters"]}),
        "import os\nprint(SEED, os.getcwd())\nprint(os.environ['NUMBA_NUM_THREADS'])",
        "assert SEED > 0, 'the seed is positive'",
    )
    status, output = book.run("bookbuild.execute", "one")
    assert status == 0, output
    assert "one 3/3 cells" in output
    noted = json.loads(record("one").read_text(encoding="utf-8"))
    assert noted["seeds"] == {"SEED": "5"}
    assert (noted["cells"], noted["figures"], noted["fits"]) == (3, 0, [])
    assert [claim["words"] for claim in noted["claims"]] == ["the seed is positive"]
    assert noted["cost"]["peak_memory_mb"] > 20
    assert noted["cost"]["seconds"] > 0
    assert noted["versions"]["papermill"]
    assert freshness.is_fresh("one")
    cells = json.loads(executed("one").read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[1]["outputs"][0]["text"]) == f"5 {book.folder / 'book'}\n1\n"
    assert not any("papermill" in cell["metadata"] for cell in cells)

    before = executed("one").stat().st_mtime_ns
    assert book.run("bookbuild.execute", "one") == (0, "")
    assert executed("one").stat().st_mtime_ns == before

    status, output = book.run("bookbuild.execute", "one", "-p", "SEED", "7")
    assert status == 0, output
    assert not freshness.is_fresh("one"), "a trial with other parameters is not the book"
    cells = json.loads(executed("one").read_text(encoding="utf-8"))["cells"]
    assert "remove-cell" in cells[1]["metadata"]["tags"]
    status, output = book.run("bookbuild.execute", "one", "-p", "SED", "7")
    assert (status, output) == (1, "one has no parameter SED\n")


def test_equal_runs_give_equal_bytes_and_figures_describe_themselves(book, figure_metadata):
    book.notebook(
        "one",
        "import matplotlib.pyplot as plt\nimport pandas as pd\nimport seaborn as sns",
        (
            "code",
            "fig, ax = plt.subplots()\nax.plot([1, 2], label='up')\nax.legend();",
            figure_metadata(),
        ),
        "d = pd.DataFrame({'a': [1, 2, 3, 4], 'b': [4, 3, 2, 1], 'c': list('xxyy')})",
        "sns.relplot(d, x='a', y='b', col='c', hue='c');",
        "fig, ax = plt.subplots()\nax.bar(['p', 'q'], [1, 2])\nax.twinx().semilogy([1, 10]);",
        "fig, ax = plt.subplots()\nax.errorbar([1], [1], [1])\nax.axhline(1)\nplt.close()\nfig",
        "class Counter: pass",
        "assert 'pylabtools' not in globals(), 'no name of the press reaches a chapter'",
    )
    results = []
    for _ in range(2):
        status, output = book.run("bookbuild.execute", "one")
        assert status == 0, output
        results.append(executed("one").read_bytes())
        record("one").unlink()
    assert results[0] == results[1]
    outputs = [output for cell in json.loads(results[0])["cells"] for output in cell["outputs"]]
    drawn = [output["metadata"]["image/png"] for output in outputs if "metadata" in output]
    assert drawn[0]["width"] < 640
    up, facets, twin, last = (metadata["figure"] for metadata in drawn)
    panel = up["axes"][0]
    assert [(group["kind"], group["points"]) for group in panel["drawn"]] == [("Line2D", 2)]
    assert panel["legend"] == ["", ["up", "#1f77b4ff"]]
    assert panel["xlim"] == [-0.05, 1.05]
    assert [panel["title"] for panel in facets["axes"]] == ["c = x", "c = y"]
    assert [entry[0] for entry in facets["legends"][0][1:]] == ["x", "y"]
    kinds = [[group["kind"] for group in panel["drawn"]] for panel in twin["axes"]]
    assert kinds == [["Rectangle"], ["Line2D"]]
    assert [panel["yscale"] for panel in twin["axes"]] == ["linear", "log"]
    drawn = [(group["kind"], group["count"]) for group in last["axes"][0]["drawn"]]
    assert drawn == [("Line2D", 2), ("LineCollection", 1)]


def test_a_failing_cell_names_itself_and_leaves_no_result(book):
    book.notebook("one", ("markdown", "# One", {}), "x = 0", "print('before')\n1 / x")
    status, output = book.run("bookbuild.execute", "one")
    assert status == 1
    assert "FAILED: chapter one, cell 3 (c3)" in output
    assert "    1 / x\n" in output
    assert "ZeroDivisionError: division by zero" in output
    assert "\x1b" not in output
    assert "Traceback (most recent call last):\n  File" not in output, "no traceback of the press"
    partial = json.loads((book.folder / "_build/failed/one.ipynb").read_text(encoding="utf-8"))
    assert any("before" in str(cell) for cell in partial["cells"])
    assert not executed("one").exists()
    assert not freshness.is_fresh("one")


def test_a_dying_kernel_is_told_with_its_cell(book):
    book.notebook("one", "x = 0", "import os\nos._exit(9)", "assert len('a') == 1, 'yes'")
    status, output = book.run("bookbuild.execute", "one")
    assert status == 1
    assert "FAILED: chapter one, cell 2 (c2)" in output
    assert "DeadKernelError" in output
    assert "Traceback" not in output
    assert not executed("one").exists()


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_execution_leaves_nothing_and_the_next_succeeds(book, slow, kill):
    process = book.start("bookbuild.execute", "one")
    started = book.folder.parent / f"{book.folder.name}-started"
    wait_for(lambda: started.exists() and started.read_text())
    kernel = int(started.read_text())
    process.send_signal(kill)
    output, _ = process.communicate(timeout=5)
    wait_for(lambda: not alive(kernel), seconds=5)
    assert process.returncode == (-9 if kill == signal.SIGKILL else 128 + kill)
    if kill != signal.SIGKILL:
        assert "one: stopped" in output
        assert "Traceback" not in output
    assert not freshness.is_fresh("one")
    assert not executed("one").exists()
    if kill == signal.SIGKILL:
        slow.unlink()
        assert book.run("bookbuild.execute", "one")[0] == 0
        assert freshness.is_fresh("one")


def test_a_chapter_is_never_executed_twice_at_once(book, slow):
    first = book.start("bookbuild.execute", "one")
    started = book.folder.parent / f"{book.folder.name}-started"
    wait_for(lambda: started.exists() and started.read_text())
    second = book.start("bookbuild.execute", "one")
    assert "another process is at work" in second.stdout.readline()
    slow.unlink()
    assert first.wait(60) == second.wait(60) == 0
    first.communicate()
    second.communicate()
    assert len(started.read_text().split()) == 1, "the second waited and took the result"


def test_the_kernel_is_the_same_whatever_the_environment(book, tmp_path):
    kernels = tmp_path / "jupyter/kernels/python3"
    kernels.mkdir(parents=True)
    argv = ["false", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "P", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(kernel))
    startup = tmp_path / "ipython/profile_default/startup/00.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("planted = 1")
    (tmp_path / "start.py").write_text("planted = 1")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/planted.py").write_text("")
    book.environment |= {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "JUPYTER_DATA_DIR": str(tmp_path / "jupyter"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONSTARTUP": str(tmp_path / "start.py"),
        "PYTHONPATH": f"{book.environment['PYTHONPATH']}{os.pathsep}{tmp_path / 'foreign'}",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "1",
        "PYTHONHASHSEED": "7",
        "OMP_NUM_THREADS": "16",
        "MPLBACKEND": "svg",
    }
    book.notebook(
        "one",
        "import importlib.util, os, sys\nimport warnings",
        "assert 'planted' not in globals() and not importlib.util.find_spec('planted'), 'clean'",
        "assert not sys.flags.optimize and not sys.warnoptions, 'no flags'",
        f"assert sys.executable == {sys.executable!r}, 'this interpreter'",
        "assert os.environ['PYTHONHASHSEED'] == '0', 'one order'",
        "assert os.environ['OMP_NUM_THREADS'] == '1', 'one thread'",
        "assert os.environ.get('MPLBACKEND', 'inline') != 'svg', 'one backend'",
        "assert False, 'asserts are on'",
    )
    status, output = book.run("bookbuild.execute", "one")
    assert status == 1
    assert "cell 8 (c8)" in output
    assert "AssertionError: asserts are on" in output


def test_a_full_disk_is_told_in_a_sentence(book):
    command = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
    command += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    command += "sys.argv = ['', 'one']; from bookbuild.execute import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=book.folder, env=book.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not executed("one").exists()


@pytest.mark.parametrize("victim", ["the press", "its parent"])
def test_after_a_kill_nothing_lives(book, slow, victim):
    """A shell starts the press, as make does; the kernel has a child of its own."""
    child = "import subprocess, sys\nchild = subprocess.Popen(['sleep', '600'])\n"
    root = book.folder.parent / f"{book.folder.name}-child"
    book.notebook("one", f"{child}open({str(root)!r}, 'w').write(str(child.pid))", PATIENT)
    script = f"{sys.executable} -m bookbuild.execute one & echo $!; wait"
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=book.folder, env=book.environment,
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    press = int(shell.stdout.readline())
    started = book.folder.parent / f"{book.folder.name}-started"
    wait_for(lambda: started.exists() and started.read_text())
    kernel, sleeper = int(started.read_text()), int(root.read_text())
    os.kill(press if victim == "the press" else shell.pid, signal.SIGKILL)
    wait_for(lambda: not alive(press) and not alive(kernel), seconds=10)
    if victim == "its parent":
        wait_for(lambda: not alive(sleeper), seconds=10)
    else:
        os.kill(sleeper, signal.SIGKILL)  # of a killed kernel: ends with the pipes it reads
    shell.stdout.close()
    shell.wait(10)
