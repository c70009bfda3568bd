"""Posteriors of models with several predictors against Bambi's, and against published estimates."""

import arviz as az
import bambi as bmb
import numpy as np
import pytest

from lmm_helpers import check_convergence, set_up_chapter
from lmm_large import Prior, collapsed_posterior, draw_group_effects, group_statistics
from lmm_large.design import design

pytestmark = pytest.mark.filterwarnings("ignore:Cannot cache compiled function")

RADON = "log_radon ~ basement + uranium + (1 | county)"
SCALES = {"homes": (2, 1, 1, 0.5), "children": (10, 3, 5, 3)}
CASES = [  # published: Gelman and Hill (2007), chapter 12; Pinheiro and Bates (2000), by REML
    ("homes", RADON, "log_radon ~ basement + (1 | county)",
     {"Intercept": 1.46, "basement": -0.69, "1|county_sigma": 0.33, "sigma": 0.76}),
    ("homes", RADON, None,
     {"Intercept": 1.47, "basement": -0.67, "uranium": 0.72, "1|county_sigma": 0.16,
      "sigma": 0.76}),
    ("children", "distance ~ age * sex + (age | subject)", "distance ~ age * sex + (1 | subject)",
     {"Intercept": 17.37, "sex": -1.03, "age": 0.480, "age:sex": 0.305, "1|subject_sigma": 1.82,
      "sigma": 1.39}),
]  # fmt: skip


def of_bambi(prior):
    """Write a prior as Bambi's own."""
    args = prior.args.items()
    return bmb.Prior(prior.name, **{k: of_bambi(v) if isinstance(v, Prior) else v for k, v in args})


@pytest.mark.parametrize(("data", "gathered", "formula", "published"), CASES)
def test_posterior_is_bambis_and_near_the_published(data, gathered, formula, published, request):
    set_up_chapter()
    rows = request.getfixturevalue(data)
    statistics = group_statistics(rows, gathered)
    made = design(statistics, formula)
    line, slope, residual, among = SCALES[data]
    priors = {term.name: Prior("Normal", mu=0, sigma=slope) for term in made.terms}
    priors["Intercept"] = Prior("Normal", mu=rows[made.response].mean().item(), sigma=line)
    priors["sigma"] = Prior("HalfNormal", sigma=residual)
    for effect in made.effects:
        priors[effect.name] = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=among))
    posterior = collapsed_posterior(statistics, priors=priors, seed=1, draws=2000, formula=formula)
    ours = posterior.to_datatree()
    check_convergence(ours)

    model = bmb.Model(
        formula or gathered, rows, priors={key: of_bambi(prior) for key, prior in priors.items()}
    )
    theirs = model.fit(
        inference_method="nutpie", draws=3000, chains=4, random_seed=20, progressbar=False,
        target_accept=0.95,
    )  # fmt: skip
    check_convergence(theirs)
    one, two = (az.summary(fit, round_to="none") for fit in (ours, theirs))
    assert set(one.index) == set(two.index)
    two = two.reindex(one.index)
    scores = (one["mean"] - two["mean"]) / np.hypot(one["mcse_mean"], two["mcse_mean"])
    assert scores.abs().max() < 4, scores.sort_values()
    assert (one["sd"] / two["sd"]).between(0.9, 1.1).all()

    terms = one.rename(lambda name: name.split("[")[0] if "|" not in name else name)
    for name, value in published.items():
        distance = (terms.loc[name, "mean"] - value) / terms.loc[name, "sd"]
        assert abs(distance) < 0.75, name  # without priors, and a mode

    again = draw_group_effects(ours, statistics, seed=2, formula=formula)["posterior"]
    effect = made.effects[0].name
    moved = (again[effect] - ours["posterior"][effect]).mean(("chain", "draw"))
    sd = ours["posterior"][effect].std(("chain", "draw"))
    assert float((np.abs(moved) / sd).max()) < 4.5 * np.sqrt(2 / 8000)
