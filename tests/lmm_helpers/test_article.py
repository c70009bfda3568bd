"""The article's data, made again: R's numbers, the published file, the published recipe."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lmm_helpers import COUNTY_COLOURS, article_truth, replay_article
from lmm_helpers.data._r_random import RRandom

ROOT = Path(__file__).parents[2]
# Of the rows "county,age,bounce_time" of the file that the author published, to six decimals.
PUBLISHED_SHA256 = "38078e39bdb9f0894b69d4c3735d0c306dab8f904d0d9768313e90f371c4e3fa"


def fingerprint(visits):
    rows = [
        f"{county.lower()},{age},{time:.6f}\n"
        for county, age, time in zip(
            visits["county"].astype("str"), visits["age"], visits["bounce_time"], strict=True
        )
    ]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def published():
    """Read the author's file if it lies in ``shared/data`` beside the repository.

    In a git worktree, "beside" means beside the main clone, which git names. The file belongs to
    the author's repository and is not part of this one.
    """
    git = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    clones = [ROOT] + [Path(line).parent for line in git.stdout.splitlines()]
    for clone in clones:
        file = clone.parent / "shared" / "data" / "article_bounce_rates_sim.csv"
        if file.exists():
            return pd.read_csv(file)
    return None


def test_replay_is_the_file_that_the_author_published():
    visits = replay_article()
    assert fingerprint(visits) == PUBLISHED_SHA256
    file = published()
    if file is not None:
        assert fingerprint(file) == PUBLISHED_SHA256
        assert visits["county"].str.lower().tolist() == file["county"].tolist()
        assert visits["age"].tolist() == file["age"].tolist()
        np.testing.assert_allclose(visits["bounce_time"], file["bounce_time"], rtol=0, atol=1e-9)


def test_frame_has_the_columns_types_and_order_of_the_book():
    visits = replay_article()
    assert list(visits.columns) == ["county", "age", "bounce_time", "std_age"]
    assert visits["county"].cat.ordered
    assert set(visits["county"].cat.categories) == set(COUNTY_COLOURS)
    assert visits["county"].value_counts(sort=False).is_monotonic_increasing
    assert visits["age"].dtype.kind == "i"
    assert visits["std_age"].mean() == pytest.approx(0)
    assert visits["std_age"].std() == pytest.approx(1)


def test_impossible_ages_are_kept():
    age = replay_article()["age"]
    assert age.min() < 0
    assert age.max() == 129


def test_truth_belongs_to_the_counties_of_the_same_seed():
    for seed in (2020, 5):
        visits, truth = replay_article(seed), article_truth(seed)
        assert list(truth.index) == list(visits["county"].cat.categories)
        groups = visits.groupby("county", observed=True)
        assert groups.size().tolist() == truth["visits"].tolist()
        error = truth["sigma"] / np.sqrt(truth["visits"])
        assert (abs(groups["bounce_time"].mean() - truth["mean_time"]) < 4 * error).all()
        error = truth["sd_age"] / np.sqrt(truth["visits"])
        assert (abs(groups["age"].mean() - truth["mean_age"]) < 4 * error).all()


def test_true_slope_within_counties_is_zero():
    slopes = []
    for seed in range(200):
        visits = replay_article(seed)
        measures = visits[["std_age", "bounce_time"]]
        means = measures.groupby(visits["county"], observed=True).transform("mean")
        slopes.append(np.polyfit(*(measures - means).to_numpy().T, 1)[0])
    assert abs(np.mean(slopes)) < 4 * np.std(slopes) / np.sqrt(len(slopes))


# Printed by R 4.2 with options(digits = 15).
def test_numbers_are_those_of_r():
    rng = RRandom(7)
    assert rng.permutation([*range(1, 9)]) == [2, 3, 4, 8, 7, 5, 6, 1]
    np.testing.assert_allclose(rng.normal(2), [-0.947279945228108, 0.748139340290551], rtol=1e-14)
    rng = RRandom(9)  # indices that need more than 16 bits
    assert rng.permutation([*range(1, 70001)])[:5] == [1589, 24204, 66092, 19730, 32810]
    np.testing.assert_allclose(rng.uniform(2), [0.8372772927396, 0.733708524378017], rtol=1e-14)
    rng = RRandom(3)  # a choice of one still costs R a number
    assert rng.permutation([1]) == [1]
    assert rng.permutation([*range(1, 6)]) == [2, 4, 3, 5, 1]


def test_normals_have_the_mean_and_sd_asked_for():
    plain, moved = RRandom(1).normal(50), RRandom(1).normal(50, mean=200, sd=10)
    np.testing.assert_allclose(moved, 200 + 10 * plain)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5])
def test_seeds_that_r_refuses_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        RRandom(seed)
