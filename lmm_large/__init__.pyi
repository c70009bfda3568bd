"""Gaussian mixed models from sufficient statistics: the rows are read once."""

from ._rows import group_statistics
from .collapsed import CollapsedPosterior, collapsed_posterior
from .marginal import draw_group_effects, marginal_model
from .priors import Prior
from .statistics import GroupStatistics, merge_statistics

__all__ = [
    "CollapsedPosterior",
    "GroupStatistics",
    "Prior",
    "collapsed_posterior",
    "draw_group_effects",
    "group_statistics",
    "marginal_model",
    "merge_statistics",
]
