"""The flip-book as it is written: what a reader gets before any script has run."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from lmm_helpers import COUNTY_COLOURS, load_bounce
from lmm_helpers.data.bounce import COUNTY_SIZES
from lmm_helpers.figures.flipbook import FARTHEST, SIDE, THEMES, flipbook

VISITS = load_bounce()
OPTIONS = {
    "x": "age",
    "y": "bounce_time",
    "hue": "county",
    "xlabel": "age (years)",
    "ylabel": "time (seconds)",
    "ylim": (0, 400),
    "alt": "Scatter plots of time against age.",
}
HOSTILE = "</script></style><img src=x onerror=\"alert('1')\">&amp;]]><!--"


def draws(pages=4, *, mean=200, sd=150, rows=613):
    return np.random.default_rng(1).normal(mean, sd, size=(pages, rows))


def bind(books=None, **changes):
    books = {"a guess": draws()} if books is None else books
    return flipbook(books, **{"real": VISITS, **OPTIONS, **changes}).data


def straight(pages=4):
    """On each page a line for each county, crossing 200 seconds at 50 years."""
    rise = np.arange(1, pages + 1)[:, None] * (VISITS["county"].cat.codes.to_numpy() - 3)
    return 200 + 0.5 * rise * (VISITS["age"].to_numpy() - 50)


class Fragment(HTMLParser):
    """Tags, attributes, and text by the class of the element around it."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.texts, self._open = [], [], [], []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self._open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1][1] or self._open[-1][0], data))

    def all(self, name):
        return [text for place, text in self.texts if place == name]


def data_of(html):
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', html)
    return json.loads(data)


def codes_of(html, book=0):
    data = data_of(html)
    codes = np.frombuffer(base64.b64decode(data["books"][book]), dtype="<u2")
    return codes.reshape(data["pages"], len(data["x"]))


def test_every_page_of_every_book_has_every_visit():
    html = bind({"one": draws(5), "two": draws(5, sd=10)})
    data = data_of(html)
    assert data["pages"] == 5
    assert len(data["books"]) == 2
    assert codes_of(html, 1).shape == (5, len(VISITS))
    assert sorted(stop - start for start, stop in data["runs"]) == list(COUNTY_SIZES.values())


def test_codes_give_the_simulated_values_back_to_a_thousandth_of_the_axis():
    simulated = draws()
    order = np.argsort(
        -VISITS.groupby("county", observed=True)["age"].transform("size"), kind="stable"
    )
    simulated = simulated[:, order]
    codes = codes_of(bind({"a guess": draws()})).astype(int)
    np.testing.assert_array_equal(codes == 0, simulated > 400)
    np.testing.assert_array_equal(codes == SIDE + 2, simulated < 0)
    inside = (codes > 0) & (codes < SIDE + 2)
    back = 400 - (codes - 1) * 400 / SIDE
    assert np.abs(back - simulated)[inside].max() <= 0.5 * 400 / SIDE + 1e-9


def test_largest_group_is_drawn_first_so_that_small_ones_lie_on_top():
    sizes = [stop - start for start, stop in data_of(bind())["runs"]]
    assert sizes == sorted(sizes, reverse=True)


def test_three_books_of_thirty_pages_with_lines_stay_below_the_limit_of_the_press():
    names = ("generic", "defaults", "weakly informative")
    books = dict.fromkeys(names, draws(30))
    assert len(bind(books, lines=dict.fromkeys(names, straight(30))).encode()) < 300_000


def lines_of(html, book):
    data = data_of(html)
    heights = np.frombuffer(base64.b64decode(data["lines"][book]), dtype="<i2")
    return heights.reshape(-1, len(data["ends"]), 2)


def test_lines_run_from_the_youngest_to_the_oldest_of_each_group_where_the_model_expects_them():
    html = bind(lines={"a guess": straight()}, ylim=(0, 400))
    data, drawn = data_of(html), lines_of(html, 0)
    assert drawn.shape == (4, 8, 2)
    sizes = VISITS.groupby("county", observed=True).size().sort_values(ascending=False)
    for number, county in enumerate(sizes.index):
        own = VISITS["county"] == county
        for end, row in enumerate([VISITS["age"][own].idxmin(), VISITS["age"][own].idxmax()]):
            expected = (400 - straight()[:, row]) * SIDE / 400
            np.testing.assert_allclose(drawn[:, number, end], expected, atol=0.5)
            across = data["x"][data["ends"][number][end]]
            low, high = VISITS["age"].min(), VISITS["age"].max()
            air = 0.04 * (high - low)
            place = SIDE * (VISITS["age"][row] - low + air) / (high - low + 2 * air)
            assert abs(across - place) <= 0.5
    paths = [a["d"] for a in Fragment(html).attributes if a.get("class") == "flipbook-line"]
    assert len(paths) == 3 * 8  # three printed pages; the real data have none
    left, right = data["ends"][0]
    begin, end = drawn[2, 0]
    assert paths[16] == f"M{data['x'][left]} {begin}L{data['x'][right]} {end}"


