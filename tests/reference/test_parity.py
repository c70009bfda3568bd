"""The same models, fitted here and in brms and lme4, give the same numbers."""

import json
from pathlib import Path

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import statsmodels.formula.api as smf
from scipy.special import logsumexp

from lmm_helpers import (
    agreement,
    candidate_models,
    check_convergence,
    chosen_model,
    load_bounce,
    load_sleepstudy,
    replay_article,
    set_up_chapter,
)
from reference import reference_fit

BOOK = Path(__file__).parents[2] / "book"
pytestmark = [
    pytest.mark.filterwarnings("ignore:Cannot cache compiled function"),
    # Nights of sleepstudy, and a visit from Cumbria: scored by a refit, or within the tolerance.
    pytest.mark.filterwarnings("ignore:Estimated shape parameter"),
]


def half_normal_group(sigma):
    return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=sigma))


def article_models():
    """The article's three models: its priors, its data; slopes independent, as Bambi has them."""
    visits = replay_article()
    line = {
        "Intercept": bmb.Prior("Normal", mu=200, sigma=1),
        "std_age": bmb.Prior("Normal", mu=4, sigma=1),
        "sigma": bmb.Prior("HalfNormal", sigma=100),
    }
    groups = {"1|county": half_normal_group(10), "std_age|county": half_normal_group(10)}
    formulas = {
        "regression": "bounce_time ~ std_age",
        "varying_intercept": "bounce_time ~ std_age + (1 | county)",
        "varying_slope": "bounce_time ~ std_age + (std_age | county)",
    }
    return {
        name: bmb.Model(
            formula,
            visits,
            priors=line | {term: groups[term] for term in list(groups)[:number]},
        )
        for number, (name, formula) in enumerate(formulas.items())
    }


def bounce_models():
    """The first three candidates, under the names of `reference/`."""
    return dict(zip(CANDIDATES, candidate_models(load_bounce()).values(), strict=False))


def bounce_within_models():
    """The fourth candidate, and the chosen model, which gives it a spread for each county."""
    visits = load_bounce()
    return {
        "within_between": candidate_models(visits)["within and between"],
        "unequal_spread": chosen_model(visits),
    }


def sleepstudy_model(nights):
    priors = {
        "Intercept": bmb.Prior("Normal", mu=300, sigma=100),
        "Days": bmb.Prior("Normal", mu=0, sigma=20),
        "sigma": bmb.Prior("HalfNormal", sigma=50),
        "1|Subject": half_normal_group(50),
        "Days|Subject": half_normal_group(20),
    }
    formula = "Reaction ~ Days + (Days | Subject)"
    return bmb.Model(formula, nights, priors=priors)


def sleepstudy_models():
    return {"varying_slope": sleepstudy_model(load_sleepstudy())}


DATA = {
    "bounce": bounce_models,
    "bounce_within": bounce_within_models,
    "article": article_models,
    "sleepstudy": sleepstudy_models,
}
CANDIDATES = ["regression", "varying_intercept", "varying_slope"]
MODELS = {
    "bounce": CANDIDATES,
    "bounce_within": ["within_between", "unequal_spread"],
    "article": CANDIDATES,
    "sleepstudy": ["varying_slope"],
}


def fitted_once(data, name):
    """A parameter of `both`, whose tests run on one worker, so that they share the fit."""
    return pytest.param(
        (data, name), id=f"{data}-{name}", marks=pytest.mark.xdist_group(f"{data}-{name}")
    )


