"""The candidate models: one set, whether written out in chapter 3 or imported."""

import json
from pathlib import Path

import bambi as bmb
import numpy as np
import pytest

from lmm_helpers import candidate_models, chosen_model, load_bounce

BOOK = Path(__file__).parents[2] / "book"


def models_of(chapter):
    """Run the cells of a chapter that write its models."""
    cells = json.loads((BOOK / chapter).read_text(encoding="utf-8"))["cells"]
    visits = candidate_models(load_bounce())["within and between"].data
    names = {"bmb": bmb, "visits": visits.copy(), "print": lambda model: None}
    for cell in cells:
        if cell["id"].startswith("model-"):
            exec("".join(cell["source"]), names)
    return [value for value in names.values() if isinstance(value, bmb.Model)]


def test_chapter_3_writes_the_same_models():
    written = [str(model) for model in models_of("03_fitting.ipynb")]
    imported = [str(model) for model in candidate_models(load_bounce()).values()]
    assert len(written) == 4
    assert written == imported


def test_the_chosen_model_is_the_fourth_candidate_but_for_the_spread():
    visits = load_bounce()
    fourth, chosen = candidate_models(visits)["within and between"], chosen_model(visits)
    assert chosen.formula.main == fourth.formula.main
    assert chosen.formula.additionals == ("sigma ~ 1 + (1 | county)",)
    for model in (fourth, chosen):
        model.build()
    terms, own = (model.parameters["mu"].terms for model in (fourth, chosen))
    assert {name: str(term.prior) for name, term in own.items()} == {
        name: str(term.prior) for name, term in terms.items()
    }


def test_chapter_5_writes_the_chosen_model():
    (written,) = models_of("05_evaluation.ipynb")
    assert str(written) == str(chosen_model(load_bounce()))


@pytest.mark.parametrize("write", [candidate_models, chosen_model])
def test_a_missing_column_is_named(write):
    with pytest.raises(ValueError, match="'std_age' is missing"):
        write(load_bounce().drop(columns="std_age"))


@pytest.mark.parametrize(
    "write", [lambda v: candidate_models(v)["within and between"], chosen_model]
)
def test_the_mean_age_of_the_county_is_added_to_a_copy(write):
    visits = load_bounce()
    data = write(visits).data
    assert "county_age" not in visits.columns
    kent = data["county"] == "Kent"
    np.testing.assert_allclose(data.loc[kent, "county_age"], visits.loc[kent, "std_age"].mean())


def test_a_column_of_mean_ages_that_is_there_is_used():
    visits = load_bounce()
    given = visits["std_age"] * 2
    data = candidate_models(visits.assign(county_age=given))["within and between"].data
    np.testing.assert_array_equal(data["county_age"], given)
