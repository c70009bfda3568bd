"""What the chapters of the book import: data with a published truth, checks, and a few pictures."""

from .appearance import COUNTY_COLOURS, POOLED_COLOUR, set_up_chapter
from .article import ARTICLE_SEED, article_truth, replay_article
from .benchmarks import benchmark_table
from .bounce import (
    BOOK_SEED,
    COUNTY_SIZES,
    POPULATION_TRUTH,
    check_bounce,
    county_truth,
    load_bounce,
    simulate_bounce,
)
from .candidates import candidate_models, chosen_model
from .collapsed import CollapsedPosterior, collapsed_posterior
from .convergence import check_convergence
from .cross_validation import GroupScores, elpd_by_group, leave_one_group_out
from .flipbook import flipbook
from .group_lines import GroupLines, group_lines
from .group_model import Prior, group_data_of_rows
from .group_statistics import group_statistics, merge_statistics
from .marginal_model import draw_group_effects, marginal_model
from .model_graph import plot_model_graph
from .new_groups import predict_new_group
from .plausibility import plausibility
from .posterior_predictive import predictive_by_group
from .r_random import RRandom
from .reference import reference_code, reference_fit, reference_output
from .reporting import table_markup
from .sleepstudy import load_sleepstudy
from .slope_posterior import SlopePosterior, slope_posterior
from .standardization import Scale, standardize

__all__ = [
    "ARTICLE_SEED",
    "BOOK_SEED",
    "COUNTY_COLOURS",
    "COUNTY_SIZES",
    "POOLED_COLOUR",
    "POPULATION_TRUTH",
    "CollapsedPosterior",
    "GroupLines",
    "GroupScores",
    "Prior",
    "RRandom",
    "Scale",
    "SlopePosterior",
    "article_truth",
    "benchmark_table",
    "candidate_models",
    "check_bounce",
    "check_convergence",
    "chosen_model",
    "collapsed_posterior",
    "county_truth",
    "draw_group_effects",
    "elpd_by_group",
    "flipbook",
    "group_data_of_rows",
    "group_lines",
    "group_statistics",
    "leave_one_group_out",
    "load_bounce",
    "load_sleepstudy",
    "marginal_model",
    "merge_statistics",
    "plausibility",
    "plot_model_graph",
    "predict_new_group",
    "predictive_by_group",
    "reference_code",
    "reference_fit",
    "reference_output",
    "replay_article",
    "set_up_chapter",
    "simulate_bounce",
    "slope_posterior",
    "standardize",
    "table_markup",
]
