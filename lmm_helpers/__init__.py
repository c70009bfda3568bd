"""What the chapters of the book import: data with a published truth, checks, and a few pictures."""

from lmm_helpers.appearance import COUNTY_COLOURS, POOLED_COLOUR, set_up_chapter
from lmm_helpers.article import ARTICLE_SEED, article_truth, replay_article
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
from lmm_helpers.convergence import check_convergence
from lmm_helpers.cross_validation import GroupScores, elpd_by_group, leave_one_group_out
from lmm_helpers.flipbook import flipbook
from lmm_helpers.group_lines import GroupLines, group_lines
from lmm_helpers.model_graph import plot_model_graph
from lmm_helpers.new_groups import predict_new_group
from lmm_helpers.plausibility import plausibility
from lmm_helpers.posterior_predictive import predictive_by_group
from lmm_helpers.r_random import RRandom
from lmm_helpers.reference import reference_code, reference_fit, reference_output
from lmm_helpers.reporting import table_markup
from lmm_helpers.sleepstudy import load_sleepstudy
from lmm_helpers.slope_posterior import SlopePosterior, slope_posterior
from lmm_helpers.standardization import Scale, standardize

__all__ = [
    "ARTICLE_SEED",
    "BOOK_SEED",
    "COUNTY_COLOURS",
    "COUNTY_SIZES",
    "POOLED_COLOUR",
    "POPULATION_TRUTH",
    "GroupLines",
    "GroupScores",
    "RRandom",
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
