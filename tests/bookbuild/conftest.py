"""A small book in a temporary folder, in which the press is tried."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALT = "One straight line that climbs from the lower left corner to the upper right corner."
CAPTION = "The line climbs."


class Book:
    """The sample book: writes its files and runs the press on it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"):
            self.environment.pop(name, None)

    def write(self, path, content):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        return target

    def toc(self, *names):
        files = "".join(f"\n  - file: book/{name}" for name in names)
        self.write("_toc.yml", f"format: jb-book\nroot: book/index\nchapters:{files}\n")

    def notebook(self, chapter, *cells):
        """Write a chapter; a cell is a string of code, or (kind, source, metadata)."""
        whole = {
            "cells": [self.cell(number, cell) for number, cell in enumerate(cells, 1)],
            "metadata": {
                "kernelspec": {"name": "python3", "display_name": "P", "language": "python"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        return self.write(f"book/{chapter}.ipynb", json.dumps(whole))

    @staticmethod
    def cell(number, cell):
        kind, source, metadata = ("code", cell, {}) if isinstance(cell, str) else cell
        code = {"outputs": [], "execution_count": None} if kind == "code" else {}
        return {
            "cell_type": kind,
            "id": f"c{number}",
            "source": source,
            "metadata": metadata,
            **code,
        }

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=180)
        return process.returncode, output


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """What kernels compile and look up once, shared by all sample books."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def book_in(cache):
    """Make a book of one chapter without figures in a folder."""

    def make(folder):
        sample = Book(folder)
        (folder / "_build").mkdir()
        (folder / "_build/cache").symlink_to(cache)
        sample.toc("one")
        sample.write("book/index.md", "# A book\n")
        sample.write("requirements.txt", "numpy==2.5.5\n")
        sample.write("lmm_helpers/__init__.py", "ANSWER = 42\n")
        sample.notebook("one", ("markdown", "# One", {}), "assert len('a') == 1, 'truth is true'")
        return sample

    return make


@pytest.fixture
def book(tmp_path, monkeypatch, book_in):
    """A book of one chapter, at the current directory."""
    monkeypatch.chdir(tmp_path)
    return book_in(tmp_path)


@pytest.fixture
def figure_metadata():
    """The metadata of a cell that draws a figure."""

    def metadata(name="fig-line", caption=CAPTION, alt=ALT):
        return {"mystnb": {"figure": {"name": name, "caption": caption}, "image": {"alt": alt}}}

    return metadata
