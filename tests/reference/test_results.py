"""The kept results: made from the data and the code that are here, and by fits that converged."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from reference import bambi_name, reference_code, reference_fit, reference_output

REFERENCE = Path(__file__).parents[2] / "reference"
RESULTS = sorted((REFERENCE / "results").glob("*.json"))
BOOK = REFERENCE.parent / "book"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def renew():
    """The script of `make reference`, as a module."""
    spec = importlib.util.spec_from_file_location("renew", REFERENCE / "renew.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_of_models_has_results():
    models = {path.stem for path in (REFERENCE / "models").glob("*.R")}
    assert models == {path.stem for path in RESULTS}
    assert len(models) == 11


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_results_are_of_this_code_and_of_these_data(path, renew):
    made_from = read(path)["provenance"]
    models = REFERENCE / "models" / made_from["models"]
    assert made_from["models_sha256"] == sha256(models.read_text(encoding="utf-8"))
    data = renew.data_as_csv(path.stem.partition("_")[0])
    assert made_from["data_sha256"] == sha256(data), "run `make reference`: the data have changed"


@pytest.mark.parametrize(
    ("models", "fit"),
    [(path.stem, fit) for path in RESULTS if "brms" in path.stem for fit in read(path)["fits"]],
)
def test_the_fits_of_brms_converged(models, fit):
    table = reference_fit(models, fit)
    assert table["rhat"].max() <= 1.01
    assert table[["ess_bulk", "ess_tail"]].min().min() >= 400
    assert table.attrs["divergences"] == 0
    assert table.attrs["loo"]["largest_khat"] < 0.7


def r_blocks():
    """Every piece of R in the chapters, with the chapter it stands in."""
    for path in sorted([*BOOK.glob("*.ipynb"), *BOOK.glob("appendix/*.ipynb")]):
        for cell in read(path)["cells"]:
            for block in re.findall(r"(?s)```r\n(.*?)\n```", "".join(cell["source"])):
                yield pytest.param(block, id=f"{path.stem}-{cell['id']}")


@pytest.mark.parametrize("block", list(r_blocks()))
def test_the_r_of_the_chapters_is_what_was_run(block):
    code = [path.read_text(encoding="utf-8") for path in (REFERENCE / "models").glob("*.R")]
    assert any(block in file for file in code), "copy the chunk from reference/models"


def test_names_of_brms_become_names_of_bambi():
    names = {
        "b_Intercept": "Intercept",
        "b_std_age": "std_age",
        "b_sigma_Intercept": "sigma_Intercept",
        "sigma": "sigma",
        "sd_county__Intercept": "1|county_sigma",
        "sd_county__std_age": "std_age|county_sigma",
        "sd_county__sigma_Intercept": "sigma_1|county_sigma",
        "r_county[Kent,Intercept]": "1|county[Kent]",
        "r_county[Kent,std_age]": "std_age|county[Kent]",
        "r_county__sigma[Kent,Intercept]": "sigma_1|county[Kent]",
        "r_Subject[308,Days]": "Days|Subject[308]",
        "cor_county__Intercept__std_age": "cor_county__Intercept__std_age",
    }
    assert {name: bambi_name(name) for name in names} == names


@pytest.mark.parametrize(
    ("ask", "name", "message"),
    [
        (reference_fit, "no_such", "is no file of reference/results; there are ['article_"),
        (reference_code, "no_such", "is no file of reference/models; there are ['article_"),
        (reference_output, "no_such", "is no file of reference/results; there are ['article_"),
    ],
)
def test_an_unknown_file_is_named(ask, name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ask(name, "regression")


@pytest.mark.parametrize("ask", [reference_fit, reference_code, reference_output])
def test_an_unknown_chunk_is_named(ask):
    with pytest.raises(ValueError, match=r"'no_such' is no .* of bounce_lme4; there are"):
        ask("bounce_lme4", "no_such")


def test_a_change_is_told_in_monte_carlo_errors(renew, tmp_path):
    def results(mean):
        parameter = {"mean": mean, "mcse_mean": 0.3}
        return {"provenance": {"R": "4.2.2"}, "fits": {"a": {"parameters": {"b_x": parameter}}}}

    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(results(1.0)))
    new.write_text(json.dumps(results(1.9) | {"provenance": {"R": "4.3"}}))
    assert list(renew.changes(old, new)) == [
        "R: 4.2.2 -> 4.3",
        "a: largest change of a mean 2.1 combined MCSE (b_x)",
    ]


def test_without_r_nothing_happens(renew, monkeypatch):
    monkeypatch.setattr(renew.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get install r-cran-brms"):
        renew.main()
