"""The benchmarks at tiny size: records, limits, what is kept, and the committed tables."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pandas as pd
import psutil
import pytest

from benchmarks import bars, benchmark_table, figures
from benchmarks.__main__ import QUESTIONS
from benchmarks.running import COLUMNS, RESULTS, Bench

STATUS = re.compile(
    r"done|over \d+ (s|GB)|not (tried|expressible|installed)|refused|no room on disk"
)
CASE = {"route": "a", "model": "b", "rows": 1, "groups": 1, "limit": 60}


@pytest.fixture
def bench(tmp_path):
    return Bench("question", kept=tmp_path / "kept", results=tmp_path / "results")


@pytest.fixture
def no_r(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


def is_alive(pid):
    """Whether a process runs; one that nobody has buried yet does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def table_of(bench):
    bench.write()
    with (bench.results / f"{bench.question}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(bench, name, **sizes):
    """Run a question at tiny size; give its table."""
    bench.question = name
    question = import_module(f"benchmarks.{name}")
    question.run(bench, question.SMALL | {"limit": 300} | sizes)
    return table_of(bench)


def code(text):
    return [sys.executable, "-c", text]


@pytest.mark.slow
class TestQuestions:
    def test_effective_draws(self, bench, no_r):
        routes = ("collapsed", "Bambi + nutpie", "brms")
        models = ("unequal spread", "sleepstudy, correlated slope")
        sizes = {"models": models, "seeds": [1, 2], "draws": 100, "routes": routes}
        found = run(bench, "effective_draws", **sizes | {"routes": ("collapsed", "brms")})
        assert [
            (row["model"], row["route"], row["repetition"], row["status"]) for row in found
        ] == [
            ("unequal spread", "collapsed", "1", "not expressible"),
            ("unequal spread", "brms", "1", "not installed"),
            ("sleepstudy, correlated slope", "collapsed", "1", "done"),
            ("sleepstudy, correlated slope", "collapsed", "2", "done"),
            ("sleepstudy, correlated slope", "brms", "1", "not installed"),
        ]
        drawn = found[2]
        assert 40 < float(drawn["ess_min"]) <= 800
        per_second = float(drawn["ess_min"]) / float(drawn["seconds"])
        assert float(drawn["ess_per_second"]) == pytest.approx(per_second, rel=1e-2)
        assert float(drawn["peak_mb"]) > 50
        assert "numpy" in drawn["versions"]

    def test_the_marginal_model_is_compiled_once_for_all_seeds(self, bench):
        sizes = {"seeds": [1, 2], "draws": 50, "tune": 100, "routes": ("marginal + nutpie",)}
        found = run(bench, "effective_draws", models=("varying intercept",), **sizes)
        assert [row["repetition"] for row in found] == ["1", "2"]
        assert found[0]["compile_seconds"] == found[1]["compile_seconds"] > "0"
        assert found[0]["ess_min"] != found[1]["ess_min"]

    def test_whole_process(self, bench):
        routes = ("collapsed, arrays", "collapsed, pandas")
        found = run(bench, "whole_process", repetitions=2, draws=100, routes=routes)
        assert [(row["route"], row["repetition"]) for row in found] == [
            (route, str(repetition)) for repetition in (1, 2) for route in routes
        ]
        assert {row["status"] for row in found} == {"done"}
        assert all(float(row["seconds"]) > 0 < float(row["cpu_seconds"]) for row in found)

    def test_rows_to_statistics(self, bench):
        sizes = {"rows": 1000, "few_rows": 500, "wide_rows": 800, "groups": 20, "repetitions": 1}
        sizes["draws"] = 50
        found = run(bench, "rows_to_statistics", seeds=[1], route="collapsed", **sizes)
        assert [(row["rows"], row["status"]) for row in found] == [
            *[("1000", "done")] * 2,
            *[("800", "done")] * 4,
            ("1000", "done"),
            ("500", "done"),
        ]
        assert all(float(row["read_seconds"]) > 0 < float(row["ess_min"]) for row in found[6:])

    def test_time_and_memory(self, bench, no_r):
        routes = ("collapsed", "lme4")
        sizes = {"rows": [100, 1000], "groups": [8, 80], "draws": 50, "routes": routes}
        found = run(bench, "time_and_memory", model="varying intercept", **sizes)
        sized = [(row["rows"], row["groups"]) for row in found if row["route"] == "collapsed"]
        assert sized == [("100", "8"), ("1000", "8"), ("1000", "80")]
        by_route = {route: [r["status"] for r in found if r["route"] == route] for route in routes}
        assert by_route == {
            "collapsed": ["done"] * 3,
            "lme4": ["not installed"] * 3,
        }

    def test_a_route_over_the_limit_is_not_tried_with_more_rows(self, bench):
        sizes = {"rows": [100, 1000], "groups": [8, 80], "routes": ("statsmodels",), "limit": 0.01}
        found = run(bench, "time_and_memory", **sizes)
        assert [row["status"] for row in found] == ["over 0.01 s", "not tried", "over 0.01 s"]

    @pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed")
    def test_lme4_where_there_is_r(self, bench):
        sizes = {"rows": [100], "groups": [8], "routes": ("lme4",), "seeds": [1, 2]}
        found = run(bench, "time_and_memory", **sizes)
        assert [row["status"] for row in found] in (["done"] * 2, ["not installed"])
        assert all((row["status"] == "done") == ("lme4" in row["versions"]) for row in found)

    def test_the_rows_are_gone_afterwards(self, bench, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "rows"))
        (tmp_path / "rows").mkdir()
        sizes = {"rows": [100], "groups": [8], "routes": ("statsmodels",)}
        found = run(bench, "time_and_memory", **sizes)
        assert {row["status"] for row in found} == {"done"}
        assert list((tmp_path / "rows").iterdir()) == []