def test_a_book_without_lines_stays_as_it_was():
    html = bind({"one": draws(), "two": draws()}, lines={"two": straight()})
    assert data_of(html)["lines"][0] == ""
    assert lines_of(html, 1).shape == (4, 8, 2)
    assert 'class="flipbook-line"' not in bind()


def test_lines_far_off_the_page_stay_steep_and_a_lone_visit_is_a_point():
    high = straight() * 1e6
    assert np.abs(lines_of(bind(lines={"a guess": high}), 0).astype(int)).max() == FARTHEST
    real = pd.DataFrame(
        {"age": [20, 60, 40], "bounce_time": 200.0, "county": ["Kent"] * 2 + ["Devon"]}
    )
    html = bind({"a": draws(2, rows=3)}, real=real, lines={"a": np.full((2, 3), 100.0)})
    assert data_of(html)["ends"] == [[0, 1], [2, 2]]


def test_lines_of_bambi_and_plain_arrays_are_the_same():
    cube = xr.DataArray(straight()[None], dims=("chain", "draw", "__obs__"))
    assert bind(lines={"a guess": cube}) == bind(lines={"a guess": straight()})


def test_two_calls_give_the_same_bytes_and_no_ids():
    assert bind() == bind()
    assert not any("id" in attributes for attributes in Fragment(bind()).attributes)


def test_nothing_is_loaded_from_elsewhere():
    fragment = Fragment(bind())
    for attributes in fragment.attributes:
        assert not attributes.keys() & {"src", "href", "xlink:href"}
    assert not re.search(r"https?:|url\(|@import|import\(|fetch\(", bind())


def test_without_a_script_readers_see_the_real_data_and_the_first_pages_of_each_book():
    fragment = Fragment(bind({"one": draws(), "two": draws()}))
    assert fragment.all("flipbook-name") == ["real data", *["one"] * 3, *["two"] * 3]
    assert fragment.all("flipbook-number") == [", page 1", ", page 2", ", page 3"] * 2
    assert not {"button", "input", "template", "noscript"} & set(fragment.tags)
    assert not any("hidden" in attributes for attributes in fragment.attributes)


def test_named_pages_are_steps_printed_from_the_first_to_the_last():
    steps = ["none", "a little", "half", "much", HOSTILE]
    html = bind({"a guess": draws(5)}, page_names=steps)
    assert data_of(html)["names"] == steps
    printed = [", page 1: none", ", page 3: half", f", page 5: {HOSTILE}"]
    assert Fragment(html).all("flipbook-number") == printed
    assert "<img" not in html
    with pytest.raises(ValueError, match="page_names holds 2 names for 5 pages"):
        bind({"a guess": draws(5)}, page_names=["one", "two"])


def test_all_panels_have_the_same_axes_with_numbers_and_units():
    fragment = Fragment(bind(ylim=(-200, 600)))
    panels = fragment.tags.count("svg")
    assert fragment.all("flipbook-xlabel") == ["age (years)"] * panels
    assert fragment.all("flipbook-ylabel") == ["time (seconds)"] * panels
    ticks = fragment.all("flipbook-ytick")
    assert ticks == ticks[: len(ticks) // panels] * panels
    assert "−200" in ticks
    assert "600" in ticks
    assert fragment.all("flipbook-xtick")[:4] == ["20", "40", "60", "80"]


def test_visits_beyond_the_axis_are_counted():
    pages = np.full((2, len(VISITS)), 200.0)
    pages[0, :5], pages[0, 5:7], pages[0, 7] = 400.1, -0.1, np.inf
    pages[1, 0] = -np.inf
    counts = Fragment(bind({"a guess": pages})).all("flipbook-count")
    assert counts == [
        "all 613 shown",
        "▲ 6 above · ▼ 2 below · 605 shown",
        "▲ 0 above · ▼ 1 below · 612 shown",
    ]


def test_values_on_the_limits_are_on_the_page():
    pages = np.tile(np.where(np.arange(len(VISITS)) % 2, 0.0, 400.0), (2, 1))
    assert Fragment(bind({"a guess": pages})).all("flipbook-count") == ["all 613 shown"] * 3
    assert set(codes_of(bind({"a guess": pages})).ravel()) == {1, SIDE + 1}


def test_draws_from_bambi_and_plain_arrays_give_the_same_book():
    pages = draws(6)
    cube = xr.DataArray(pages.reshape(2, 3, -1), dims=("chain", "draw", "__obs__"))
    flat = cube.stack(sample=("chain", "draw"))  # noqa: PD013 - xarray, not pandas
    assert bind({"a": pages}) == bind({"a": cube}) == bind({"a": flat})


def test_the_legend_names_each_county_in_the_order_of_the_book():
    assert Fragment(bind()).all("flipbook-group") == list(COUNTY_SIZES)


def luminance(colour):
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_seen_on_the_paper_of_each_theme_and_told_apart(theme):
    html = bind()
    paper, _ = THEMES[theme]
    assert f"--paper: {paper}" in html
    colours = sorted(set(re.findall(f"--{theme}:(#[0-9a-f]{{6}});", html)))
    assert len(colours) == len(COUNTY_COLOURS)
    for colour in colours:
        darker, lighter = sorted([luminance(colour), luminance(paper)])
        assert (lighter + 0.05) / (darker + 0.05) >= 2.95
    rgb = np.array([to_rgb(colour) for colour in colours])
    distance = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)
    assert distance[~np.eye(len(rgb), dtype=bool)].min() > 0.15


