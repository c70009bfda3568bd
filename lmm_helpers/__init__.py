"""What the chapters of the book import: data with a published truth, checks, and a few pictures.

A name is looked up when it is first used, so that what needs no sampler loads none.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmm_helpers.appearance import COUNTY_COLOURS, POOLED_COLOUR, set_up_chapter
    from lmm_helpers.bounce import (
        BOOK_SEED,
        COUNTY_SIZES,
        POPULATION_TRUTH,
        check_bounce,
        county_truth,
        load_bounce,
        simulate_bounce,
    )
    from lmm_helpers.candidates import candidate_models, chosen_model
    from lmm_helpers.collapsed import CollapsedPosterior, collapsed_posterior
    from lmm_helpers.convergence import check_convergence
    from lmm_helpers.flipbook import flipbook
    from lmm_helpers.group_model import Prior, group_data_of_rows
    from lmm_helpers.group_statistics import group_statistics, merge_statistics
    from lmm_helpers.marginal_model import draw_group_effects, marginal_model
    from lmm_helpers.model_graph import plot_model_graph
    from lmm_helpers.plausibility import plausibility
    from lmm_helpers.standardization import Scale, standardize

__all__ = [
    "BOOK_SEED",
    "COUNTY_COLOURS",
    "COUNTY_SIZES",
    "POOLED_COLOUR",
    "POPULATION_TRUTH",
    "CollapsedPosterior",
    "Prior",
    "Scale",
    "candidate_models",
    "check_bounce",
    "check_convergence",
    "chosen_model",
    "collapsed_posterior",
    "county_truth",
    "draw_group_effects",
    "flipbook",
    "group_data_of_rows",
    "group_statistics",
    "load_bounce",
    "marginal_model",
    "merge_statistics",
    "plausibility",
    "plot_model_graph",
    "set_up_chapter",
    "simulate_bounce",
    "standardize",
]

_HOMES = {
    "appearance": ("COUNTY_COLOURS", "POOLED_COLOUR", "set_up_chapter"),
    "bounce": (
        "BOOK_SEED",
        "COUNTY_SIZES",
        "POPULATION_TRUTH",
        "check_bounce",
        "county_truth",
        "load_bounce",
        "simulate_bounce",
    ),
    "candidates": ("candidate_models", "chosen_model"),
    "collapsed": ("CollapsedPosterior", "collapsed_posterior"),
    "convergence": ("check_convergence",),
    "flipbook": ("flipbook",),
    "group_model": ("Prior", "group_data_of_rows"),
    "group_statistics": ("group_statistics", "merge_statistics"),
    "marginal_model": ("draw_group_effects", "marginal_model"),
    "model_graph": ("plot_model_graph",),
    "plausibility": ("plausibility",),
    "standardization": ("Scale", "standardize"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the module that holds a public name, when the name is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names beside the usual ones."""
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose function `flipbook` is not hidden by its module of the same name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
