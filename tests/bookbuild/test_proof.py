"""Proof-reading: a clean chapter has no faults, and each planted fault is found and named."""

import io
import json
import shutil
from pathlib import Path

import pytest

from bookbuild import contracts, freshness, proof, prose
from bookbuild.chapters import executed, read_json, read_notebook, record, source, write_json

DESCRIPTION = {
    "size": [6.4, 4.8],
    "sampled": False,
    "suptitle": "",
    "axes": [
        {
            "title": "Rises by 4.2 s",
            "xlabel": "age (years)",
            "ylabel": "time (s)",
            "xlim": [0.0, 100.0],
            "ylim": [150.0, 250.0],
            "drawn": [],
            "texts": [["here", "#000000ff"]],
        }
    ],
    "legends": [],
    "texts": [],
}
NOTED = {
    "notebook_sha256": "",
    "fits": [],
    "claims": [
        {"cell": "c3", "number": 0, "words": "3 is true", "boolean": True, "held": True},
    ],
    "cost": {"peak_memory_mb": 100},
    "changed": [],
}


@pytest.fixture
def clean(book, figure_metadata):
    """A chapter with a figure and a claim, executed, its contract accepted."""
    cells = [
        (
            "markdown",
            "# One\n\nAs [Doe (2020)](https://doi.org/10.1/doe) says, there are 8 counties.",
            {},
        ),
        ("code", "ax.plot()", figure_metadata()),
        "assert len('a') == 1, '3 is true'",
    ]
    book.notebook("one", *cells)
    book.write("book/_numbers.yml", "one:\n  8: given by the design\n")
    book.write("book/references.bib", "@article{doe2020, title={A}, doi={10.1/doe}}\n")
    notebook = read_json(source("one"))
    notebook["cells"][1]["outputs"] = [
        {
            "output_type": "display_data",
            "data": {"image/png": "aGk=", "text/plain": "<Figure>"},
            "metadata": {"image/png": {"width": 4, "figure": json.loads(json.dumps(DESCRIPTION))}},
        }
    ]
    write_json(executed("one"), notebook)
    write_json(record("one"), freshness.sealed(NOTED))
    agreed = {"figures": {"fig-line": DESCRIPTION}, "claims": ["# is true"]}
    write_json(contracts.contract("one"), agreed)
    assert proof.of_sources() == []
    assert proof.of_results() == []
    return book


def change(path, *keys, to):
    content = read_json(path)
    *way, last = keys
    target = content
    for key in way:
        target = target[key]
    target[last] = to
    write_json(path, content)


