"""The page of claims: what each chapter claims, in words, as it was evaluated."""

import re

from markdown_it import MarkdownIt

from bookbuild import freshness
from bookbuild.chapters import Notebook, chapters, executed, read_notebook

PAGE = "appendix/claims"
TAG = "claims"  # of cells that state claims and nothing else, and leave the chapter's page
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
INTRODUCTION = """# Claims

Whatever a chapter says about a result is also written as code that is true or false, and what is
false stops the build. These are the claims that were evaluated when this book was made, in words,
below links to the sections that make them. The code stands in the chapters' notebooks, collapsed.
"""


def made(chapter: str) -> dict[str, list[str]]:
    """The claims of an executed chapter in words, by cell."""
    found: dict[str, list[str]] = {}
    for claim in freshness.noted(chapter).get("claims", []):
        found.setdefault(claim["cell"], []).append(claim["words"])
    return found


def linked(chapter: str, notebook: Notebook) -> Notebook:
    """The chapter without its cells of claims, and with a last line that leads to their page."""
    _label_sections(chapter, notebook)
    kept = [cell for cell in notebook["cells"] if TAG not in cell["metadata"].get("tags", [])]
    number = sum(map(len, made(chapter).values()))
    what = f"{number} claim{'s' * (number != 1)} of this chapter"
    line = f"[{what}](#{_label(chapter)}) {'was' if number == 1 else 'were'} checked"
    last = {"id": "claims-of-this-chapter", "cell_type": "markdown", "metadata": {}}
    return {
        **notebook,
        "cells": [*kept, {**last, "source": f"{line} when this page was made."}],
    }


def page() -> str:
    """All claims of the book, by chapter and section."""
    return "\n".join([INTRODUCTION, *(_of_chapter(chapter) for chapter in chapters())])


def _of_chapter(chapter: str) -> str:
    notebook, words = read_notebook(executed(chapter)), made(chapter)
    sections = _label_sections(chapter, notebook)
    title = next(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
    lines = [f"({_label(chapter)})=", f"## {title.partition('# ')[2].splitlines()[0]}"]
    for cell, claims in words.items():
        if lines[-1] != (section := f"\n[](#{sections[cell]})\n") and section not in lines:
            lines.append(section)
        lines += [f"- {PUNCTUATION.sub(r'\\\1', ' '.join(claim.split()))}" for claim in claims]
    return "\n".join(lines) + "\n"


def _label(chapter: str, section: int | None = None) -> str:
    return f"claims-{chapter.replace('/', '-')}" + ("" if section is None else f"-{section}")


def _label_sections(chapter: str, notebook: Notebook) -> dict[str, str]:
    """Give each heading a label to link to; the label that holds for each cell."""
    number, labels = 0, {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            tokens = MarkdownIt().parse(cell["source"])
            headings = [t.map[0] for t in tokens if t.type == "heading_open" and t.map]
            lines = cell["source"].split("\n")
            for offset, at in reversed([*enumerate(headings)]):
                lines.insert(at, f"\n({_label(chapter, number + offset)})=")
            cell["source"] = "\n".join(lines)
            number += len(headings)
        labels[cell["id"]] = _label(chapter, number - 1)
    return labels
