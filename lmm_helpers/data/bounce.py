"""The book's data: 613 visits to a website from eight counties, and the truth that made them.

The data are simulated. Each county has its own intercept, its own slope and its own residual
standard deviation, and the older a county's visitors are, the longer *everybody* stays there.
"""

from importlib.resources import files
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from lmm_helpers.data.standardization import standardize

COUNTY_SIZES = MappingProxyType(
    {
        "Cumbria": 7,
        "Norfolk": 22,
        "Dorset": 37,
        "Cheshire": 75,
        "Devon": 90,
        "Kent": 112,
        "Essex": 120,
        "London": 150,
    }
)
"""Visits in each county, from the fewest to the most: the order of the whole book."""

POPULATION_TRUTH = MappingProxyType(
    {
        "Intercept": 200.0,
        "std_age": -3.0,
        "1|county_sigma": 13.0,
        "std_age|county_sigma": 1.0,
    }
)
"""What the counties are drawn from, in seconds, under Bambi's names for the same parameters."""

BOOK_SEED = 20
AGE_LIMITS = (18, 90)


def county_truth(seed: int = BOOK_SEED, *, confounding: float = 0.75) -> pd.DataFrame:
    """Draw the true parameters of the eight counties.

    Parameters
    ----------
    seed
        Seed of the draw. The book's own truth has seed 20.
    confounding
        Correlation, from -1 to 1, between a county's mean age and its intercept. At 0 the
        pooled line tells the truth about age; at the default it has the wrong sign.

    Returns
    -------
    pandas.DataFrame
        Eight rows, indexed by county, with the columns ``visits`` (count), ``mean_age``
        (years), ``intercept`` (seconds at the mean age of all visitors), ``slope`` (seconds
        per standard deviation of age) and ``sigma`` (residual standard deviation, seconds).

    Raises
    ------
    ValueError
        If `confounding` lies outside -1 to 1.

    Notes
    -----
    Source: the book's data card, which prints this table.

    See Also
    --------
    simulate_bounce : Visits drawn from this truth.

    Examples
    --------
    >>> county_truth().loc["London", "visits"].item()
    150
    """
    if not -1 <= confounding <= 1:
        raise ValueError(f"confounding is a correlation, from -1 to 1; got {confounding!r}.")
    rng, _ = _generators(seed)
    counties = len(COUNTY_SIZES)
    mean_age = rng.permutation(np.linspace(30, 64, counties))
    relative_age = (mean_age - mean_age.mean()) / mean_age.std()
    spread = POPULATION_TRUTH["1|county_sigma"]
    intercept = rng.normal(
        POPULATION_TRUTH["Intercept"] + spread * confounding * relative_age,
        spread * np.sqrt(1 - confounding**2),
    )
    slope = rng.normal(
        POPULATION_TRUTH["std_age"], POPULATION_TRUTH["std_age|county_sigma"], counties
    )
    return pd.DataFrame(
        {
            "visits": list(COUNTY_SIZES.values()),
            "mean_age": mean_age,
            "intercept": intercept,
            "slope": slope,
            "sigma": rng.permutation(np.linspace(4.5, 11.5, counties)),
        },
        index=pd.Index(COUNTY_SIZES, name="county"),
    )


def simulate_bounce(seed: int = BOOK_SEED, *, confounding: float = 0.75) -> pd.DataFrame:
    """Simulate the visits of eight counties from their `county_truth`.

    Parameters
    ----------
    seed
        Seed of the draw. Seed 20 gives the book's data.
    confounding
        See `county_truth`.

    Returns
    -------
    pandas.DataFrame
        613 rows and the columns ``county`` (ordered categories, fewest visits first), ``age``
        (whole years, 18 to 90), ``bounce_time`` (seconds, to the hundredth) and ``std_age``
        (standard deviations from the mean age of all visitors).

    Raises
    ------
    ValueError
        If `confounding` lies outside -1 to 1.

    Notes
    -----
    Ages follow a normal distribution within each county, cut to 18 to 90 years. Source: the
    data card.

    See Also
    --------
    county_truth : What the visits are drawn from.
    load_bounce : The visits of seed 20, from a file.

    Examples
    --------
    >>> simulate_bounce().equals(load_bounce())
    True
    """
    truth = county_truth(seed, confounding=confounding)
    visits = truth.loc[truth.index.repeat(truth["visits"])]
    _, rng = _generators(seed)
    spread = 12
    lowest, highest = ((limit - visits["mean_age"]) / spread for limit in AGE_LIMITS)
    age = stats.truncnorm.rvs(
        lowest, highest, loc=visits["mean_age"], scale=spread, random_state=rng
    ).round()
    std_age, _scale = standardize(age)
    bounce_time = rng.normal(visits["intercept"] + visits["slope"] * std_age, visits["sigma"])
    return _visits(visits.index, age.astype(int), bounce_time.round(2))


def load_bounce() -> pd.DataFrame:
    """Load the book's data set, which ships with this package.

    Returns
    -------
    pandas.DataFrame
        The same frame as ``simulate_bounce()``, read from ``data/bounce.csv``.

    Notes
    -----
    Source: ``data/bounce.csv`` in this package, described in the data card.

    See Also
    --------
    simulate_bounce : The function that made the file.

    Examples
    --------
    >>> visits = load_bounce()
    >>> visits.shape
    (613, 4)
    >>> list(visits.columns)
    ['county', 'age', 'bounce_time', 'std_age']
    """
    with files("lmm_helpers.data").joinpath("bounce.csv").open() as source:
        visits = pd.read_csv(source)
    return _visits(visits["county"], visits["age"], visits["bounce_time"])


def _generators(seed: int) -> list[np.random.Generator]:
    """Give one stream for the counties and one for the visits."""
    return np.random.default_rng(seed).spawn(2)


def _visits(county: pd.Series | pd.Index, age: pd.Series, bounce_time: ArrayLike) -> pd.DataFrame:
    """Put the columns together, the counties in the order of the book, with ``std_age``."""
    return pd.DataFrame(
        {
            "county": pd.Categorical(county, categories=list(COUNTY_SIZES), ordered=True),
            "age": age,
            "bounce_time": bounce_time,
            "std_age": standardize(age)[0],
        }
    )