SHOWN = ("cells", 1, "metadata", "mystnb")
SOURCE_FAULTS = {
    "outputs": (
        ("cells", 1, "outputs"),
        [{"output_type": "stream", "text": "x", "name": "stdout"}],
        "holds outputs",
    ),
    "count": (("cells", 2, "execution_count"), 3, "cell 3 (c3): holds outputs"),
    "no id": (("cells", 2, "id"), "", "no id of its own"),
    "same id": (("cells", 2, "id"), "c2", "no id of its own"),
    "no message": (("cells", 2, "source"), "assert True", "has no message"),
    "constant": (("cells", 2, "source"), "assert 1 < 2, 'a'", "`assert 1 < 2, 'a'` cannot fail"),
    "same sides": (("cells", 2, "source"), "assert x.max() >= x.max(), 'a'", "cannot fail"),
    "same arrays": (("cells", 2, "source"), "assert np.allclose(x, x), 'a'", "cannot fail"),
    "equals itself": (("cells", 2, "source"), "assert fit.equals(fit), 'a'", "cannot fail"),
    "or true": (("cells", 2, "source"), "assert x > 3 or True, 'a'", "cannot fail"),
    "claim in a function": (
        ("cells", 2, "source"),
        "def check():\n    assert x > 3, 'a'",
        "stands in a function",
    ),
    "claim in a method": (
        ("cells", 2, "source"),
        "class A:\n    def check(self):\n        assert x > 3, 'a'",
        "stands in a function or class",
    ),
    "open claims": (("cells", 2, "metadata"), {"tags": ["claims"]}, "collapse its code"),
    "clock as seed": (
        ("cells", 2, "source"),
        "assert x, 'a'\nm.fit(random_seed=int(time()))",
        "holds 'time(', comes from a clock or from chance: derive a seed from SEED",
    ),
    "clock by another name": (
        ("cells", 2, "source"),
        "assert x, 'a'\nnow = time_ns()\nn = now % 2**32\nm.fit(**{'random_seed': n})",
        "holds 'time_ns(', comes from a clock",
    ),
    "chance as seed": (
        ("cells", 2, "source"),
        "assert x, 'a'\nm.fit(random_seed=np.random.randint(99))",
        "holds 'random.randint(', draws without a seed",
    ),
    "no claim": (("cells", 2, "source"), "pass", "asserts nothing"),
    "long cell": (("cells", 2, "source"), "assert len('a') == 1, 'a'\n" * 21, "21 lines"),
    "unknown work": (
        ("cells", 0, "source"),
        "# One\n8 [Roe](https://doi.org/10.1/roe)",
        "cites https://doi.org/10.1/roe",
    ),
    "typed number": (("cells", 0, "source"), "# One\n8 and 4.5", "numeral '4.5'"),
    "unused number": (("cells", 0, "source"), "# One", "'8' does not occur"),
    "number in caption": (
        (*SHOWN, "figure", "caption"),
        "It climbs by 3 s.",
        "caption: numeral '3'",
    ),
    "number in alt": (
        (*SHOWN, "image", "alt"),
        "A line climbs by 30 s. " * 4,
        "alt text: numeral '30'",
    ),
    "no alt": ((*SHOWN, "image"), {}, "mystnb.image.alt is ''"),
    "short alt": ((*SHOWN, "image", "alt"), "A line.", "mystnb.image.alt is 'A line.'"),
    "file as alt": ((*SHOWN, "image", "alt"), "_images/" + "a" * 64 + ".png", "mystnb.image.alt"),
    "no caption": ((*SHOWN, "figure", "caption"), " ", "no mystnb.figure.caption"),
    "padded alt": (
        (*SHOWN, "image", "alt"),
        "A line that climbs to the right. " * 3,
        "padded",
    ),
    "alt of dots": (
        (*SHOWN, "image", "alt"),
        "A line that climbs to the right side" + "." * 40,
        "pad",
    ),
    "number in prompt": ((*SHOWN, "code_prompt_show"), "The 12 fits", "prompt_show: numeral '12'"),
    "number shown": (
        ("cells", 2, "source"),
        "assert len('a') == 1, 'a'\nMarkdown('The slope is 3.1 s.')",
        "cell 3 (c3), string: numeral '3.1'",
    ),
    "label with a unit": (
        ("cells", 2, "source"),
        "assert len('a') == 1, 'a'\nax.plot(x, label='90 % interval')",
        "string: numeral '90'",
    ),
    "words with a unit": (
        ("cells", 0, "source"),
        "# One\n8 [Doe](https://doi.org/10.1/doe), seven\nseconds",
        "numeral 'seven seconds'",
    ),
    "two statements": (
        ("cells", 2, "source"),
        "x = 1; assert len('a') == 1, 'a'",
        "cell 3 (c3): two statements on a line",
    ),
    "two in a block": (
        ("cells", 2, "source"),
        "if 1:\n    x = 1; y = 2\nassert len('a') == 1, 'a'",
        "two st",
    ),
    "capture": (
        ("cells", 2, "source"),
        "%%capture\nassert len('a') == 1, 'a'",
        "holds '%%capture'",
    ),
    "blanket": (
        ("cells", 2, "source"),
        "assert len('a') == 1, 'a'\nwarnings.simplefilter('ignore')",
        "silences every warning",
    ),
    "blanket filter": (
        ("cells", 2, "source"),
        'assert len("a") == 1, "a"\nwarnings.filterwarnings(action="ignore")',
        "silences every warning",
    ),
    "no seed": (
        ("cells", 2, "source"),
        "assert len('a') == 1, 'a'\nnp.random.default_rng()",
        "default_rng(S",
    ),
    "clock": (
        ("cells", 2, "source"),
        "assert len('a') == 1, 'a'\ntime.perf_counter()",
        "tag the cell `timing`",
    ),
    "iframe": (
        ("cells", 0, "source"),
        "# One\n8 [Doe](https://doi.org/10.1/doe)\n\n<IFRAME srcdoc='x'></IFRAME>",
        "one, cell 1 (c1): <iframe> is not among the HTML",
    ),
    "remote picture": (
        ("cells", 0, "source"),
        "# One\n8 [Doe](https://doi.org/10.1/doe)\n\n![A plot](https://a.example/b.png)",
        "a picture of another host",
    ),
    "undescribed picture": (
        ("cells", 0, "source"),
        "# One\n8 [Doe](https://doi.org/10.1/doe)\n\n![](b.png)",
        "without alt text",
    ),
    "no figure name": ((*SHOWN, "figure", "name"), "line", "mystnb.figure.name is 'line'"),
}
OUTPUT = ("cells", 1, "outputs", 0)
RESULT_FAULTS = {
    "error": (
        OUTPUT,
        {"output_type": "error", "ename": "ValueError", "evalue": "no"},
        "raises ValueError",
    ),
    "warning": (
        OUTPUT,
        {"output_type": "stream", "name": "stderr", "text": "Danger"},
        "stderr.*\n.*Danger",
    ),
    "no image": (("cells", 1, "outputs"), [], "makes 0 images"),
    "no metadata": (("cells", 1, "metadata"), {}, "mystnb.image.alt is ''"),
    "not described": ((*OUTPUT, "metadata"), {}, "nothing describes"),
    "vector image": ((*OUTPUT, "data"), {"image/svg+xml": "<svg/>"}, "image/svg"),
    "home": (
        OUTPUT,
        {"output_type": "stream", "name": "stdout", "text": "in /home/doe/book/a.csv"},
        "shows '/home/doe/book/a.csv', a path of this machine",
    ),
    "address": (
        (*OUTPUT, "data"),
        {"text/plain": "<Fit at 0x7f3a2c>"},
        "at 0x7f3a2c.*the address of an object",
    ),
    "time of day": ((*OUTPUT, "data"), {"text/plain": "made 2026-11-25 12:31:07"}, "the clock"),
    "set": ((*OUTPUT, "data"), {"text/plain": "{'kent', 'essex'}"}, "a set, in an order of chance"),
    "image in HTML": (
        (*OUTPUT, "data"),
        {"text/html": "<IMG src='data:image/png;base64,aGk='>"},
        "<img> is not among.*figure cell",
    ),
    "image in Markdown": (
        (*OUTPUT, "data"),
        {"text/markdown": "![a](b.png)"},
        "picture as Markdown",
    ),
    "handler": ((*OUTPUT, "data"), {"text/html": "<p ONCLICK='x()'>"}, "remove onclick"),
    "script": ((*OUTPUT, "data"), {"text/html": "<script>fetch('x')</script>"}, "<script> is none"),
    "HTML in Markdown": ((*OUTPUT, "data"), {"text/markdown": "a <embed src=x>"}, "<embed> is not"),
    "large": (
        OUTPUT,
        {"output_type": "display_data", "data": {"text/html": "x" * 700_001}},
        "700 kB",
    ),
}


