"""Priors are read in full: what does not fit is named, with the form that does."""

import bambi as bmb
import numpy as np
import pytest
from scipy import stats

from lmm_large import Prior
from lmm_large.priors import log_density, read_priors
from tests.lmm_large.designs import design_of

DESIGN = design_of({"x": [0.0, 1, 2, 3]}, [1.0, 2, 4, 3], list("aabb"), ["1", "x"])
SPREAD = Prior("HalfNormal", sigma=1)
PRIORS = {
    "Intercept": Prior("Normal", mu=0, sigma=1),
    "x": Prior("StudentT", nu=3, mu=0, sigma=1),
    "sigma": SPREAD,
    "1|g": Prior("Normal", mu=0, sigma=SPREAD),
    "x|g": Prior("Normal", sigma=SPREAD),
}


def spread(prior):
    return Prior("Normal", mu=0, sigma=prior)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x": None}, "priors lack 'x': .* none is guessed"),
        ({"z|g": Prior("Normal")}, r"the prior of 'z\|g' belongs to no term"),
        ({"z|g_corr": Prior("LKJ", eta=2)}, r"and may have 'x\|g_corr'"),
        ({"sigma": Prior("HalfNormal", sd=15)}, r"of 'sigma' is written Prior\(\"HalfNormal\", si"),
        ({"sigma": Prior("HalfNormal")}, r"of 'sigma' is written Prior\(\"HalfNormal\", sigma=…\)"),
        ({"sigma": Prior("Normal", mu=0, sigma=1)}, "of 'sigma' is a HalfNormal, HalfStudentT, .*"),
        ({"sigma": Prior("HalfNormal", sigma=0)}, "sigma in the prior of 'sigma' .* above zero"),
        ({"sigma": Prior("HalfNormal", sigma=-1)}, "above zero"),
        ({"sigma": Prior("HalfNormal", sigma=np.nan)}, "finite number"),
        ({"sigma": Prior("HalfNormal", sigma=[1, 2])}, "finite number"),
        ({"sigma": Prior("HalfNormal", sigma=True)}, "finite number"),
        ({"sigma": Prior("HalfNormal", sigma="1")}, "finite number"),
        ({"sigma": Prior("HalfNormal", sigma=SPREAD)}, "finite number"),
        ({"sigma": Prior("Uniform", lower=-1, upper=1)}, "lower .* zero or above, and below upper"),
        ({"sigma": Prior("Uniform", lower=2, upper=1)}, "below upper"),
        ({"sigma": 3}, "of 'sigma' is a HalfNormal.*; got 3"),
        ({"sigma": {"Intercept": PRIORS["x"]}}, r"'Intercept' and '1\|g' for its logarithm"),
        ({"sigma": {"Intercept": SPREAD, "1|g": spread(SPREAD)}}, "of 'sigma: Intercept' is a Nor"),
        ({"x": Prior("Normal", mu=0, sigma=SPREAD)}, "sigma in the prior of 'x' is a finite"),
        ({"x": Prior("Normal", mu=np.inf, sigma=1)}, "mu in the prior of 'x' is a finite number,"),
        ({"x": Prior("HalfNormal", sigma=1)}, "of 'x' is a Normal, StudentT, .* or Uniform"),
        ({"x": Prior("Uniform", lower=1, upper=1)}, "lower in the prior of 'x' is below upper"),
        ({"1|g": Prior("Normal", mu=0, sigma=3)}, r"of '1\|g' is of the form Prior\(\"Normal\""),
        ({"1|g": Prior("Normal", mu=2, sigma=SPREAD)}, r"of '1\|g' is of the form"),
        ({"1|g": Prior("Normal", mu=SPREAD, sigma=SPREAD)}, r"of '1\|g' is of the form"),
        ({"1|g": Prior("StudentT", nu=3, sigma=SPREAD)}, r"of '1\|g' is of the form"),
        ({"1|g": spread(Prior("Normal", mu=0, sigma=1))}, r"of '1\|g: sigma' is a HalfNormal"),
        ({"1|g": spread(Prior("HalfNormal", sd=1))}, r"of '1\|g: sigma' is written"),
        ({"x|g_corr": Prior("LKJ", eta=0)}, r"eta in the prior of 'x\|g_corr' .* above zero"),
        ({"x|g_corr": Prior("LKJ", n=2)}, r"'x\|g_corr' is written Prior\(\"LKJ\", eta=…\)"),
        ({"x|g_corr": SPREAD}, r"'x\|g_corr' is a LKJ; got"),
    ],
)
def test_priors_that_do_not_fit_are_named(change, error):
    priors = {name: prior for name, prior in (PRIORS | change).items() if prior is not None}
    with pytest.raises(ValueError, match=error):
        read_priors(DESIGN, priors)


@pytest.mark.parametrize("effects", [["1"], ["x"], []])
def test_a_correlation_needs_intercepts_and_a_slope(effects):
    design = design_of({"x": [0.0, 1]}, [1.0, 2], list("ab"), effects)
    priors = {"x|g_corr": Prior("LKJ", eta=2)} | {
        key: PRIORS[key] for key in ["Intercept", "x", "sigma", *(f"{e}|g" for e in effects)]
    }
    with pytest.raises(ValueError, match="a correlation is that of group intercepts"):
        read_priors(design, priors)


def test_a_list_is_no_dictionary():
    with pytest.raises(ValueError, match="priors is a dictionary"):
        read_priors(DESIGN, [SPREAD])


def test_priors_of_bambi_are_taken():
    def of_bambi(prior):
        if not isinstance(prior, Prior):
            return prior
        return bmb.Prior(prior.name, **{key: of_bambi(v) for key, v in prior.args.items()})

    whole = PRIORS | {"x|g_corr": Prior("LKJ", eta=2)}
    ours = read_priors(DESIGN, whole)
    theirs = read_priors(DESIGN, {key: of_bambi(prior) for key, prior in whole.items()})
    assert repr(ours) == repr(theirs)
    assert ours.eta == 2.0
    assert list(ours.coefficients) == ["Intercept", "x"]


@pytest.mark.parametrize(
    ("prior", "known"),
    [
        (Prior("HalfNormal", sigma=2), stats.halfnorm(scale=2)),
        (Prior("HalfStudentT", nu=5, sigma=2), stats.t(5, scale=2)),
        (Prior("HalfCauchy", beta=2), stats.cauchy(scale=2)),
        (Prior("Exponential", lam=0.5), stats.expon(scale=2)),
        (Prior("Gamma", alpha=3, beta=0.5), stats.gamma(3, scale=2)),
        (Prior("InverseGamma", alpha=3, beta=2), stats.invgamma(3, scale=2)),
        (Prior("LogNormal", mu=0.3, sigma=2), stats.lognorm(2, scale=np.exp(0.3))),
        (Prior("Weibull", alpha=1.5, beta=2), stats.weibull_min(1.5, scale=2)),
        (Prior("Uniform", lower=0.5, upper=3), stats.uniform(0.5, 2.5)),
    ],
)
def test_densities_are_those_of_scipy(prior, known):
    points = np.array([0.7, 1.3, 2.9])
    away = log_density(prior)(points) - known.logpdf(points)
    np.testing.assert_allclose(away, away[0], rtol=1e-12)
    beyond = log_density(prior)(np.array([3.5]))
    assert np.isfinite(beyond).all() == np.isfinite(known.logpdf(3.5))
