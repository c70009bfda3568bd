"""The three candidate models of the book, as chapter 3 writes them out."""

from types import MappingProxyType

import bambi as bmb
import pandas as pd

FORMULAS = MappingProxyType(
    {
        "linear regression": "bounce_time ~ std_age",
        "varying intercept": "bounce_time ~ std_age + (1 | county)",
        "varying intercept and slope": "bounce_time ~ std_age + (std_age | county)",
    }
)


def candidate_models(visits: pd.DataFrame) -> dict[str, bmb.Model]:
    """Write the three candidate models for a frame of visits, with the book's priors.

    Parameters
    ----------
    visits
        As `load_bounce` returns it: ``bounce_time`` in seconds, ``std_age`` in standard
        deviations, ``county``.

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
    Source: chapter 3, which writes them out in full; a test holds the two spellings equal.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> list(candidate_models(load_bounce()))
    ['linear regression', 'varying intercept', 'varying intercept and slope']
    """
    for column in ("bounce_time", "std_age", "county"):
        if column not in visits.columns:
            raise ValueError(f"column {column!r} is missing; load the data with load_bounce().")
    line = {
        "Intercept": bmb.Prior("Normal", mu=200, sigma=50),
        "std_age": bmb.Prior("Normal", mu=0, sigma=10),
        "sigma": bmb.Prior("HalfNormal", sigma=20),
    }
    intercepts = {
        "1|county": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=15)),
    }
    slopes = {
        "std_age|county": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=5)),
    }
    priors = (line, line | intercepts, line | intercepts | slopes)
    return {
        name: bmb.Model(formula, visits, priors=model_priors)
        for (name, formula), model_priors in zip(FORMULAS.items(), priors, strict=True)
    }
