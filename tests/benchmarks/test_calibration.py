"""The simulated truths behind the stored ranks, and the committed table."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import calibration
from lmm_helpers import load_bounce


@pytest.fixture(scope="module")
def visits():
    return calibration._visits()


def test_the_likelihood_is_that_of_a_loop_over_visits(visits):
    truth, times = calibration.simulate(visits, 1)
    expected = 0.0
    for visit, time in zip(visits.itertuples(), times, strict=True):
        j = list(visits["county"].cat.categories).index(visit.county)
        mean = truth["Intercept"] + truth["1|county"][j] + truth["county_age"] * visit.county_age
        mean += (truth["std_age"] + truth["std_age|county"][j]) * visit.std_age
        sigma = np.exp(truth["sigma_Intercept"] + truth["sigma_1|county"][j])
        expected += stats.norm.logpdf(time, mean, sigma) + 0.5 * np.log(2 * np.pi)
    found = calibration._log_likelihood(truth, visits, times)
    assert found == pytest.approx(expected)
    pair = {name: np.stack([value, value]) for name, value in truth.items()}
    assert calibration._log_likelihood(pair, visits, times) == pytest.approx([expected] * 2)


def test_truths_have_the_priors_of_the_book(visits):
    truths = pd.DataFrame(
        [
            {name: np.ravel(value)[0] for name, value in calibration.simulate(visits, s)[0].items()}
            for s in range(400)
        ]
    )
    known = {
        "Intercept": stats.norm(200, 50),
        "std_age": stats.norm(0, 10),
        "county_age": stats.norm(0, 20),
        "sigma_Intercept": stats.norm(2, 1),
        "1|county_sigma": stats.halfnorm(scale=15),
        "std_age|county_sigma": stats.halfnorm(scale=5),
        "sigma_1|county_sigma": stats.halfnorm(scale=0.5),
    }
    for name, prior in known.items():
        assert stats.kstest(truths[name], prior.cdf).pvalue > 0.001, name


def test_every_simulation_is_in_the_table():
    table = calibration.calibration_ranks()
    assert table["simulation"].tolist() == list(range(calibration.SIMULATIONS))
    ranks = table.drop(columns=["simulation", "missed", "seconds"])
    assert ((ranks >= 0) & (ranks <= calibration.DRAWS)).all(axis=None)


def test_county_age_is_the_mean_of_the_county(visits):
    kent = load_bounce().query("county == 'Kent'")["std_age"].mean()
    assert visits.loc[visits["county"] == "Kent", "county_age"].unique() == pytest.approx(kent)