# What may follow a good claim in its cell, and does not, by the message that names it.
CODE_FAULTS = {
    "assert abs(x - x) < 1, 'a'": "cannot fail",
    "assert x in [x, 3], 'a'": "cannot fail",
    "assert x > 3 or not x > 3, 'a'": "cannot fail",
    "assert x == approx(x), 'a'": "cannot fail",
    "print('4.2')": "numeral '4.2'",
    "Markdown('**4.2**')": "numeral '4.2'",
    "Math('x = 4.2')": "numeral '4.2'",
    "ax.plot(x, label='90%')": "numeral '90'",
    "from time import time as t\nt()": "hides a clock or chance",
    "from numpy.random import default_rng as r\nr()": "hides a clock or chance",
    "datetime.now(tz=UTC)": "comes from a clock",
    "%time fit()": "comes from a clock",
    "np.random.default_rng(None)": "draws without a seed: default_rng(SEED)",
    "np.random.default_rng(seed=None)": "draws without a seed: default_rng(SEED)",
    "np.random.shuffle(x)": "draws without a seed: default_rng(SEED)",
    "data.sample(5)": "data.sample draws without a seed: pass random_state=SEED",
    "stats.norm.rvs(size=3)": "stats.norm.rvs draws without a seed",
    "with redirect_stderr(io.StringIO()):\n    f()": "hides what the cell says",
    "with capture_output():\n    f()": "hides what the cell says",
    "with warnings.catch_warnings(action='ignore'):\n    f()": "silences every warning",
    "warnings.filterwarnings('ignore', category=Warning)": "silences every warning",
    "warnings.filterwarnings('ignore', '.*')": "silences every warning",
    "logging.disable(logging.CRITICAL)": "silences every warning",
    "np.seterr(all='ignore')": "silences every warning",
}
NO_FAULTS = [
    "assert (low, high) == (low, 3), 'a'",
    "assert x - y < 1, 'a'",
    "assert x in [y], 'a'",
    "x.quantile()['75%']",
    "ax.plot(x, color='0.3')",
    "data.sample(5, random_state=SEED)",
    "data.sample(5, **options)",
    "rng.shuffle(x)",
    "warnings.filterwarnings('ignore', 'Estimated shape')",
    "warnings.filterwarnings('ignore', category=FutureWarning)",
]
PROSE_FAULTS = {
    "½ of them": "numeral '½'",
    "one per cent": "numeral 'one per cent'",
    "half a second": "numeral 'half a second'",
    "a quarter of a minute": "numeral 'a quarter of a minute'",
    "a dozen seconds": "numeral 'a dozen seconds'",
    "[a](b.md 'by 4.2 s')": "numeral '4.2'",
    "a[^1]\n\n[^1]: It is 42.": "numeral '42'",
    "\n\n```{raw} html\n<script src='//a/b.js'></script>\n```": "remove src",
    "\n\n![a][b]\n\n[b]: https://a.example/b.png": "a picture of another host",
}
CELL_FAULTS = {
    "attachments": (
        {"a.png": {"image/png": "aGk="}},
        "a raw cell or a pasted picture",
    ),
    "cell_type": ("raw", "a raw cell or a pasted picture"),
    "metadata": ({"tags": ["hide-imput"]}, "'hide-imput' is no tag of this book"),
}
SHOWN_FAULTS = {
    "Wall time: 3 s": "the clock",
    str(Path.cwd() / "book/a.csv"): "a path of this machine",
    "C:\\Users\\doe\\a.csv": "a path of this machine",
    "{('a', 1), ('b', 2)}": "a set, in an order of chance",
    "{\"it's\", 'b'}": "a set, in an order of chance",
}


