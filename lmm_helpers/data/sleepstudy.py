"""Reaction times after nights of little sleep: the data set on which lme4 is taught."""

from importlib.resources import files

import pandas as pd


def load_sleepstudy() -> pd.DataFrame:
    """Load the ``sleepstudy`` data of lme4.

    Returns
    -------
    pandas.DataFrame
        180 rows and the columns ``Reaction`` (mean reaction time of a day, milliseconds),
        ``Days`` (days of the experiment, 0 to 9) and ``Subject`` (categories, 18 lorry drivers
        by their numbers).

    Notes
    -----
    The group of Belenky et al. (2003) with three hours in bed a night, its first ten days, under
    the names and in the order of the R package lme4 (Bates et al., 2015).
    Source: the appendix, which compares programs on them.

    See Also
    --------
    load_bounce : The book's own data.

    Examples
    --------
    >>> nights = load_sleepstudy()
    >>> nights.groupby("Subject", observed=True).size().unique().tolist()
    [10]
    """
    with files("lmm_helpers.data").joinpath("sleepstudy.csv").open() as source:
        nights = pd.read_csv(source, dtype={"Subject": "str"})
    return nights.assign(Subject=nights["Subject"].astype("category"))
