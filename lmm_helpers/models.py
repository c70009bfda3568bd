"""The models of the book: the four candidates of chapter 3, and the one that chapter 5 adds."""

from types import MappingProxyType

import bambi as bmb
import pandas as pd

from lmm_helpers.checks._groups import column_of

FORMULAS = MappingProxyType(
    {
        "linear regression": "bounce_time ~ std_age",
        "varying intercept": "bounce_time ~ std_age + (1 | county)",
        "varying intercept and slope": "bounce_time ~ std_age + (std_age | county)",
        "within and between": "bounce_time ~ std_age + county_age + (std_age | county)",
    }
)


def candidate_models(visits: pd.DataFrame) -> dict[str, bmb.Model]:
    """Write the four candidate models for a frame of visits, with the book's priors.

    Parameters
    ----------
    visits
        As `load_bounce` returns it: ``bounce_time`` in seconds, ``std_age`` in standard
        deviations, ``county``. Without a column ``county_age``, the mean of ``std_age`` in the
        visit's county, a copy of the frame is given one: it stands in ``model.data``, and a frame
        to predict for must bring its own.

    Returns
    -------
    dict of str to bambi.Model
        The models under their names in the book, from the simplest to the richest; none of
        them is built or fitted yet.

    Raises
    ------
    ValueError
        If `visits` lacks one of the three columns.

    Notes
    -----
    The prior of ``Intercept`` is that of the time at the mean of the predictors: Bambi centres
    them. Beside ``county_age`` the coefficient of ``std_age`` compares visitors within a county
    (Mundlak, 1978). Source: chapter 3, which writes the models out in full; a test holds the two
    spellings equal.

    See Also
    --------
    chosen_model : The fourth of them, with a residual spread for each county.
    plot_model_graph : A picture of such a model.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> list(candidate_models(load_bounce()))
    ['linear regression', 'varying intercept', 'varying intercept and slope', 'within and between']
    """
    visits = _with_county_age(visits)
    line = _line() | {"sigma": bmb.Prior("HalfNormal", sigma=20)}
    further = [{}, _effects(1), _effects(2), _between() | _effects(2)]
    return {
        name: bmb.Model(formula, visits, priors=line | own)
        for (name, formula), own in zip(FORMULAS.items(), further, strict=True)
    }


def chosen_model(visits: pd.DataFrame) -> bmb.Model:
    """Write the model that evaluation led to: within, between, and a spread for each county.

    Parameters
    ----------
    visits
        As for `candidate_models`.

    Returns
    -------
    bambi.Model
        The model, neither built nor fitted. The residual standard deviation has a log link:
        ``sigma_Intercept`` and ``sigma_1|county`` are on the scale of log seconds. Its
        ``std_age`` is the slope within counties, as in ``"within and between"``.

    Raises
    ------
    ValueError
        If `visits` lacks one of the three columns.

    Notes
    -----
    The formula and the priors of the lines are those of the fourth candidate; only the spread is
    new. Source: chapter 5, which writes it out in full; a test holds the two spellings equal.

    See Also
    --------
    candidate_models : Those with one spread for all counties.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> print(chosen_model(load_bounce()).formula.additionals[0])
    sigma ~ 1 + (1 | county)
    """
    spread = {"Intercept": bmb.Prior("Normal", mu=2, sigma=1), "1|county": _shift(0.5)}
    formula = bmb.Formula(FORMULAS["within and between"], "sigma ~ 1 + (1 | county)")
    priors = _line() | _between() | _effects(2) | {"sigma": spread}
    return bmb.Model(formula, _with_county_age(visits), priors=priors)


def _line() -> dict[str, bmb.Prior]:
    """Give the priors of the population's line, in seconds."""
    return {
        "Intercept": bmb.Prior("Normal", mu=200, sigma=50),
        "std_age": bmb.Prior("Normal", mu=0, sigma=10),
    }


def _between() -> dict[str, bmb.Prior]:
    """Give the prior of the slope between counties, in seconds."""
    return {"county_age": bmb.Prior("Normal", mu=0, sigma=20)}


def _effects(count: int) -> dict[str, bmb.Prior]:
    """Give the priors of the counties' intercepts and, if there are two, of their slopes."""
    return dict([("1|county", _shift(15)), ("std_age|county", _shift(5))][:count])


def _shift(scale: float) -> bmb.Prior:
    """Give the prior of county effects whose standard deviation has a half-normal prior."""
    return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))


def _with_county_age(visits: pd.DataFrame) -> pd.DataFrame:
    """Check the columns, and add the counties' mean ages if they are missing."""
    for column in ("bounce_time", "std_age", "county"):
        column_of(visits, column)
    if "county_age" in visits.columns:
        return visits
    county_age = visits.groupby("county", observed=True)["std_age"].transform("mean")
    return visits.assign(county_age=county_age)
