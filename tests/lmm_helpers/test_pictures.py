"""Colours and the model graph."""

import arviz as az
import bambi as bmb
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from lmm_helpers import (
    COUNTY_COLOURS,
    candidate_models,
    load_bounce,
    name_panels,
    plot_model_graph,
)
from lmm_helpers.data.bounce import COUNTY_SIZES

mpl.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_every_county_has_a_colour_in_the_order_of_the_book():
    assert list(COUNTY_COLOURS) == list(COUNTY_SIZES)


def test_colours_keep_their_counties():
    """A reader knows them from the chapters before."""
    assert COUNTY_COLOURS["Cumbria"] == "#882255"
    assert COUNTY_COLOURS["Kent"] == "#6e97c9"
    assert COUNTY_COLOURS["London"] == "#aa4499"


# What a reader without one kind of cone sees, in linear RGB: Machado et al. (2009), severity 1.
VISION = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colours):
    """Linear RGB of sRGB colours."""
    channels = np.array([to_rgb(colour) for colour in colours])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast_with_white(colours):
    """Contrast ratios of WCAG 2.2."""
    return 1.05 / (linear(colours) @ [0.2126, 0.7152, 0.0722] + 0.05)


def nearest(colours, vision):
    """The smallest distance of two colours in CIELAB, as seen with the given vision."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    to_xyz.append([0.0193339, 0.1191920, 0.9503041])
    seen = np.clip(linear(colours) @ np.transpose(VISION[vision]), 0, 1)
    xyz = seen @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distance[~np.eye(len(lab), dtype=bool)].min()


def test_colours_stand_out_from_white():
    ratios = dict(zip(COUNTY_COLOURS, contrast_with_white(COUNTY_COLOURS.values()), strict=True))
    assert min(ratios.values()) >= 3, ratios


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart_with_and_without_every_cone(vision):
    assert nearest(COUNTY_COLOURS.values(), vision) >= 14


def test_the_measures_see_a_pale_and_a_confused_palette():
    assert contrast_with_white(["#767676", "#5fa8d3"]).round(2).tolist() == [4.54, 2.62]
    assert nearest(["#ff0000", "#ff0100"], "all cones") < 1
    teal_and_blue = ["#44aa99", "#5fa8d3"]
    assert nearest(teal_and_blue, "all cones") > 30
    assert nearest(teal_and_blue, "tritanopia") < 7


def drawn(ax):
    boxes = [text.get_text() for text in ax.texts if text.get_text()]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    return boxes, arrows


@pytest.mark.parametrize(
    ("name", "variables", "arrows"),
    [
        ("linear regression", 5, 4),
        ("varying intercept", 7, 6),
        ("varying intercept and slope", 9, 8),
    ],
)
def test_graph_draws_every_variable_dependence_and_plate(name, variables, arrows):
    ax = plot_model_graph(candidate_models(load_bounce())[name])
    boxes, drawn_arrows = drawn(ax)
    assert len(drawn_arrows) == arrows
    assert len([box for box in boxes if "\n" in box]) == variables
    assert "613 visits" in boxes
    assert ("once for each county (8)" in boxes) == ("varying" in name)
    assert not any("offset" in box for box in boxes)


def test_group_effects_keep_their_law_though_offsets_are_hidden():
    boxes, _ = drawn(plot_model_graph(candidate_models(load_bounce())["varying intercept"]))
    assert "1|county\nNormal" in boxes
    assert "mu\ncomputed" in boxes


def test_arrows_lead_from_a_parameter_to_what_depends_on_it():
    ax = plot_model_graph(candidate_models(load_bounce())["varying intercept"])
    places = {text.get_text().split("\n")[0]: text.get_position() for text in ax.texts}
    arrows = [(text.get_position(), text.xy) for text in ax.texts if hasattr(text, "arrow_patch")]
    assert (places["1|county_sigma"], places["1|county"]) in arrows
    assert (places["mu"], places["bounce_time"]) in arrows
    assert all(start[1] > end[1] for start, end in arrows)


def test_graph_draws_slopes_of_a_factor():
    visits = load_bounce()
    visits["web"] = pd.Categorical(np.resize(["blog", "news", "shop"], len(visits)))
    boxes, _ = drawn(plot_model_graph(bmb.Model("bounce_time ~ web + (web | county)", visits)))
    assert "web|county\nNormal × 2" in boxes
    assert "web|county_sigma\nHalfNormal × 2" in boxes
    assert "web\nNormal × 2" in boxes
    assert boxes.count("once for each county (8)") == 1
    assert "613 visits" in boxes


def test_a_predictor_called_offset_is_drawn():
    visits = load_bounce().rename(columns={"std_age": "age_offset"})
    boxes, _ = drawn(plot_model_graph(bmb.Model("bounce_time ~ age_offset", visits)))
    assert "age_offset\nNormal" in boxes


def test_graph_uses_the_given_axes():
    _, ax = plt.subplots()
    model = bmb.Model("bounce_time ~ 1", load_bounce())
    assert plot_model_graph(model, ax=ax) is ax


def test_panels_get_their_names_the_title_and_common_limits():
    draws = np.random.default_rng(1).normal(size=(2, 50, 2))
    fit = az.from_dict({"posterior": {"slope": draws}})
    figure = name_panels(az.plot_trace(fit), "Two slopes", ["<b>", "$Kent"], ylim=(-5, 5))
    assert figure.get_suptitle() == "Two slopes"
    left, right = figure.axes
    assert [ax.get_title(loc=mpl.rcParams["axes.titlelocation"]) for ax in (left, right)] == [
        "<b>",
        "$Kent",
    ]
    assert left.get_ylim() == right.get_ylim() == (-5, 5)
    with pytest.raises(ValueError, match="3 names for 2 panels"):
        name_panels(az.plot_trace(fit), "Two slopes", ["a", "b", "c"])
