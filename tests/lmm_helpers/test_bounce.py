"""The book's data: made, shipped, checked, and true to their published truth."""

import numpy as np
import pandas as pd
import pytest

from lmm_helpers import (
    POPULATION_TRUTH,
    county_truth,
    load_bounce,
    simulate_bounce,
)
from lmm_helpers.data.bounce import COUNTY_SIZES


def slope(frame):
    return np.polyfit(frame["std_age"], frame["bounce_time"], 1)[0]


def within_slope(frame):
    measures = frame[["std_age", "bounce_time"]]
    return slope(measures - measures.groupby(frame["county"], observed=True).transform("mean"))


def test_shipped_data_are_what_the_function_makes():
    pd.testing.assert_frame_equal(load_bounce(), simulate_bounce())


def test_frame_has_the_published_shape_types_and_ranges():
    visits = load_bounce()
    assert visits["county"].value_counts().to_dict() == dict(COUNTY_SIZES)
    assert list(visits["county"].cat.categories) == sorted(COUNTY_SIZES, key=COUNTY_SIZES.get)
    assert visits["age"].between(18, 90).all()
    assert visits["age"].dtype.kind == "i"
    assert visits["bounce_time"].between(150, 250).all()
    assert visits["std_age"].mean() == pytest.approx(0)
    assert visits["std_age"].std() == pytest.approx(1)


def test_another_seed_makes_another_world_and_the_same_seed_the_same():
    assert not simulate_bounce(1).equals(simulate_bounce(2))
    assert simulate_bounce(1).equals(simulate_bounce(1))


def test_visits_follow_the_truth_of_their_county():
    truth = county_truth()
    visits = load_bounce()
    for county, part in visits.groupby("county", observed=True):
        own = truth.loc[county]
        noise = part["bounce_time"] - own["intercept"] - own["slope"] * part["std_age"]
        assert abs(noise.mean()) < 3.5 * own["sigma"] / np.sqrt(len(part))
        chi2 = (noise**2).sum() / own["sigma"] ** 2
        assert abs(chi2 - len(part)) < 3.5 * np.sqrt(2 * len(part))


def test_counties_come_from_the_published_population():
    worlds = [county_truth(seed) for seed in range(200)]
    truth = pd.concat(worlds)
    assert truth["slope"].mean() == pytest.approx(POPULATION_TRUTH["std_age"], abs=0.1)
    assert truth["slope"].std() == pytest.approx(POPULATION_TRUTH["std_age|county_sigma"], rel=0.1)
    assert truth["intercept"].mean() == pytest.approx(POPULATION_TRUTH["Intercept"], abs=1.2)
    assert truth["intercept"].std() == pytest.approx(POPULATION_TRUTH["1|county_sigma"], rel=0.1)
    assert abs(truth["intercept"].corr(truth["slope"])) < 0.1
    age_link = np.mean([world["mean_age"].corr(world["intercept"]) for world in worlds])
    assert age_link == pytest.approx(0.75, abs=0.07)


def test_confounding_makes_the_reversal_and_its_absence_does_not():
    confounded = [simulate_bounce(seed) for seed in range(40)]
    honest = [simulate_bounce(seed, confounding=0) for seed in range(40)]
    assert np.mean([slope(frame) for frame in confounded]) > 2
    assert np.mean([slope(frame) for frame in honest]) == pytest.approx(-3, abs=1.5)
    for frames in (confounded, honest):
        assert np.mean([within_slope(frame) for frame in frames]) == pytest.approx(-3, abs=0.3)


def test_the_books_data_reverse_in_every_county():
    visits = load_bounce()
    assert slope(visits) > 3
    assert all(slope(part) < 0 for _, part in visits.groupby("county", observed=True))


@pytest.mark.parametrize("confounding", [-1.1, 1.1, np.nan])
def test_confounding_out_of_range_is_refused(confounding):
    with pytest.raises(ValueError, match="confounding is a correlation"):
        simulate_bounce(confounding=confounding)