@pytest.mark.slow
class TestRunning:
    def test_a_case_over_the_time_limit_ends_with_its_children(self, bench, tmp_path):
        child = tmp_path / "child"
        text = (
            "import subprocess, sys, pathlib, time; "
            "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
            f"pathlib.Path({str(child)!r}).write_text(str(p.pid)); time.sleep(600)"
        )
        record = bench.run(code(text), **CASE | {"limit": 8})
        assert record["status"] == "over 8 s"
        assert table_of(bench)[0]["seconds"] == ""
        pid, latest = int(child.read_text()), time.monotonic() + 60
        while is_alive(pid):
            assert time.monotonic() < latest, "the child goes on"
            time.sleep(0.05)

    def test_a_case_over_the_memory_limit_ends(self, bench):
        record = bench.run(
            code("import time; a = bytearray(400_000_000); time.sleep(600)"), **CASE, limit_gb=0.2
        )
        assert record["status"] == "over 0.2 GB"

    def test_memory_is_that_of_the_case(self, bench):
        held = bytearray(300_000_000)
        text = "import time; a = bytearray(100_000_000); time.sleep(0.5)"
        record = bench.run(code(text), **CASE)
        assert 100 < record["peak_mb"] < 200 < len(held) / 1e6

    def test_a_kept_case_is_not_run_again(self, bench, tmp_path):
        log = tmp_path / "log"
        text = f"open({str(log)!r}, 'a').write('x')"
        for limit in (60, 60, 61):
            bench.run(code(text), **CASE | {"limit": limit})
        assert log.read_text() == "xx"
        assert len(table_of(bench)) == 3

    def test_a_killed_bench_goes_on_where_it_stopped(self, bench, tmp_path):
        log = tmp_path / "log"
        log.touch()
        text = f"""
import os, pathlib, signal, sys
log = pathlib.Path({str(log)!r})
log.write_text(log.read_text() + sys.argv[1])
if log.read_text() == "01":
    os.kill(os.getppid(), signal.SIGKILL)
"""
        script = f"""
import pathlib, sys
from benchmarks.running import Bench
bench = Bench("question", kept=pathlib.Path({str(bench.kept)!r}))
for number in "012":
    bench.run([sys.executable, "-c", {text!r}, number], **{CASE!r} | {{"rows": number}})
"""
        ended = [subprocess.run(code(script), check=False).returncode for _ in range(2)]
        assert ended == [-9, 0]
        assert log.read_text() == "0112"

    def test_a_failed_case_is_told_and_tried_again(self, bench, capsys):
        for _ in range(2):
            record = bench.run(code("raise SystemExit('no such thing')"), **CASE)
            assert record["status"] == "failed"
            assert "no such thing" in capsys.readouterr().out
        assert len(bench.failed) == 2

    def test_cold_means_another_cache(self, bench):
        text = (
            "import json, os, sys; from pathlib import Path; "
            "answer = {'flags': os.environ['PYTENSOR_FLAGS']}; "
            "Path(sys.argv[2]).write_text(json.dumps(answer))"
        )
        flags = [bench.run(code(text), **CASE, cold=cold)["flags"] for cold in (False, True)]
        assert flags[0].endswith(f"={bench.cache}")
        assert str(bench.cache) not in flags[1]


