"""What the chapters of the book import: data with a published truth, checks, and a few pictures."""

from .agreement import agreement
from .checks.convergence import check_convergence, judge_convergence
from .checks.cross_validation import elpd_by_group, leave_one_group_out
from .checks.new_groups import predict_new_group
from .checks.plausibility import plausibility
from .checks.predictive import predictive_by_group
from .data.article import article_truth, replay_article
from .data.bounce import POPULATION_TRUTH, county_truth, load_bounce, simulate_bounce
from .data.sleepstudy import load_sleepstudy
from .data.standardization import standardize
from .figures.flipbook import flipbook
from .figures.model_graph import plot_model_graph
from .figures.palette import COUNTY_COLOURS, set_up_chapter
from .figures.panels import name_panels
from .group_lines import group_lines, slope_posterior
from .models import candidate_models, chosen_model
from .tables import table_markup

__all__ = [
    "COUNTY_COLOURS",
    "POPULATION_TRUTH",
    "agreement",
    "article_truth",
    "candidate_models",
    "check_convergence",
    "chosen_model",
    "county_truth",
    "elpd_by_group",
    "flipbook",
    "group_lines",
    "judge_convergence",
    "leave_one_group_out",
    "load_bounce",
    "load_sleepstudy",
    "name_panels",
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