@pytest.mark.parametrize("code", CODE_FAULTS)
def test_each_fault_of_code_is_found(clean, code):
    change(source("one"), "cells", 2, "source", to=f"assert len('a') == 1, 'a'\n{code}")
    assert any(CODE_FAULTS[code] in fault for fault in proof.of_sources()), proof.of_sources()


@pytest.mark.parametrize("code", NO_FAULTS)
def test_code_that_looks_like_a_fault_is_none(clean, code):
    change(source("one"), "cells", 2, "source", to=f"assert len('a') == 1, 'a'\n{code}")
    assert proof.of_sources() == []


@pytest.mark.parametrize("words", PROSE_FAULTS)
def test_each_fault_of_prose_is_found(clean, words):
    change(
        source("one"), "cells", 0, "source", to=f"# One\n8 [Doe](https://doi.org/10.1/doe) {words}"
    )
    assert any(PROSE_FAULTS[words] in fault for fault in proof.of_sources())


@pytest.mark.parametrize("field", CELL_FAULTS)
def test_each_fault_of_a_cell_is_found(clean, field):
    to, message = CELL_FAULTS[field]
    change(source("one"), "cells", 0, field, to=to)
    assert any(fault.startswith(f"one, cell 1 (c1): {message}") for fault in proof.of_sources())