class TestTables:
    @pytest.mark.parametrize("question", QUESTIONS)
    def test_columns_and_statuses_are_the_declared_ones(self, question):
        table = benchmark_table(question)
        assert tuple(table.columns) == COLUMNS
        assert all(STATUS.fullmatch(status) for status in table["status"])
        done = table[table["status"] == "done"]
        assert (done[["seconds", "peak_mb"]] > 0).all(axis=None)
        keys = ["route", "model", "rows", "groups", "repetition"]
        assert not table.duplicated(keys).any()
        assert (done["versions"] != "").all()

    @pytest.mark.parametrize("path", sorted(RESULTS.iterdir()), ids=lambda path: path.name)
    def test_nothing_tells_the_machine(self, path):
        text = path.read_text(encoding="utf-8")
        assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
        assert not re.search(r"/(home|tmp|root|usr|opt|var|work|Users)/", text)

    def test_provenance_says_when_and_how_large(self):
        noted = json.loads((RESULTS / "provenance.json").read_text(encoding="utf-8"))
        assert set(noted) == set(QUESTIONS)
        for one in noted.values():
            assert set(one) == {
                "cores",
                "cores_of_machine",
                "load_average",
                "made_on",
                "memory_gb",
                "platform",
                "python",
            }

    def test_an_unknown_table_is_named(self):
        with pytest.raises(ValueError, match=r"'no_such' is no table .* there are \['effective_dr"):
            benchmark_table("no_such")

    @pytest.mark.parametrize("question", QUESTIONS)
    def test_every_figure_can_be_drawn(self, question, tmp_path):
        figures.draw(question, benchmark_table(question), tmp_path / "figure.svg")
        drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
        assert "seconds" in drawn or "second" in drawn

    def test_a_ratio_has_the_spread_of_its_repetitions(self):
        table = pd.DataFrame(
            {
                "route": ["marginal + nutpie", "Bambi + nutpie", "Bambi + PyMC"] * 3,
                "model": "m",
                "repetition": [1, 1, 1, 2, 2, 2, 3, 3, 3],
                "ess_per_second": [10.0, 2, 1, 12, 3, 1, 8, 4, 1],
                "status": "done",
            }
        )
        (found,) = bars.effective_draws(table)
        assert found[1:4] == pytest.approx((10 / 3, 2, 5))
        assert "against Bambi + nutpie" in str(found)

    def test_the_bar_is_held_by_our_better_route(self):
        routes = ["marginal + nutpie", "collapsed", "Bambi + nutpie"]
        numbers = {"model": "m", "repetition": 1, "ess_per_second": [9.0, 20, 4], "status": "done"}
        better, other = bars.effective_draws(pd.DataFrame({"route": routes} | numbers))
        assert (better.middle, better.bar) == (5, "at least 4")
        assert (other.middle, other.bar) == (9 / 4, "none")


def test_the_tables_are_committed_where_the_helper_looks():
    assert {path.stem for path in RESULTS.glob("*.csv")} == set(QUESTIONS)
    assert Path(os.path.commonpath([RESULTS, Path(__file__)])) == RESULTS.parents[1]
