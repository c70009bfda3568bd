"""Whether two fits say the same, as far as their draws can tell."""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

Means = xr.DataTree | pd.DataFrame


def agreement(ours: Means, theirs: Means) -> pd.DataFrame:
    """Measure the differences of posterior means in their Monte Carlo standard errors.

    Parameters
    ----------
    ours, theirs
        Each a fit, or a table with one row a parameter and the columns ``mean`` and
        ``mcse_mean``, as ``arviz.summary`` and ``reference.reference_fit`` give it. Both name
        their parameters alike, for example as Bambi does. Select or rename rows in the table.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter of `ours`: ``ours`` and ``theirs``, the two means; ``mcse``,
        the root of the sum of their squared Monte Carlo standard errors, in the same unit;
        ``difference``, ours minus theirs in units of ``mcse``. What only `theirs` has is left
        out.

    Raises
    ------
    ValueError
        If `theirs` lacks a parameter of `ours`, if one has a parameter twice or has none, or if
        a table lacks a column or a number.

    Notes
    -----
    If both samplers are right, a difference is about standard normal: among a few dozen
    parameters 4 is not to be expected. It says nothing of how near the means are in seconds.
    Source: chapter 3; Vehtari et al. (2021) on the Monte Carlo standard error.

    See Also
    --------
    arviz.summary : Means and their Monte Carlo standard errors.
    check_convergence : Which comes first: the errors of chains that disagree are guesses.

    Examples
    --------
    >>> ours = pd.DataFrame({"mean": [1.0], "mcse_mean": [0.03]}, index=["std_age"])
    >>> theirs = pd.DataFrame({"mean": [0.9], "mcse_mean": [0.04]}, index=["std_age"])
    >>> agreement(ours, theirs).round(2)
             ours  theirs  mcse  difference
    std_age   1.0     0.9  0.05         2.0
    """
    mine, other = _means(ours, "ours"), _means(theirs, "theirs")
    absent = mine.index.difference(other.index, sort=False)
    if len(absent):
        raise ValueError(
            f"theirs has no parameter {absent[0]!r}; its parameters are "
            f"{', '.join(map(str, other.index))}. Rename its rows, or leave the row out of ours."
        )
    other = other.loc[mine.index]
    mcse = np.hypot(mine["mcse_mean"], other["mcse_mean"])
    return pd.DataFrame(
        {
            "ours": mine["mean"],
            "theirs": other["mean"],
            "mcse": mcse,
            "difference": (mine["mean"] - other["mean"]) / mcse,
        }
    )


def _means(fit: Means, name: str) -> pd.DataFrame:
    """Give the means of a fit and their errors, once each parameter has both."""
    table = fit if isinstance(fit, pd.DataFrame) else az.summary(fit, round_to="none")
    for column in ("mean", "mcse_mean"):
        if column not in table.columns:
            raise ValueError(
                f"{name} has no column {column!r}; give a fit, or what az.summary makes of it."
            )
        bare = table.index[~np.isfinite(table[column].to_numpy(dtype=float))]
        if len(bare):
            raise ValueError(f"{name} has no finite {column} of {bare[0]!r}; leave the row out.")
    if table.empty:
        raise ValueError(f"{name} has no parameter; give at least one.")
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise ValueError(f"{name} has the parameter {twice!r} twice; rename or drop a row.")
    return table[["mean", "mcse_mean"]].astype(float)
