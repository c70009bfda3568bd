"""The book's data: 613 visits to a website from eight counties, and the truth that made them.

The data are simulated. Each county has its own intercept, its own slope and its own residual
standard deviation, and the older a county's visitors are, the longer *everybody* stays there.
"""

from importlib.resources import files
from types import MappingProxyType

import numpy as np
import pandas as pd
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
TIME_LIMITS = (0.0, 3600.0)
COLUMNS = ("county", "age", "bounce_time")


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
    return _checked(
        pd.DataFrame(
            {
                "county": visits.index,
                "age": age.astype(int),
                "bounce_time": bounce_time.round(2),
            }
        )
    )


def load_bounce() -> pd.DataFrame:
    """Load the book's data set, which ships with this package.

    Returns
    -------
    pandas.DataFrame
        The same frame as ``simulate_bounce()``, read from ``data/bounce.csv`` and checked.

    Raises
    ------
    ValueError
        If the file has been changed: the message names the column, the row and the remedy.

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
        return _checked(pd.read_csv(source))


def _checked(visits: pd.DataFrame) -> pd.DataFrame:
    """Check a frame of visits, put its counties in the book's order and add ``std_age``."""
    for column in COLUMNS:
        if column not in visits.columns:
            columns = ", ".join(repr(name) for name in visits.columns)
            raise ValueError(f"column {column!r} is missing; the data have {columns or 'none'}.")
        _refuse(visits[column].isna(), visits[column], "is missing; fill it in or drop the row")
    for column, (low, high), unit in [
        ("age", AGE_LIMITS, "years"),
        ("bounce_time", TIME_LIMITS, "seconds"),
    ]:
        if not pd.api.types.is_numeric_dtype(visits[column]):
            numbers = pd.to_numeric(visits[column], errors="coerce")
            _refuse(numbers.isna(), visits[column], "is not a number; correct it")
            raise ValueError(f"column {column!r} holds numbers as text; convert it with astype().")
        outside = ~visits[column].between(low, high)
        _refuse(outside, visits[column], f"is not between {low} and {high} {unit}; correct it")
    _refuse(visits["age"] % 1 != 0, visits["age"], "is not a whole number of years; round it")
    county = visits["county"].astype("str")
    known = ", ".join(COUNTY_SIZES)
    _refuse(~county.isin(list(COUNTY_SIZES)), county, f"is not one of the counties {known}")
    for name, expected in COUNTY_SIZES.items():
        found_size = int((county == name).sum())
        if found_size != expected:
            raise ValueError(
                f"column 'county': {name} has {found_size} visits instead of {expected}; "
                "restore the rows that were lost or drop those that were added."
            )
    std_age, _scale = standardize(visits["age"].to_numpy())
    return pd.DataFrame(
        {
            "county": pd.Categorical(county, categories=list(COUNTY_SIZES), ordered=True),
            "age": visits["age"].astype(int),
            "bounce_time": visits["bounce_time"].astype(float),
            "std_age": std_age,
        }
    ).reset_index(drop=True)


def _generators(seed: int) -> list[np.random.Generator]:
    """Give one stream for the counties and one for the visits."""
    return np.random.default_rng(seed).spawn(2)


def _refuse(bad: pd.Series, values: pd.Series, complaint: str) -> None:
    """Raise an error that names the first bad row, if there is one."""
    rows = np.flatnonzero(bad.to_numpy())
    if rows.size:
        value = values.astype(object).iloc[rows[0]]
        more = f" ({rows.size - 1} more like it)" if rows.size > 1 else ""
        raise ValueError(f"column {values.name!r}, row {rows[0]}: {value!r} {complaint}{more}.")