@pytest.fixture(
    scope="module",
    params=[fitted_once(data, name) for data, models in MODELS.items() for name in models],
)
def both(request):
    """Our table of a model, its elpd and that elpd's standard error, and brms's table of it."""
    set_up_chapter()
    data, name = request.param
    model = DATA[data]()[name]
    draws = 16_000 if name == "within_between" else 4000  # its average county has heavy tails
    fit = sampled(model, draws)
    table = az.summary(fit, round_to="none")
    fit = fit.isel(draw=slice(None, None, draws // 1000))  # enough for an elpd, quickly scored
    model.compute_log_likelihood(fit)
    theirs = reference_fit(f"{data}_brms", name)
    scores = az.loo(fit, pointwise=True)
    for row in rows_that_brms_fitted_without(theirs):
        scores.elpd_i[row] = elpd_of_night_without_it(row)
    return table, scores.elpd_i.sum().item(), scores.se, theirs


def sampled(model, draws=4000):
    fit = model.fit(
        inference_method="nutpie",
        draws=draws,
        chains=4,
        random_seed=20,
        target_accept=0.98,
        progressbar=False,
    )
    check_convergence(fit)
    return fit


def rows_that_brms_fitted_without(theirs):
    """Rows too influential for importance sampling, counted from zero."""
    rows = theirs.attrs["loo"]["rows_refitted"]
    return [row - 1 for row in (rows if isinstance(rows, list) else [rows])]


def elpd_of_night_without_it(row):
    """Leave one night out in earnest: fit without it, and score it."""
    nights = load_sleepstudy()
    model = sleepstudy_model(nights.drop(index=row))
    fit = sampled(model)
    model.compute_log_likelihood(fit, data=nights.loc[[row]])
    scores = fit.log_likelihood["Reaction"]
    return logsumexp(scores) - np.log(scores.size)


def assert_same(ours, theirs):
    """Compare means in combined Monte Carlo errors, and sds; none is left out on either side."""
    assert set(ours.index) == set(theirs.index)
    means = agreement(ours, theirs)["difference"]
    assert means.abs().max() < 4, means.sort_values()
    assert np.sqrt((means**2).mean()) < 2, "single differences are small, but all lie one way"
    sds = ours["sd"] / theirs["sd"].reindex(ours.index)
    assert sds.between(0.9, 1.1).all(), sds.sort_values()


def test_bambi_agrees_with_brms(both):
    table, _, _, theirs = both
    assert_same(table, theirs)


def test_elpd_agrees_with_brms(both):
    _, elpd, se, theirs = both
    expected = theirs.attrs["loo"]
    assert abs(elpd - expected["elpd"]) < max(0.5, np.sqrt(2) * expected["mcse"])
    assert se == pytest.approx(expected["se"], rel=0.05)


def cells(chapter, *ids):
    """The code of some cells of a chapter."""
    notebook = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    code = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    return [code[name] for name in ids]


@pytest.mark.parametrize(
    ("cell", "model", "theirs"),
    [
        ("pymc-regression", "regression_pymc", ("bounce_brms", "regression")),
        ("pymc-intercept", "intercept_pymc", ("bounce_brms", "varying_intercept")),
        ("pymc-slope", "slope_pymc", ("bounce_brms", "varying_slope")),
        ("pymc-within", "within_pymc", ("bounce_within_brms", "within_between")),
    ],
)
def test_pymc_as_chapter_3_writes_it_agrees_with_brms(cell, model, theirs):
    set_up_chapter()
    scene = {"pm": pm, "visits": load_bounce()}
    for code in cells("03_fitting", "data-pymc", cell):
        exec(code, scene)
    fit = pm.sample(
        model=scene[model],
        nuts_sampler="nutpie",
        draws=4000,
        chains=4,
        target_accept=0.98,
        random_seed=21,
        progressbar=False,
    )
    check_convergence(fit)
    ours = az.summary(fit, round_to="none").filter(regex="^(?!z_)", axis="index")
    assert_same(ours, reference_fit(*theirs))


def reml(response, predictor, group, data, *, slopes):
    """What statsmodels estimates, under Bambi's names."""
    effects = {"re_formula": "1", "vc_formula": {"slope": f"0 + {predictor}"}} if slopes else {}
    reml_fit = smf.mixedlm(f"{response} ~ {predictor}", data, groups=group, **effects).fit(
        reml=True
    )
    spreads = np.sqrt([*np.diag(reml_fit.cov_re), *reml_fit.vcomp, reml_fit.scale])
    slope_spread = [f"{predictor}|{group}_sigma"] if slopes else []
    names = ["Intercept", predictor, f"1|{group}_sigma", *slope_spread, "sigma"]
    return pd.Series([*reml_fit.fe_params, *spreads], index=names)


@pytest.mark.parametrize(
    ("models", "fit", "variables", "load"),
    [
        ("bounce", "varying_intercept", ("bounce_time", "std_age", "county"), load_bounce),
        ("bounce", "varying_slope", ("bounce_time", "std_age", "county"), load_bounce),
        ("article", "varying_intercept", ("bounce_time", "std_age", "county"), replay_article),
        ("sleepstudy", "varying_slope", ("Reaction", "Days", "Subject"), load_sleepstudy),
    ],
)
def test_statsmodels_agrees_with_lme4(models, fit, variables, load):
    ours = reml(*variables, load(), slopes=fit == "varying_slope")
    theirs = reference_fit(f"{models}_lme4", fit)["estimate"].reindex(ours.index)
    np.testing.assert_allclose(ours, theirs, rtol=2e-3)


@pytest.mark.parametrize(
    "both",
    [
        *(fitted_once("bounce", name) for name in CANDIDATES),
        fitted_once("sleepstudy", "varying_slope"),
    ],
    indirect=True,
)
def test_posterior_means_lie_near_the_reml_estimates(both, request):
    """A REML value is a mode without priors: it agrees in posterior sds, not in MCSE."""
    data, name = request.node.callspec.params["both"]
    ours = both[0]
    theirs = reference_fit(f"{data}_lme4", name)["estimate"].reindex(ours.index)
    distance = (ours["mean"] - theirs).abs() / ours["sd"]
    assert distance.max() < 0.75, distance.sort_values()
