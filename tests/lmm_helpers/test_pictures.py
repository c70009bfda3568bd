"""Colours and the model graph."""

import bambi as bmb
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lmm_helpers import (
    COUNTY_COLOURS,
    COUNTY_SIZES,
    candidate_models,
    load_bounce,
    plot_model_graph,
)

mpl.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_every_county_has_a_colour_in_the_order_of_the_book():
    assert list(COUNTY_COLOURS) == list(COUNTY_SIZES)


def test_colours_differ_and_can_be_seen_on_white():
    colours = np.array([to_rgb(colour) for colour in COUNTY_COLOURS.values()])
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert distance[~np.eye(len(colours), dtype=bool)].min() > 0.2
    assert (np.linalg.norm(colours - 1, axis=1) > 0.5).all()


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


def test_graph_uses_the_given_axes():
    _, ax = plt.subplots()
    model = bmb.Model("bounce_time ~ 1", load_bounce())
    assert plot_model_graph(model, ax=ax) is ax