@pytest.mark.parametrize("words", SHOWN_FAULTS)
def test_what_holds_for_this_machine_only_is_not_shown(clean, words):
    output = {"output_type": "stream", "name": "stdout", "text": words}
    change(executed("one"), "cells", 2, "outputs", to=[output])
    (fault,) = proof.of_results()
    assert fault.startswith("one, cell 3 (c3): shows ")
    assert SHOWN_FAULTS[words] in fault


@pytest.mark.parametrize("kind", ["application/javascript", "application/pdf", "text/x-other"])
def test_outputs_of_other_kinds_are_not_shown(clean, kind):
    output = {"output_type": "display_data", "data": {kind: "x", "text/plain": "x"}, "metadata": {}}
    change(executed("one"), "cells", 2, "outputs", to=[output])
    assert proof.of_results() == [
        f"one, cell 3 (c3): shows {kind}: show words, a table or a figure"
    ]


def test_a_work_is_held_once_whatever_its_key(clean):
    work = "@article{{doe{0}, title={{A}}, doi={{10.1/{1}}}}}\n"
    x, y = "[Doe](https://doi.org/10.1/x)", "[Doe](https://doi.org/10.1/y)"
    change(source("one"), "cells", 0, "source", to=f"# 8\n{x}, {y}")
    clean.write("book/references.bib", work.format(1, "x") + work.format(2, "y"))
    assert proof.of_sources() == []
    clean.write("book/references.bib", work.format(1, "x") + work.format(2, "X"))
    with pytest.raises(SystemExit, match="more than once: keep one"):
        proof.of_sources()


@pytest.mark.parametrize("name", SOURCE_FAULTS)
def test_each_fault_of_a_source_is_found(clean, name):
    keys, to, message = SOURCE_FAULTS[name]
    change(source("one"), *keys, to=to)
    assert any(message in fault for fault in proof.of_sources())


@pytest.mark.parametrize("name", RESULT_FAULTS)
def test_each_fault_of_a_result_is_found(clean, name):
    keys, to, message = RESULT_FAULTS[name]
    change(executed("one"), *keys, to=to)
    with pytest.raises(AssertionError, match=f"(?s)one, cell 2.*{message}"):
        assert proof.of_results() == [], "\n".join(proof.of_results())


def test_the_measures_of_a_chapter_are_held(clean):
    clean.write("book/_measures.yml", "one:\n  words: 3\n")
    assert "one: 12 words, the most is 3: cut" in proof.of_results()[0]


def test_a_figure_cell_shows_nothing_else(clean):
    outputs = read_json(executed("one"))["cells"][1]["outputs"]
    text = {"output_type": "execute_result", "data": {"text/plain": "[<Line2D>]"}, "metadata": {}}
    change(executed("one"), "cells", 1, "outputs", to=[*outputs, text])
    assert "semicolon" in proof.of_results()[0]
    change(executed("one"), "cells", 1, "outputs", to=outputs * 2)
    assert "makes 2 images" in proof.of_results()[0]


def test_alt_must_differ_from_the_caption(clean):
    long = "The line climbs all the way from the lower left to the upper right of the panel."
    change(source("one"), *SHOWN, "figure", "caption", to=long)
    change(source("one"), *SHOWN, "image", "alt", to=long)
    assert any("repeats the caption" in fault for fault in proof.of_sources())


