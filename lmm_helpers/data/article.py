"""The article's own 613 visits, made again from the recipe that its author published.

The recipe, the eight means and standard deviations in it and the data that come out are those of
the repository ecoronado92/towards_data_science, folder ``hierarchical_models``: Copyright (c)
2020 Eduardo Coronado Sroka, under the MIT licence. They are facts restated; no code is taken.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lmm_helpers.data._r_random import RRandom
from lmm_helpers.data.standardization import standardize

ARTICLE_SEED = 2020


class _Row(NamedTuple):
    """What the visits of one county are drawn from: seconds, then years, and how many."""

    mean_bounce: float
    sd_bounce: float
    mean_age: float
    sd_age: float
    visits: int


# Means and standard deviations (divisor n - 1) of sixty visits in each county of the article's
# first data set, bounce_rates_original.csv, in the alphabetical order of those counties. The
# counties' names are shuffled before they are given out, so no name stands here.
_RECIPE = (
    _Row(219.728421205, 9.34859231670296, 68.71666666666667, 15.127807672354624, 7),
    _Row(210.687998005, 9.265984231742694, 41.166666666666664, 13.834575534724175, 22),
    _Row(179.8769456216667, 9.679148914791474, 23.583333333333332, 12.951397629791607, 37),
    _Row(199.28557203, 4.955419417744998, 73.25, 16.137780705589442, 75),
    _Row(200.71978927, 10.016568827543818, 65.36666666666666, 15.990427927692696, 90),
    _Row(209.27562412999998, 5.622893929655842, 60.05, 15.516448353006737, 112),
    _Row(179.83930946666666, 9.266891762460457, 31.866666666666667, 12.7178863325775, 120),
    _Row(211.11803242, 9.342629283509893, 39.8, 15.590957831438548, 150),
)
_NAMES = ("Devon", "Cumbria", "Norfolk", "Kent", "Dorset", "London", "Cheshire", "Essex")


def replay_article(seed: int = ARTICLE_SEED) -> pd.DataFrame:
    """Draw the article's visits from their recipe, with R's random numbers.

    Times and ages are drawn independently of each other within a county: **the true slope of
    time on age within any county is 0**. Nothing is cut off: some ages are impossible.

    Parameters
    ----------
    seed
        Seed of R's generator. At the default, 2020, the data are the article's own; at any
        other they are what its author might as well have drawn.

    Returns
    -------
    pandas.DataFrame
        613 rows in the order in which they are drawn, and the columns ``county`` (ordered
        categories, fewest visits first; which county has how many depends on the seed),
        ``age`` (whole years), ``bounce_time`` (seconds) and ``std_age`` (standard deviations
        from the mean age of all visitors).

    Raises
    ------
    ValueError
        If `seed` is not a whole number from 0 to 2147483647.

    Notes
    -----
    A test holds the result to the file that the author published, within 1e-9 seconds. Source:
    ``create_new_bounce_data.R`` in the repository named above, restated in chapter 10.

    See Also
    --------
    article_truth : What the visits are drawn from.
    load_bounce : The book's own data, with the same counties.

    Examples
    --------
    >>> visits = replay_article()
    >>> visits["county"].value_counts(sort=False).tolist()
    [7, 22, 37, 75, 90, 112, 120, 150]
    >>> print(visits["age"].min(), visits["age"].max())
    -1 129
    """
    rng = RRandom(seed)
    names = rng.permutation(list(_NAMES))
    times, ages = [], []
    for row in _RECIPE:
        times.append(rng.normal(row.visits, mean=row.mean_bounce, sd=row.sd_bounce))
        ages.append(rng.normal(row.visits, mean=row.mean_age, sd=row.sd_age).round())
    codes = np.repeat(np.arange(len(_RECIPE)), [row.visits for row in _RECIPE])
    age = np.concatenate(ages).astype(int)
    std_age, _scale = standardize(age)
    return pd.DataFrame(
        {
            "county": pd.Categorical.from_codes(codes, categories=pd.Index(names), ordered=True),
            "age": age,
            "bounce_time": np.concatenate(times),
            "std_age": std_age,
        }
    )


def article_truth(seed: int = ARTICLE_SEED) -> pd.DataFrame:
    """Give the truth behind the article's visits, county by county.

    Parameters
    ----------
    seed
        As for `replay_article`; it decides only which county's name stands on which row.

    Returns
    -------
    pandas.DataFrame
        Eight rows, indexed by county, fewest visits first, with the columns ``visits``
        (count), ``mean_age`` and ``sd_age`` (years), ``mean_time`` (seconds), ``sigma``
        (residual standard deviation, seconds) and ``slope`` (seconds per year: 0).

    Raises
    ------
    ValueError
        If `seed` is not a whole number from 0 to 2147483647.

    Notes
    -----
    Source: the recipe, as for `replay_article`.

    See Also
    --------
    replay_article : Visits drawn from this truth.

    Examples
    --------
    >>> article_truth()["sigma"].round(1).tolist()
    [9.3, 9.3, 9.7, 5.0, 10.0, 5.6, 9.3, 9.3]
    """
    names = RRandom(seed).permutation(list(_NAMES))
    truth = pd.DataFrame(_RECIPE, index=pd.Index(names, name="county"))
    return truth.rename(columns={"mean_bounce": "mean_time", "sd_bounce": "sigma"})[
        ["visits", "mean_age", "sd_age", "mean_time", "sigma"]
    ].assign(slope=0.0)
