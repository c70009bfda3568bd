"""Gaussian mixed models from sufficient statistics: the rows are read once."""

from .collapsed import CollapsedPosterior, collapsed_posterior
from .group_model import Prior, group_data_of_rows
from .group_statistics import group_statistics, merge_statistics
from .marginal_model import draw_group_effects, marginal_model

__all__ = [
    "CollapsedPosterior",
    "Prior",
    "collapsed_posterior",
    "draw_group_effects",
    "group_data_of_rows",
    "group_statistics",
    "marginal_model",
    "merge_statistics",
]
