"""Contracts: each way to draw something else is a difference, another machine is none."""

import json

import pytest

from bookbuild import contracts
from bookbuild.chapters import executed

pytestmark = pytest.mark.xdist_group("contracts")  # one book for all of them
SETUP = """
import matplotlib.pyplot as plt
import numpy as np
x = np.linspace(0, 10, 50)
y = x**2 / 10
people = np.random.default_rng(1).normal(size=(300, 2))

def figure(x=x, y=y, people=people, colours=("C0", "C1"), style="-", labels=("low", "high"),
           bars=(1, 2, 3), title="Rises by 4.2 s", text="here", alpha=1, key=("up", "who"),
           shade=1, size=9, shape="o", at=(1, 3.5)):
    fig, (left, right) = plt.subplots(1, 2)
    left.plot(x, y, style, color=colours[0], alpha=alpha, label=key[0])
    left.scatter(*people.T + 5, color=colours[1], label=key[1], s=size, marker=shape)
    left.set(xlim=(0, 10), ylim=(0, 10), title=title)
    left.legend()
    right.bar(["a", "b", "c"], bars)
    right.imshow(shade * np.arange(6).reshape(2, 3), extent=(0, 1, 0, 1), aspect="auto")
    right.set(xlim=(-1, 3), ylim=(0, 4))
    right.set_yticks([1, 3], labels)
    right.text(*at, text)
    right.annotate("4.2 s", at, (10, 5), textcoords="offset points")
"""
SAME = {
    "itself": "",
    "from right to left": "x=x[::-1], y=y[::-1]",
    "the last digits": "y=y * (1 + 1e-6), bars=(1.004, 2, 3), title='Rises by 4.21 s'",
}
OTHER = {
    "backwards": ("y=y[::-1]", "Line2D #1f77b4ff - None: "),
    "other palette": ("colours=('C1', 'C0')", "is no longer drawn"),
    "swapped palette": ("colours=('#ff7f0e', '#1f77b4')", "is newly drawn"),
    "paler": ("alpha=0.5", "#1f77b480"),
    "dashed": ("style='--'", "is newly drawn"),
    "rows dropped": ("people=people[:-1]", "count was 300, is 299"),
    "rows moved": ("people=people + [0.3, 0]", "x was"),
    "rows turned": ("people=people[:, ::-1] * [1, -1] + [0.3, 0]", "PathCollection"),
    "pairs broken": ("people=np.sort(people, axis=0)", "rising was"),
    "fewer points": ("x=x[:-1], y=y[:-1]", "points was 50, is 49"),
    "ticks reversed": ("labels=('high', 'low')", "yticks was ['low', 'high']"),
    "misspelt": ("text='hear'", "texts was [['here'"),
    "another title": ("title='Falls by 4.2 s'", "title was 'Rises by 4.2 s', is 'Falls"),
    "another number": ("title='Rises by 4.4 s'", "title was"),
    "another sign": ("title='Rises by −4.2 s'", "title was"),
    "a unit gone": ("title='Rises by 4.2'", "title was"),
    "bars scaled": ("bars=(1.1, 2.2, 3.3)", "Rectangle"),
    "a bar edited": ("bars=(1, 2, 3.2)", "Rectangle"),
    "legend swapped": ("key=('who', 'up')", "legend was"),
    "words elsewhere": ("at=(2, 3.5)", "Text 'here' #000000ff: x was"),
    "larger points": ("size=18", "PathCollection #ff7f0eff of 26 corners: sizes was"),
    "other markers": ("shape='s'", "of 26 corners is no longer drawn"),
    "image scaled": ("shade=2", "AxesImage viridis: values was"),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, book_in):
    """The descriptions of all these figures, from one kernel."""
    book = book_in(tmp_path_factory.mktemp("book"))
    asked = {"base": ""} | SAME | {name: arguments for name, (arguments, _) in OTHER.items()}
    book.notebook("one", SETUP, *(f"figure({arguments});" for arguments in asked.values()))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(book.folder)
        status, output = book.run("bookbuild.execute", "one")
        assert status == 0, output
        cells = json.loads(executed("one").read_text(encoding="utf-8"))["cells"][1:]
    found = [cell["outputs"][0]["metadata"]["image/png"]["figure"] for cell in cells]
    return dict(zip(asked, found, strict=True))


@pytest.mark.parametrize("name", SAME)
def test_another_machine_draws_the_same(drawn, name):
    assert [*contracts.changes(drawn["base"], drawn[name])] == []


@pytest.mark.parametrize("name", OTHER)
def test_each_other_figure_differs_in_both_directions(drawn, name):
    found = [*contracts.changes(drawn["base"], drawn[name])]
    assert any(OTHER[name][1] in change for change in found), found
    assert [*contracts.changes(drawn[name], drawn["base"])]


@pytest.mark.parametrize("name", ["rows dropped", "rows moved", "pairs broken", "backwards"])
def test_draws_are_held_to_a_fiftieth_and_still_differ(drawn, name):
    was, now = ({**drawn[one], "sampled": True} for one in ("base", name))
    assert [*contracts.changes(was, now)]


def test_draws_may_end_elsewhere(drawn):
    was, now = (json.loads(json.dumps(drawn["base"] | {"sampled": True})) for _ in range(2))
    points = next(g for g in now["axes"][0]["drawn"] if g["kind"] == "PathCollection")
    low, *inner, high = map(float, points["x"].split())
    points["x"] = " ".join(map(str, [low - 0.5, *(one + 0.15 for one in inner), high + 0.5]))
    assert [*contracts.changes(was, now)] == []
    points["x"] = " ".join(map(str, [low, *(one + 0.25 for one in inner), high]))
    assert [*contracts.changes(was, now)]


def test_single_draws_may_lie_anywhere(drawn):
    now = json.loads(json.dumps(drawn["rows dropped"]))
    assert [*contracts.changes(drawn["base"], now, random=True)] == []
    assert [*contracts.changes(drawn["base"], drawn["other palette"], random=True)]
    assert [*contracts.changes(drawn["base"], drawn["another title"], random=True)]


def test_every_field_of_a_contract_is_compared(drawn):
    def leaves(value, path=()):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            if isinstance(inner, dict | list) and inner:
                yield from leaves(inner, (*path, key))
            else:
                yield (*path, key)

    edits = {
        str: lambda s: f"9{s}",
        int: lambda n: n + 1,
        float: lambda n: n + 9,
        bool: lambda b: not b,
    }
    for path in leaves(drawn["base"]):
        edited = json.loads(json.dumps(drawn["base"]))
        *way, last = path
        holder = edited
        for key in way:
            holder = holder[key]
        was = holder[last]
        holder[last] = edits.get(type(was), lambda _: "x")(was)
        assert [*contracts.changes(edited, drawn["base"])], path
        if isinstance(holder, dict):
            del holder[last]
            if path != ("sampled",):
                assert [*contracts.changes(edited, drawn["base"])] or was in (None, [], ""), path