def test_the_alternative_text_and_the_caption_are_there():
    fragment = Fragment(bind(alt='Dots & "lines"', caption="Compare <b>."))
    assert {"role": "img", "aria-label": 'Dots & "lines"', "class": "flipbook-grid"} in (
        fragment.attributes
    )
    assert fragment.all("figcaption") == ["Compare <b>."]
    assert "figcaption" not in Fragment(bind()).tags


names = st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=20)).filter(
    lambda name: name.strip() and "\r" not in name
)


@settings(max_examples=50, deadline=None)
@example(book="a", county="\x00", label="b", alt="c")
@given(names, names, names, names)
def test_names_are_shown_as_they_are_and_never_become_markup(book, county, label, alt):
    across, up, group = county + "1", label + "2", county + label + "3"  # never the same
    real = pd.DataFrame({across: [1.0, 2.0], up: [3.0, 4.0], group: [county] * 2})
    html = flipbook(
        {book: np.zeros((2, 2))},
        real=real,
        x=across,
        y=up,
        hue=group,
        xlabel=label,
        ylabel=label,
        ylim=(-1, 1),
        alt=alt,
        caption=alt,
        palette={county: "red"},
    ).data
    fragment = Fragment(html)
    assert set(fragment.tags) == {
        *("figure", "style", "div", "span", "svg", "path", "figcaption", "script"),
    }
    assert fragment.tags.count("script") == 2
    assert "".join(fragment.all("flipbook-name")) == "real data" + 2 * book
    assert "".join(fragment.all("flipbook-group")) == county
    assert "".join(fragment.all("flipbook-xlabel")) == 3 * label
    assert [a["aria-label"] for a in fragment.attributes if "aria-label" in a] == [alt]
    data_of(html)


def changed(column, value):
    return VISITS.assign(**{column: VISITS[column].astype(object).where(VISITS.index != 7, value)})


@pytest.mark.parametrize(
    ("books", "changes", "message"),
    [
        ({}, {}, "books is empty; give at least one"),
        ({"a": draws(0)}, {}, r"books\['a'\] has no pages; draw some"),
        ({"a": draws(1)}, {}, "one page; draw more"),
        ({"a": draws(3), "b": draws(4)}, {}, r"unequal numbers of pages, \{'a': 3, 'b': 4\}"),
        ({"a": draws(3, rows=5)}, {}, r"books\['a'\] has the shape \(3, 5\).*simulate every row"),
        ({"a": draws(3).T}, {}, "transpose it"),
        ({"a": draws(1)[0]}, {}, r"must be \(pages, 613\)"),
        ({"a": np.where(draws() > 600, np.nan, 1)}, {}, r"books\['a'\] is missing \(NaN\) on page"),
        ({"a": [["x"]]}, {}, r"books\['a'\] is a list that is no table of numbers"),
        ({"a": xr.DataTree()}, {}, r"prior.prior_predictive\['bounce_time'\]"),
        ({"a": xr.DataArray(draws(), dims=("page", "__obs__"))}, {}, "needs 'chain', 'draw'"),
        (None, {"x": "years"}, "column 'years' is missing; the data have 'county', 'age'"),
        (None, {"y": "county"}, "column 'county' does not hold numbers"),
        (None, {"hue": "town"}, "column 'town' is missing"),
        (None, {"real": VISITS.assign(age=np.nan)}, "column 'age', row 0: nan cannot be drawn"),
        (None, {"real": changed("county", None)}, "column 'county' is missing in row 7"),
        (None, {"palette": {}}, "palette has no colour for 'Cumbria'; add one"),
        (None, {"lines": {"b": straight()}}, r"lines has 'b', which is no book; books are \['a gu"),
        (None, {"lines": {"a guess": straight(5)}}, r"lines\['a guess'\] has 5 pages, its book 4"),
        (None, {"lines": {"a guess": [[1]]}}, r"lines\['a guess'\] has the shape \(1, 1\)"),
        (
            None,
            {"lines": {"a guess": draws()}},
            r"bends in 'London' on page 1; give what the model",
        ),
        (None, {"alt": "  "}, "alt is empty; say what the figure looks like"),
        (None, {"ylim": (400, 0)}, r"ylim is \(400, 0\)"),
        (None, {"ylim": (0, np.inf)}, "two finite numbers"),
    ],
)
def test_bad_input_is_named_with_its_remedy(books, changes, message):
    with pytest.raises(ValueError, match=message):
        bind(books, **changes)


def test_alt_is_required():
    without = {name: value for name, value in OPTIONS.items() if name != "alt"}
    with pytest.raises(TypeError, match="alt"):
        flipbook({"a": draws()}, real=VISITS, **without)
