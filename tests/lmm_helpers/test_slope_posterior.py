"""The slope's exact posterior, against brute force and against what it should tell apart."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from lmm_helpers import load_bounce, slope_posterior
from lmm_large import Prior


def spread(scale):
    return Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=scale))


def normal(mu, sigma):
    return Prior("Normal", mu=mu, sigma=sigma)


PRIORS = {
    "Intercept": normal(200, 20),
    "std_age": normal(1, 3),
    "1|county": spread(10),
    "sigma": Prior("HalfNormal", sigma=15),
}


def small_world():
    rng = np.random.default_rng(3)
    county = np.repeat([f"county | '{number}'" for number in range(5)], [2, 3, 9, 14, 20])
    age = rng.normal(size=len(county))
    offset = dict(zip(pd.unique(county), rng.normal(0, 12, 5), strict=True))
    time = 203 - 2 * age + pd.Series(county).map(offset) + rng.normal(0, 7, len(county))
    return pd.DataFrame({"county": county, "std_age": age, "bounce_time": time})


def brute_force(world, *, ci_prob):
    """Condition the full covariance of all visits and the slope, on a fine grid of both sds."""
    x, y = world["std_age"].to_numpy(), world["bounce_time"].to_numpy()
    same = np.equal.outer(world["county"].to_numpy(), world["county"].to_numpy())
    x = x - x.mean()
    (m0, s0), (m1, s1) = (PRIORS[key].args.values() for key in ("Intercept", "std_age"))
    expected = m0 + m1 * x
    sigmas, taus = np.linspace(3, 14, 30), np.linspace(0.01, 60, 90)
    weight, mean, sd = [], [], []
    for sigma in sigmas:
        for tau in taus:
            covariance = s0**2 + s1**2 * np.outer(x, x) + tau**2 * same + sigma**2 * np.eye(len(x))
            gain = np.linalg.solve(covariance, s1**2 * x)
            mean.append(m1 + gain @ (y - expected))
            sd.append(np.sqrt(s1**2 - gain @ (s1**2 * x)))
            weight.append(
                stats.multivariate_normal.logpdf(y, expected, covariance)
                + stats.halfnorm.logpdf(tau, scale=10)
                + stats.halfnorm.logpdf(sigma, scale=15)
            )
    weight = np.exp(np.array(weight) - max(weight))
    slopes = np.linspace(-12, 10, 2001)
    density = np.array([weight @ stats.norm.pdf(slope, mean, sd) for slope in slopes])
    cumulative = integrate.cumulative_trapezoid(density, slopes, initial=0)
    cumulative /= cumulative[-1]
    return np.interp([(1 - ci_prob) / 2, (1 + ci_prob) / 2], cumulative, slopes)


@pytest.mark.slow
def test_interval_is_that_of_brute_force():
    world = small_world()
    found = slope_posterior(world, ci_prob=0.8, priors=PRIORS)
    expected = brute_force(world, ci_prob=0.8)
    np.testing.assert_allclose((found.lower, found.upper), expected, atol=0.01)
    assert found.lower < found.mean < found.upper
    normal = stats.norm(found.mean, found.sd).interval(0.8)
    np.testing.assert_allclose((found.lower, found.upper), normal, atol=0.1)


def test_order_of_rows_and_type_of_county_do_not_matter():
    world = small_world()
    mixed = world.sample(frac=1, random_state=1).assign(
        county=lambda frame: frame["county"].astype("category")
    )
    found, expected = (slope_posterior(rows, priors=PRIORS) for rows in (mixed, world))
    np.testing.assert_allclose(found, expected)


def test_a_sure_prior_wins_and_a_vague_one_leaves_the_within_slope():
    world = load_bounce()
    sure = slope_posterior(world, priors=PRIORS | {"std_age": normal(-2, 1e-3)})
    assert sure.mean == pytest.approx(-2, abs=1e-2)
    vague = slope_posterior(world, priors=PRIORS | {"std_age": normal(0, 1e3)})
    measures = world[["std_age", "bounce_time"]]
    means = measures.groupby(world["county"], observed=True).transform("mean")
    within = np.polyfit(*(measures - means).to_numpy().T, 1)[0]
    assert vague.mean == pytest.approx(within, abs=vague.sd / 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"std_age": normal(0, 0)}, "sigma in the prior of 'std_age' is a finite number above"),
        ({"Intercept": normal(0, -1)}, "sigma in the prior of 'Intercept' is a finite number"),
        ({"1|county": spread(0)}, r"sigma in the prior of '1\|county: sigma' is a finite number"),
        ({"sigma": Prior("HalfNormal", sigma=float("nan"))}, "sigma in the prior of 'sigma'"),
    ],
)
def test_impossible_settings_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        slope_posterior(load_bounce(), priors=PRIORS | wrong)


def test_an_impossible_probability_is_named():
    with pytest.raises(ValueError, match="ci_prob must lie between 0 and 1; got 89"):
        slope_posterior(load_bounce(), priors=PRIORS, ci_prob=89)


def test_missing_column_is_named():
    with pytest.raises(ValueError, match="column 'std_age' is missing"):
        slope_posterior(load_bounce().drop(columns="std_age"), priors=PRIORS)


def test_a_prior_too_far_from_the_data_is_refused():
    with pytest.raises(ValueError, match="widen the priors that lie far from the data"):
        slope_posterior(load_bounce(), priors=PRIORS | {"std_age": normal(40, 1e-3)})


def test_counties_too_far_apart_for_the_grid_are_refused():
    world = small_world()
    world["bounce_time"] += 2000 * pd.factorize(world["county"])[0]
    with pytest.raises(ValueError, match="the grid does not hold the posterior"):
        slope_posterior(world, priors=PRIORS | {"1|county": spread(5000)})