def test_figure_names_are_unique_in_the_book(clean):
    clean.toc("one", "two")
    clean.write("book/two.ipynb", source("one").read_text(encoding="utf-8"))
    found = [fault for fault in proof.of_sources() if "more than once" in fault]
    assert sum("the figure name 'fig-line'" in fault for fault in found) == 2
    assert sum("the alt text" in fault for fault in found) == 2


def test_index_is_prose_too_and_numbers_belong_to_pages(clean):
    cite = "[Roe](https://doi.org/10.1/roe)"
    clean.write("book/index.md", f"# A book\n\nIt has 613 rows and cites {cite}.\n")
    clean.write("book/_numbers.yml", "one:\n  8: given\ngone:\n  5: x\n")
    found = "\n".join(proof.of_sources())
    assert "index: numeral '613'" in found
    assert "index: cites https://doi.org/10.1/roe, which" in found
    assert "'gone' is no page" in found


@pytest.mark.parametrize(
    ("markdown", "numerals"),
    [
        ("`4.5` or `90 %` but `x = 4.5` and `R2`", ["4.5", "90"]),
        (r"$\tau = 3.1$, $2\tau$, $N(0, 1)$, $\frac{1}{10}$, $n = 613$", ["3.1", "613"]),
        (
            "ninety per cent, five to ten seconds, two of them",
            ["ninety per cent", "five to ten seconds"],
        ),
        ("<b>4.2 s</b>", ["4.2"]),
        ("<div>\n<p>4.2 s</p>\n</div>", ["4.2"]),
        ("| a 1 |\n|---|\n| 22 |", ["1", "22"]),
        ("![see 5](x.png 'and 6')", ["5", "6"]),
        ("```{figure} plot3.png\n:alt: rises by 5\n\nRises by 6.\n```", ["5", "6"]),
        ("There are 8 of 1,234.5 and 89%", ["8", "1,234.5", "89"]),
        ("lme4, R2, `x = 1`, ``a ` 2``, {numref}`fig-3`", []),
        ("$x_1 = 2$ and\n\n$$\n3\n$$\n", []),
        ("[text 7](page8.md) <http://a/9> https://b/10", ["7"]),
        ("[Doe (2020)](https://doi.org/10.1/doe)", []),
        ("1. first\n2. second 5\n", ["5"]),
        ("<!-- 4 -->\n<img width=300>\n", []),
        ("```python\nx = 1\n```\n~~~\n2\n~~~\n", []),
        ("```{note}\n:class: c3\nThere are 4.\n```\n", ["4"]),
        (":::{note} 6\nThere are 7.\n:::\n", ["6", "7"]),
        ("````{note}\n```python\n1\n```\n8\n````\n", ["8"]),
        ("```{math}\n1\n```\n", []),
        ("(label-1)=\n# Two 2\n", ["2"]),
        ("---\ntoc: 3\n---\nText 4", ["4"]),
        ("−3 s, 5–10 and 2×2", ["3", "5", "10", "2", "2"]),
    ],
)
def test_what_counts_as_a_numeral(markdown, numerals):
    assert prose.numerals(markdown) == numerals


@pytest.mark.parametrize(
    ("code", "numerals"),
    [
        ("print('n = 613 visits')", ["613"]),
        ("text = 'It rises by 3 s'\nMarkdown(text)", ["3"]),
        ("display(HTML('<b>4.2 s</b>'))", ["4.2"]),
        ("Markdown(f'It is {slope:.2f} s of 613 rows')", ["613"]),
        ("print(f'It is {4.2} s, {x.value} and {a[0]}')", ["4.2"]),
        (r"Markdown(f'$\tau = {tau:.1f}$ and {x}')", []),
        ("bmb.Model('y ~ 1 + x', data)", []),
        ("assert x > 3, 'more than 3 s'", []),
        ("ax.set_xlabel('time in units of 10 seconds')", ["10"]),
        ("table.loc['row 3']", []),
    ],
)
def test_what_counts_as_a_numeral_of_code(code, numerals):
    assert prose.numerals_of_code(code) == numerals


