"""What the chapters of the book import: data with a published truth, checks, and a few pictures."""

from .checks.convergence import check_convergence
from .checks.cross_validation import GroupScores, elpd_by_group, leave_one_group_out
from .checks.new_groups import predict_new_group
from .checks.plausibility import plausibility
from .checks.predictive import predictive_by_group
from .data.article import ARTICLE_SEED, article_truth, replay_article
from .data.bounce import (
    BOOK_SEED,
    COUNTY_SIZES,
    POPULATION_TRUTH,
    check_bounce,
    county_truth,
    load_bounce,
    simulate_bounce,
)
from .data.sleepstudy import load_sleepstudy
from .data.standardization import Scale, standardize
from .figures.flipbook import flipbook
from .figures.model_graph import plot_model_graph
from .figures.palette import COUNTY_COLOURS, POOLED_COLOUR, set_up_chapter
from .group_lines import GroupLines, SlopePosterior, group_lines, slope_posterior
from .models import candidate_models, chosen_model
from .tables import table_markup

__all__ = [
    "ARTICLE_SEED",
    "BOOK_SEED",
    "COUNTY_COLOURS",
    "COUNTY_SIZES",
    "POOLED_COLOUR",
    "POPULATION_TRUTH",
    "GroupLines",
    "GroupScores",
    "Scale",
    "SlopePosterior",
    "article_truth",
    "candidate_models",
    "check_bounce",
    "check_convergence",
    "chosen_model",
    "county_truth",
    "elpd_by_group",
    "flipbook",
    "group_lines",
    "leave_one_group_out",
    "load_bounce",
    "load_sleepstudy",
    "plausibility",
    "plot_model_graph",
    "predict_new_group",
    "predictive_by_group",
    "replay_article",
    "set_up_chapter",
    "simulate_bounce",
    "slope_posterior",
    "standardize",
    "table_markup",
]
