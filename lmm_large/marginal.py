"""The marginal model: statistics in, a PyMC model without group effects out, the effects after."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lmm_large.design import Design, design, row_values
from lmm_large.likelihood import LOG_2_PI, PseudoRows, group_effects, log_likelihood, pseudo_rows
from lmm_large.priors import Prior, Priors, correlation_name, read_priors
from lmm_large.statistics import GroupStatistics

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr

CENTRED, LOG_SIGMA = "Intercept_centered", "log_sigma"


def marginal_model(
    statistics: GroupStatistics, *, priors: Mapping[str, Any], formula: str | None = None
) -> "pm.Model":
    """Write the PyMC model of group statistics, its group effects integrated out.

    Parameters
    ----------
    statistics
        What `group_statistics` or `merge_statistics` returns.
    priors
        The dictionary that Bambi takes: a prior for ``Intercept`` (as in Bambi, the height where
        all predictors are at their means), for each term, for ``sigma`` and for the effects of the
        groups, such as ``1|county`` and ``age|county``. None is guessed. Two can be added:
        ``age|county_corr``, a ``Prior("LKJ", eta=…)``, lets intercepts and one slope correlate; and
        a dictionary for ``sigma``, with ``Intercept`` and ``1|county``, gives each group its own
        residual standard deviation, on the scale of logarithms.
    formula
        A part of the formula that was gathered; None takes all of it.

    Returns
    -------
    pymc.Model
        The model, to be sampled by ``pymc.sample`` or nutpie. Its parameters bear Bambi's names;
        `draw_group_effects` completes the fit.

    Raises
    ------
    ValueError
        If a column of the formula was not gathered, or a prior is missing, does not fit or belongs
        to no term.

    See Also
    --------
    collapsed_posterior : The same posterior without a sampler or a compiler.
    Prior : The priors that are understood.

    Notes
    -----
    The likelihood is that of the rows, from a few pseudo-rows a group (Bates et al. 2015).

    Examples
    --------
    >>> from lmm_large import Prior, group_statistics
    >>> rows = {"y": [1.0, 3, 9, 4], "x": [0.0, 2, 5, 1], "who": ["a", "a", "b", "b"]}
    >>> statistics = group_statistics(rows, "y ~ x + (1 | who)")
    >>> model = marginal_model(statistics, priors={
    ...     "Intercept": Prior("Normal", mu=0, sigma=10),
    ...     "x": Prior("Normal", mu=0, sigma=5),
    ...     "sigma": Prior("HalfNormal", sigma=5),
    ...     "1|who": Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=5)),
    ... })
    >>> [variable.name for variable in model.free_RVs]
    ['Intercept_centered', 'x', 'sigma', '1|who_sigma']
    """
    import pymc as pm
    import pytensor.tensor as pt

    made = design(statistics, formula)
    given = read_priors(made, priors)
    taken = {CENTRED, LOG_SIGMA} & {term.name for term in made.terms}
    if taken:
        raise ValueError(f"the column {taken.pop()!r} has the name of a helper: rename it.")
    by_group = given.log_sigma_sd is not None
    pair = correlation_name(made)
    dim = f"{made.group}__factor_dim"
    coords: dict[str, Sequence[str]] = {"statistics": [_fingerprint(made)]}
    coords |= {dim: made.labels} if by_group else {}
    coords |= {f"{term.name}_dim": term.levels for term in made.terms if term.levels}
    numbers = _shared(_numbers(pseudo_rows(made, pooled=not by_group), given))
    rows = PseudoRows(**{field.name: numbers[field.name] for field in fields(PseudoRows)})

    def variable(name: str, key: str, prior: Prior, **more: Any) -> Any:
        args = {argument: numbers[f"{key} {argument}"] for argument in prior.args}
        return getattr(pm, prior.name)(name, **args, **more)

    with pm.Model(coords=coords) as model:
        parts = []
        if made.intercept:
            level = variable(CENTRED, "Intercept", given.coefficients["Intercept"])
            parts.append((level - numbers["level"])[None])
        for term in made.terms:
            dims = f"{term.name}_dim" if term.levels else None
            value = variable(term.name, term.name, given.coefficients[term.name], dims=dims)
            parts.append(value if term.levels else value[None])
        coefficients = (pt.concatenate if parts else pt.zeros)(parts or 0)
        if made.intercept:
            pm.Deterministic("Intercept", level - (coefficients[1:] * numbers["centre"][1:]).sum())
        if given.log_sigma_sd is not None:
            log_sigma = variable("sigma_Intercept", "sigma", given.sigma)
            effect = f"sigma_1|{made.group}"
            spread = variable(f"{effect}_sigma", "log_sigma_sd", given.log_sigma_sd)
            offset = pm.Normal(f"{effect}_offset", 0, 1, dims=dim)
            shifts = pm.Deterministic(effect, spread * offset, dims=dim)
            sigma = pt.exp(log_sigma + shifts)
        else:
            sigma = variable("sigma", "sigma", given.sigma)
            log_sigma = pt.log(sigma)
        # where a fit says of which statistics it is
        pm.Deterministic(LOG_SIGMA, log_sigma[None], dims="statistics")
        spreads = [variable(f"{name}_sigma", name, prior) for name, prior in given.spreads.items()]
        correlation = None
        if given.eta is not None:
            half = pm.Beta(f"{pair}_half", numbers["eta"], numbers["eta"])
            correlation = pm.Deterministic(str(pair), 2 * half - 1)
        total = log_likelihood(
            rows, coefficients, sigma=sigma, spreads=spreads, correlation=correlation, log=pt.log
        )
        pm.Potential("marginal_log_likelihood", total)
    return model


def draw_group_effects(
    fit: "xr.DataTree",
    statistics: GroupStatistics,
    *,
    seed: int,
    rows: "pd.DataFrame | None" = None,
    formula: str | None = None,
) -> "xr.DataTree":
    """Complete the fit of a marginal model by exact draws of its group effects.

    Parameters
    ----------
    fit
        Draws of a `marginal_model`, or what `CollapsedPosterior.to_datatree` returns.
    statistics
        The statistics it was made of.
    seed
        Seed of the draws.
    rows
        The rows behind the statistics, as a dataframe, for the groups ``log_likelihood`` (of each
        row given the group effects, as in Bambi; eight bytes a row and draw) and ``observed_data``.
    formula
        The formula the fit was made with; None takes all that was gathered.

    Returns
    -------
    xarray.DataTree
        A new fit with the names, dimensions and groups of Bambi's: the effects are called
        ``1|county`` and ``age|county`` and lie along ``county__factor_dim``.

    Raises
    ------
    ValueError
        If the fit is of another model or other statistics, or `rows` hold what these do not.

    See Also
    --------
    marginal_model : Makes what is sampled.

    Notes
    -----
    Source: Hoffman and Ribak (1991) for the draws, known as Matheron's rule.
    """
    import xarray as xr

    made = design(statistics, formula)
    data = pseudo_rows(made)
    posterior = fit["posterior"].to_dataset()
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    dim, pair = f"{made.group}__factor_dim", correlation_name(made)
    _check_fit(posterior, made)

    def drawn(name: str) -> np.ndarray:
        if name not in posterior:
            raise ValueError(f"the fit holds no {name!r}: it is no fit of this model.")
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return values.reshape(chains * draws, -1)

    columns = [drawn("Intercept")] * made.intercept + [drawn(term.name) for term in made.terms]
    coefficients = np.concatenate([np.empty((chains * draws, 0)), *columns], axis=1)
    if made.intercept:
        coefficients[:, 0] += coefficients[:, 1:] @ data.centre[1:] - data.level
    scale = f"sigma_1|{made.group}"
    by_group = scale in posterior
    sigma = np.exp(drawn("sigma_Intercept") + drawn(scale)) if by_group else drawn("sigma")
    named = [effect.name for effect in made.effects]
    given = {"sigma": sigma, "spreads": [drawn(f"{name}_sigma") for name in named]}
    given |= {"correlation": drawn(pair)} if pair and pair in posterior else {}
    effects = group_effects(data, coefficients, rng=np.random.default_rng(seed), **given)
    complete = posterior.assign_coords({dim: np.array(made.labels)})
    for name, values in zip(named, effects, strict=True):
        complete[name] = (("chain", "draw", dim), values.reshape(chains, draws, -1))
    order = ["Intercept", *(term.name for term in made.terms), "sigma_Intercept", "sigma"]
    order += [*(f"{name}_sigma" for name in named), str(pair), f"{scale}_sigma", *named, scale]
    kept = complete[[name for name in order if name in complete]]
    unused = [name for name in kept.coords if name not in kept.dims]
    kept = kept.drop_vars([*unused, *([] if made.effects or by_group else [dim])])
    completed = fit.copy()
    completed["posterior"] = xr.DataTree(kept)
    if rows is None:
        return completed
    values, codes = row_values(statistics, formula, rows)
    chosen = [column for term in made.terms for column in term.columns]
    x = np.concatenate([np.ones((len(values), int(made.intercept))), values[:, chosen]], axis=1)
    mean = coefficients @ (x - data.centre).T
    for effect, drawn_effects in zip(made.effects, effects, strict=True):
        mean += drawn_effects[:, codes] * (
            1.0 if effect.column is None else values[:, effect.column]
        )
    spread = sigma[:, codes] if by_group else sigma
    away = (values[:, -1] - data.level - mean) / spread
    scored = (-0.5 * (away * away + LOG_2_PI) - np.log(spread)).reshape(chains, draws, -1)
    observed = {"__obs__": np.arange(len(values))}
    coords = {"chain": kept["chain"], "draw": kept["draw"]} | observed
    dims = ("chain", "draw", "__obs__")
    likelihood = xr.Dataset({made.response: (dims, scored)}, coords)
    completed["log_likelihood"] = xr.DataTree(likelihood)
    data_seen = xr.Dataset({made.response: ("__obs__", values[:, -1])}, observed)
    completed["observed_data"] = xr.DataTree(data_seen)
    return completed


def _check_fit(posterior: "xr.Dataset", made: Design) -> None:
    """Raise an error if a fit says that it is of other statistics, or of another model."""
    if "statistics" in posterior.coords:
        theirs, ours = str(posterior["statistics"].to_numpy()[0]), _fingerprint(made)
        if theirs != ours:
            raise ValueError(
                f"the fit is of other statistics or another formula: {theirs}, not {ours}."
            )
    dim = f"{made.group}__factor_dim"
    if dim in posterior.coords and tuple(map(str, posterior[dim].to_numpy())) != made.labels:
        raise ValueError("the groups of the fit are not those of the statistics.")


def _fingerprint(made: Design) -> str:
    """Say of which groups and moments a fit is, so that it is not completed with others."""
    told = repr((made.response, made.group, made.labels, made.intercept, made.terms, made.effects))
    digest = hashlib.sha256(told.encode())
    for numbers in (made.n, made.means):
        digest.update(np.ascontiguousarray(numbers).tobytes())
    return f"{len(made.labels)} groups, {int(made.n.sum())} rows, {digest.hexdigest()[:8]}"


def _numbers(rows: PseudoRows, given: Priors) -> dict[str, np.ndarray]:
    """Name all the numbers of a model: those of the statistics and those of the priors."""
    found = {field.name: getattr(rows, field.name) for field in fields(rows)} | {"eta": given.eta}
    named = {**given.coefficients, "sigma": given.sigma, **given.spreads}
    named["log_sigma_sd"] = given.log_sigma_sd or Prior("")
    for key, prior in named.items():
        found |= {f"{key} {argument}": value for argument, value in prior.args.items()}
    return {name: np.asarray(v, dtype=float) for name, v in found.items() if v is not None}


def _shared(numbers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Keep numbers out of the compiled code, so that other ones need no new code."""
    from pytensor.compile.sharedvalue import shared

    shapes = {name: v.shape[:-1] + (None,) * (v.ndim > 0) for name, v in numbers.items()}
    return {n: shared(v, name=n, shape=shapes[n]) for n, v in numbers.items()}  # type: ignore[no-untyped-call]
