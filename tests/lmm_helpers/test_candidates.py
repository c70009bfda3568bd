"""The candidate models: one set, whether written out in chapter 3 or imported."""

import json
from pathlib import Path

import bambi as bmb
import pytest

from lmm_helpers import candidate_models, chosen_model, load_bounce

BOOK = Path(__file__).parents[2] / "book"


def models_of(chapter):
    """Run the cells of a chapter that write its models."""
    cells = json.loads((BOOK / chapter).read_text(encoding="utf-8"))["cells"]
    names = {"bmb": bmb, "visits": load_bounce(), "print": lambda model: None}
    for cell in cells:
        if cell["id"].startswith("model-"):
            exec("".join(cell["source"]), names)
    return [value for value in names.values() if isinstance(value, bmb.Model)]


def test_chapter_3_writes_the_same_models():
    written = [str(model) for model in models_of("03_fitting.ipynb")]
    imported = [str(model) for model in candidate_models(load_bounce()).values()]
    assert len(written) == 3
    assert written == imported


def test_chapter_5_writes_the_chosen_model():
    (written,) = models_of("05_evaluation.ipynb")
    assert str(written) == str(chosen_model(load_bounce()))


@pytest.mark.parametrize("write", [candidate_models, chosen_model])
def test_a_missing_column_is_named(write):
    with pytest.raises(ValueError, match="'std_age' is missing"):
        write(load_bounce().drop(columns="std_age"))
