"""The marginal model: group statistics in, a PyMC model without group effects out, effects after.

Sampling costs the same for a thousand rows as for a hundred million, because the rows are not read
again; and it is quick because the group effects, which make the posterior hard, are integrated out.
They are drawn afterwards, exactly.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.compile.sharedvalue import shared

from lmm_large.group_model import (
    GroupData,
    draw_effects,
    group_data,
    log_likelihood,
    read_priors,
)

CENTRED = "Intercept_centered"


def marginal_model(statistics: pd.DataFrame, *, priors: Mapping[str, Any]) -> pm.Model:
    """Write the PyMC model of group statistics, its group effects integrated out.

    Parameters
    ----------
    statistics
        What `group_statistics` or `merge_statistics` returns.
    priors
        The dictionary that Bambi takes, with a prior for ``Intercept`` (the height of the line at
        the mean of the predictor, as in Bambi), the predictor and ``sigma``; for ``1|group`` if
        intercepts vary; for ``predictor|group`` if slopes do. Two things can be added:
        ``predictor|group_corr``, a ``Prior("LKJ", eta=…)``, lets the two correlate; and a
        dictionary for ``sigma``, with ``Intercept`` and ``1|group``, gives each group its own
        residual standard deviation, on the scale of logarithms.

    Returns
    -------
    pymc.Model
        The model, to be sampled by ``pymc.sample`` or nutpie. Its parameters bear Bambi's names;
        `draw_group_effects` completes the fit.

    Raises
    ------
    ValueError
        If a prior is missing, is not understood or belongs to no term.

    Notes
    -----
    Source: chapter 9.

    Examples
    --------
    >>> from lmm_helpers import load_bounce
    >>> from lmm_large import Prior, group_statistics
    >>> statistics = group_statistics(load_bounce(), "bounce_time", "std_age", "county")
    >>> spread = Prior("HalfNormal", sigma=15)
    >>> model = marginal_model(statistics, priors={
    ...     "Intercept": Prior("Normal", mu=200, sigma=50),
    ...     "std_age": Prior("Normal", mu=0, sigma=10),
    ...     "sigma": Prior("HalfNormal", sigma=20),
    ...     "1|county": Prior("Normal", mu=0, sigma=spread),
    ... })
    >>> [variable.name for variable in model.free_RVs]
    ['Intercept_centered', 'std_age', 'sigma', '1|county_sigma']
    """
    data = group_data(statistics)
    given = read_priors(data, priors)
    data = _shared(data)
    _, predictor, group = data.names
    dim = f"{group}__factor_dim"
    with pm.Model(coords={dim: data.labels}) as model:
        level = _variable(CENTRED, given["intercept"])
        slope = _variable(predictor, given["slope"])
        pm.Deterministic("Intercept", level - slope * data.grand_predictor)
        if "log_sigma_sd" in given:
            log_sigma = _variable("sigma_Intercept", given["sigma"])
            spread = _variable(f"sigma_1|{group}_sigma", given["log_sigma_sd"])
            offset = pm.Normal(f"sigma_1|{group}_offset", 0, 1, dims=dim)
            by_group = pm.Deterministic(f"sigma_1|{group}", spread * offset, dims=dim)
            sigma = pt.exp(log_sigma + by_group)
        else:
            sigma = _variable("sigma", given["sigma"])
        zero = pt.zeros(())
        sd0 = _variable(data.intercept_sd, given.get("intercept_sd"))
        sd1 = _variable(data.slope_sd, given.get("slope_sd"))
        corr = zero
        if "correlation" in given:
            eta = given["correlation"]
            half = pm.Beta(f"{data.correlation}_half", eta, eta)
            corr = pm.Deterministic(data.correlation, 2 * half - 1)
        by_data = log_likelihood(
            data, level - data.grand_response, slope, sigma, sd0, sd1, corr, log=pt.log
        )
        pm.Potential("marginal_log_likelihood", by_data.sum())
    return model


def draw_group_effects(
    fit: xr.DataTree,
    statistics: pd.DataFrame,
    *,
    seed: int,
    rows: pd.DataFrame | None = None,
) -> xr.DataTree:
    """Complete the fit of a marginal model by exact draws of its group effects.

    Parameters
    ----------
    fit
        Draws of a `marginal_model`: the group ``posterior``, with ``chain`` and ``draw``.
    statistics
        The statistics it was made of.
    seed
        Seed of the draws.
    rows
        The rows behind the statistics. If they are given, so are the groups ``log_likelihood``
        (of each row given the group effects, as in Bambi) and ``observed_data``.
        This takes eight bytes a row and draw.

    Returns
    -------
    xarray.DataTree
        A new fit with the names, dimensions and groups of Bambi's: the effects are called
        ``1|group`` and ``predictor|group`` and lie along ``group__factor_dim``.

    Raises
    ------
    ValueError
        If the fit is not of this model, or if `rows` hold an unknown group or unusable numbers.

    Notes
    -----
    Source: chapter 9.
    """
    data = group_data(statistics)
    response, predictor, group = data.names
    dim = f"{group}__factor_dim"
    posterior = fit["posterior"].to_dataset()
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]

    def drawn(name: str, *, absent: np.ndarray | None = None) -> np.ndarray:
        if name not in posterior and absent is not None:
            return absent
        if name not in posterior:
            raise ValueError(f"the fit holds no {name!r}: it is no fit of these statistics.")
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return values.reshape(chains * draws, *values.shape[2:])

    zero = np.zeros(chains * draws)
    slope = drawn(predictor)
    level = drawn("Intercept") + slope * data.grand_predictor - data.grand_response
    if f"sigma_1|{group}" in posterior:
        if posterior[f"sigma_1|{group}"][dim].to_numpy().tolist() != data.labels:
            raise ValueError("the groups of the fit are not those of the statistics.")
        sigma = np.exp(drawn("sigma_Intercept")[:, None] + drawn(f"sigma_1|{group}"))
    else:
        sigma = drawn("sigma")
    effects = draw_effects(
        data,
        level,
        slope,
        sigma,
        drawn(data.intercept_sd, absent=zero),
        drawn(data.slope_sd, absent=zero),
        drawn(data.correlation, absent=zero),
        np.random.default_rng(seed),
    )
    complete = posterior.assign_coords({dim: data.coordinate})
    spreads = (data.intercept_sd, data.slope_sd)
    for name, values in zip(spreads, effects, strict=True):
        if name in posterior:
            shaped = values.reshape(chains, draws, -1)
            complete[name.removesuffix("_sigma")] = (("chain", "draw", dim), shaped)
    parameters = ["Intercept", predictor, "sigma_Intercept", "sigma", *spreads, data.correlation]
    by_group = [f"1|{group}", f"{predictor}|{group}", f"sigma_1|{group}"]
    order = [*parameters, f"sigma_1|{group}_sigma", *by_group]
    posterior = complete[[name for name in order if name in complete]]
    completed = fit.copy()
    completed["posterior"] = xr.DataTree(posterior)
    if rows is not None:
        coords = {"chain": posterior["chain"], "draw": posterior["draw"]}
        scored = _scored(data, rows, level, slope, sigma, effects).reshape(chains, draws, -1)
        numbered = {"__obs__": np.arange(len(rows))}
        completed["log_likelihood"] = xr.DataTree(
            xr.Dataset({response: (("chain", "draw", "__obs__"), scored)}, coords | numbered)
        )
        completed["observed_data"] = xr.DataTree(
            xr.Dataset({response: ("__obs__", rows[response].to_numpy(float))}, numbered)
        )
    return completed


def _variable(name: str, prior: Any) -> Any:
    """Add a variable with its prior to the open model, or give zero if it has none."""
    if prior is None:
        return pt.zeros(())
    return getattr(pm, prior.name)(name, **prior.args)


def _shared(data: GroupData) -> GroupData:
    """Keep the statistics out of the compiled code, so that other ones need no new code."""
    numbers = {
        name: shared(np.asarray(value), name=name)  # type: ignore[no-untyped-call]
        for name, value in vars(data).items()
        if isinstance(value, np.ndarray | float)
    }
    return replace(data, **numbers)


def _scored(
    data: GroupData,
    rows: pd.DataFrame,
    level: np.ndarray,
    slope: np.ndarray,
    sigma: np.ndarray,
    effects: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Give the log-likelihood of each row, draws by rows."""
    response, predictor, group = data.names
    codes = pd.Index(data.labels).get_indexer(rows[group].to_numpy())
    if (codes < 0).any():
        unknown = rows[group][codes < 0].iloc[0]
        raise ValueError(f"rows hold the group {unknown!r}, which the statistics lack.")
    x = rows[predictor].to_numpy(float)
    y = rows[response].to_numpy(float)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"rows hold missing or infinite values in {response!r} or {predictor!r}.")
    at = level[:, None] + slope[:, None] * (x - data.grand_predictor)
    at += effects[0][:, codes] + effects[1][:, codes] * x
    spread = sigma[:, codes] if sigma.ndim == 2 else sigma[:, None]
    at -= y - data.grand_response
    at /= spread
    return np.asarray(-0.5 * (at * at + np.log(2 * np.pi)) - np.log(spread))