@pytest.mark.parametrize("content", ["one: [8]", "- one", "one: {", "one: text"])
def test_broken_declarations_are_told_in_a_sentence(clean, content):
    clean.write("book/_numbers.yml", content)
    with pytest.raises(SystemExit, match=r"^book/_numbers\.yml must hold pages"):
        prose.declared()


FILES = {
    "book/stray.md": ("# A", "book/stray.md: no page of _toc.yml"),
    "book/one.md": ("# One", "book/one.md: this page is a notebook too"),
    "book/_static/count.js": ("1", "count.js: a script for every page"),
    "book/_static/a.css": ("@import 'https://a/b.css';", "loads from elsewhere"),
    "book/_static/b.css": ("@font-face {src: URL(//a/f.woff2)}", "loads from elsewhere"),
    "book/_static/c.svg": ("<svg><image href='https://a/b.png'/></svg>", "c.svg: <image"),
    ".python-version": ("3.1", ".python-version: asks for another Python"),
    "book/references.bib": (
        "@book{doe, doi={10.1/doe}}\n@book{roe, url={https://a.example}}",
        "no page cites 'roe', as [words](https://a.example)",
    ),
}


@pytest.mark.parametrize("path", FILES)
def test_what_lies_beside_the_pages_is_looked_at(clean, path):
    content, message = FILES[path]
    clean.write(path, content)
    assert any(message in fault for fault in proof.of_sources())


def test_a_work_is_held_once_and_can_be_linked_to(clean):
    clean.write("book/references.bib", "@book{doe, doi={10.1/doe}}\n@book{roe, title={A}}\n")
    assert proof.of_sources() == [
        "book/references.bib: 'roe' has neither doi nor url: add one, where its citation leads"
    ]
    clean.write("book/references.bib", "@book{doe, doi={10.1/doe}}\n@book{doe, doi={10.1/doe}}\n")
    with pytest.raises(SystemExit, match="repeated bibliography entry: doe: keep one"):
        proof.of_sources()


def test_a_caption_may_stand_in_a_cell_where_jupyterlab_shows_it(clean):
    change(source("one"), *SHOWN, "figure", "caption", to=" ")
    notebook = read_json(source("one"))
    caption = {"cell_type": "markdown", "id": "a", "metadata": {"tags": ["caption"]}}
    caption["source"] = "**Figure 1.1.** The line rises."
    write_json(source("one"), notebook | {"cells": notebook["cells"] + [caption]})
    assert any("no mystnb.figure.caption" in fault for fault in proof.of_sources())
    notebook["cells"].insert(2, caption)
    write_json(source("one"), notebook)
    assert read_notebook(source("one"))["cells"][1]["metadata"]["mystnb"]["figure"] == {
        "name": "fig-line",
        "caption": "The line rises.",
    }
    assert proof.of_sources() == []


def test_every_page_of_the_toc_is_prose(clean):
    clean.toc("one", "appendix/glossary")
    clean.write("book/appendix/glossary.md", "# Words\n\n### spread\n\nAbout 14.8 s.\n")
    found = proof.of_sources()
    assert any(fault.startswith("appendix/glossary: numeral '14.8'") for fault in found)


def test_a_clock_may_stand_where_it_says_so(clean):
    change(source("one"), "cells", 2, "source", to="assert len('a') == 1, 'a'\ntime.perf_counter()")
    change(source("one"), "cells", 2, "metadata", to={"tags": ["timing"]})
    assert proof.of_sources() == []


PANEL = ("figures", "fig-line", "axes", 0)


def test_a_drift_from_a_contract_is_a_fault_that_names_the_figure(clean):
    change(contracts.contract("one"), *PANEL, "title", to="Falls by 4.2 s")
    (fault,) = contracts.faults("one")
    assert fault == (
        "one, fig-line: panel 1 (Rises by 4.2 s): title was 'Falls by 4.2 s', is 'Rises by 4.2 s'; "
        "if it is meant, look at it, then `make accept`"
    )


def test_small_shifts_are_no_drift(clean):
    change(contracts.contract("one"), *PANEL, "title", to="Rises by 4.22 s")
    change(contracts.contract("one"), *PANEL, "xlim", to=[0.9, 101.0])
    assert contracts.faults("one") == []


def test_a_claim_that_is_gone_is_a_fault_until_accepted(clean, monkeypatch):
    change(contracts.contract("one"), "claims", to=["# is true", "# is less than #"])
    assert contracts.faults("one") == [
        "one, claims: no longer claims '# is less than #'; if it is meant, look at it, "
        "then `make accept`"
    ]
    monkeypatch.setenv("YES", "1")
    contracts.accept()
    assert proof.of_results() == []


@pytest.mark.parametrize(
    ("where", "words"),
    [(("title",), "Rises by 4.2 s"), (("ylabel",), "time (4.2 s)"), (("texts", 0, 0), "4.2")],
)
def test_a_number_in_the_words_of_a_figure_is_computed(clean, where, words):
    change(executed("one"), *OUTPUT, "metadata", "image/png", "figure", "axes", 0, *where, to=words)
    change(source("one"), "cells", 1, "source", to="ax.plot()\nf'by {x:4.2f} s'")
    change(executed("one"), "cells", 1, "source", to="ax.plot()\nf'by {x:4.2f} s'")
    assert not any("is typed" in fault for fault in proof.of_results())
    change(executed("one"), "cells", 1, "source", to="title = 'by 4.2 s'\nax.plot()")
    assert any(
        fault.startswith(f"one, cell 2 (c2): the number 4.2 in {words!r} is typed: format a value")
        for fault in proof.of_results()
    )
    clean.write("book/_numbers.yml", "one:\n  4.2: a limit\n")
    assert not any("is typed" in fault for fault in proof.of_results())


def test_missing_and_left_over_contracts_are_faults(clean):
    write_json(contracts.contract("one"), {"figures": {"fig-old": DESCRIPTION}})
    assert [fault.split(";")[0] for fault in contracts.faults("one")] == [
        "one, fig-line: new figure without a contract",
        "one, fig-old: the chapter no longer draws this figure",
    ]
    write_json(contracts.contract("gone"), {})
    assert any("gone.json belongs to no chapter" in fault for fault in proof.of_sources())


def test_nobody_accepts_for_the_author(clean, monkeypatch):
    change(contracts.contract("one"), *PANEL, "xlabel", to="old")
    for answer in (["no"], [""], []):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{one}\n" for one in answer)))
        with pytest.raises(SystemExit, match="nothing accepted"):
            contracts.accept()
        assert contracts.faults("one") != []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    contracts.accept()
    assert contracts.faults("one") == []


def test_the_pictures_of_a_good_build_are_compared_with(clean, monkeypatch):
    assert proof.of_results() == []
    change(contracts.contract("one"), *PANEL, "xlabel", to="old")
    monkeypatch.setenv("YES", "1")
    contracts.accept()
    page = contracts.PAGE.read_text(encoding="utf-8")
    assert "as accepted before" in page
    assert "no earlier picture" not in page


def test_accept_writes_the_page_and_the_contracts(clean, capsys, monkeypatch):
    monkeypatch.setenv("YES", "1")
    shutil.rmtree(contracts.PICTURES)
    change(source("one"), *SHOWN, "figure", "caption", to="<b>")
    notebook = read_notebook(executed("one"))
    notebook["cells"][1]["metadata"]["mystnb"]["figure"]["caption"] = "<b>&</b>"
    write_json(executed("one"), notebook)
    change(contracts.contract("one"), *PANEL, "xlabel", to="<i>old")
    write_json(contracts.contract("gone"), {})
    contracts.accept()
    page = contracts.PAGE.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in page
    assert "&lt;i&gt;old" in page
    assert "no earlier picture on this machine" in page
    assert "git checkout book/_contracts" in capsys.readouterr().out
    assert contracts.faults("one") == []
    assert not contracts.contract("gone").exists()
    contracts.accept()
    assert "as accepted before" in contracts.PAGE.read_text(encoding="utf-8")
