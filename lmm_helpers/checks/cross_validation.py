"""How well a model predicts what it has not seen: single observations, and whole groups."""

from typing import Any, NamedTuple

import arviz as az
import bambi as bmb
import numpy as np
import nutpie
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from arviz_stats.utils import ELPDData
from numpy.typing import NDArray
from scipy.special import logsumexp

from lmm_helpers.checks._groups import group_codes
from lmm_helpers.checks.convergence import judge_convergence
from lmm_large.likelihood import log_density

Rows = NDArray[np.intp]
Symbolic = Any  # PyTensor's variables, whose operators are not typed


class GroupScores(NamedTuple):
    """Scores of unseen groups: of each observation by itself, and of all of a group together."""

    pointwise: ELPDData
    joint: pd.Series


def elpd_by_group(
    loo: ELPDData, *, data: pd.DataFrame, group: str, reference: ELPDData | None = None
) -> pd.DataFrame:
    """Add up what cross-validation says of each observation, group by group.

    Parameters
    ----------
    loo
        What ``arviz.loo(…, pointwise=True)`` or ``arviz.loo_kfold(…, pointwise=True)`` returns.
    data
        The rows that were modelled, in their order.
    group
        Column of `data`: the group of each row. Its text is its label.
    reference
        The same for another model of the same data. The result is then the difference, `loo`
        minus `reference`.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``observations`` (count), ``elpd``, its standard error ``se`` (root of
        the count times the standard deviation of the terms; NaN for a single observation) and
        ``mean``, the elpd of one observation.

    Raises
    ------
    ValueError
        If there are no pointwise values or one is NaN, if `data` or `reference` has another
        number of observations, or if the column `group` is missing, has missing labels or mixes
        types.

    Notes
    -----
    Source: chapter 5; Vehtari, Gelman and Gabry (2017), equation 23, applied to each group.

    See Also
    --------
    leave_one_group_out : Scores of groups that the fit has not seen.
    predictive_by_group : What a fitted model predicts of each group.

    Examples
    --------
    >>> import xarray as xr
    >>> from types import SimpleNamespace
    >>> loo = SimpleNamespace(elpd_i=xr.DataArray([-3.0, -1.0, -2.0], dims="visit"))
    >>> visits = pd.DataFrame({"county": ["Kent", "Kent", "Devon"]})
    >>> table = elpd_by_group(loo, data=visits, group="county")
    >>> table["elpd"].to_dict(), table["se"].round(3).to_dict()
    ({'Devon': -2.0, 'Kent': -4.0}, {'Devon': nan, 'Kent': 2.0})
    """
    terms = _pointwise(loo, "loo")
    if reference is not None:
        others = _pointwise(reference, "reference")
        if others.size != terms.size:
            raise ValueError(
                f"reference has {others.size} observations and loo {terms.size}; "
                "compare models of the same data."
            )
        terms = terms - others
    if np.isnan(terms).any():
        row = int(np.flatnonzero(np.isnan(terms))[0])
        raise ValueError(
            f"the elpd of observation {row} is NaN; look for it in the log likelihood of that row."
        )
    codes, labels = group_codes(data, group, rows=terms.size)
    by_group = pd.Series(terms).groupby(codes)
    count = by_group.size()
    return pd.DataFrame(
        {
            "observations": count,
            "elpd": by_group.sum(),
            "se": np.sqrt(count) * by_group.std(),
            "mean": by_group.mean(),
        }
    ).set_axis(labels)


def _pointwise(loo: ELPDData, name: str) -> NDArray[np.float64]:
    """Give the terms of an elpd, one an observation."""
    if getattr(loo, "elpd_i", None) is None:
        raise ValueError(f"{name} has no pointwise values; compute it with pointwise=True.")
    return np.asarray(loo.elpd_i, dtype=float).ravel()


def leave_one_group_out(
    fit: xr.DataTree,
    *,
    model: bmb.Model,
    data: pd.DataFrame,
    group: str,
    seed: int,
    draws: int = 1000,
    tune: int = 1000,
    target_accept: float = 0.95,
) -> GroupScores:
    """Predict each group from a fit to all the other groups.

    Parameters
    ----------
    fit
        A fit of `model` to all the data, with the group ``log_likelihood``.
    model
        A Gaussian Bambi model whose group-level terms are all grouped by `group`, or that has
        none. The standard deviation may have a formula of its own, with intercepts only.
    data
        The rows that were modelled, in their order.
    group
        Column of `data`: the group of each row. Its text is its label.
    seed
        Seed of all refits.
    draws, tune
        Draws and tuning steps in each of the four chains of a refit.
    target_accept
        As in ``model.fit``.

    Returns
    -------
    GroupScores
        ``pointwise``, what ``arviz.loo_kfold`` returns with a fold for each group: each
        observation scored by itself, as that of a new group; ``arviz.compare`` takes it. And
        ``joint``, by group the log density of all its observations together.

    Raises
    ------
    ValueError
        If the model is not Gaussian; if a group-level term has another grouping, several
        columns or is centred; if the formula of ``sigma`` has a predictor; if `fit` has no
        ``log_likelihood``; if `data` has another number of rows; or if the column `group` is
        missing, has missing labels or mixes types.
    RuntimeError
        If a refit does not pass `check_convergence`. The message names the group left out.

    Notes
    -----
    Effects on the expected value are integrated out: given the parameters of the population, the
    observations of a group are multivariate normal, in closed form, and a refit samples these
    parameters alone. It is compiled once for all groups; a group is left out by weighting its
    term with zero. Its effect on the standard deviation then follows the population, as that
    of a new group does, and is averaged over the draws. The joint score of a group that lies far
    from what a refit expects rests on few of its draws, and is the noisier for it. Source:
    chapter 5; on the two scores, Merkle, Furr and Rabe-Hesketh (2019).

    See Also
    --------
    elpd_by_group : Add up the pointwise scores by group.
    check_convergence : The gate that each refit passes.

    Examples
    --------
    >>> from lmm_helpers import candidate_models, load_bounce
    >>> visits = load_bounce()
    >>> model = candidate_models(visits)["varying intercept"]
    >>> leave_one_group_out(xr.DataTree(), model=model, data=visits, group="county", seed=1)
    Traceback (most recent call last):
        ...
    ValueError: the fit has no log_likelihood; call model.compute_log_likelihood(fit) first.
    """
    if "log_likelihood" not in fit.children:
        raise ValueError(
            "the fit has no log_likelihood; call model.compute_log_likelihood(fit) first."
        )
    if model.family.name != "gaussian":
        raise ValueError(f"the family is {model.family.name!r}; only 'gaussian' is supported.")
    if not model.built:
        model.build()
    codes, labels = group_codes(data, group, rows=len(model.response_term.data))
    sampling = {"draws": draws, "tune": tune, "seed": seed}
    refits = _Refits(model, codes, labels, sampling, target_accept)
    pointwise = az.loo_kfold(fit, refits, k=len(labels), group_by=codes, pointwise=True)
    joint = pd.Series(refits.joint, name="elpd").sort_index().set_axis(labels)
    return GroupScores(pointwise, joint)


class _Refits(az.SamplingWrapper):  # type: ignore[misc]
    """Tells ``arviz.loo_kfold`` how to refit a model without one group, and to score the group."""

    def __init__(
        self,
        model: bmb.Model,
        codes: Rows,
        labels: pd.Index,
        sampling: dict[str, int],
        target_accept: float,
    ) -> None:
        super().__init__(model=None)
        self.codes = codes
        self.labels = labels
        self.sampling = {**sampling, "chains": 4, "target_accept": target_accept}
        self.compiled = _compiled(model, codes)
        self.joint: dict[int, float] = {}

    def sel_observations(self, idx: Rows) -> tuple[Rows, Rows]:
        return idx, idx

    def sample(self, modified_observed_data: Rows) -> xr.DataTree:
        left_out = self.codes[modified_observed_data[0]]
        kept = np.ones(self.codes.max() + 1)
        kept[left_out] = 0
        fit: xr.DataTree = nutpie.sample(
            self.compiled.with_data(kept=kept),
            **self.sampling,
            progress_bar=False,
            save_warmup=False,
        )
        parameters = fit["posterior"].to_dataset().drop_vars(["each", "together"])
        verdict = judge_convergence(
            xr.DataTree.from_dict(
                {"posterior": parameters, "sample_stats": fit["sample_stats"].to_dataset()}
            )
        )
        if not verdict["passed"].all():
            failed = ", ".join(verdict.index[~verdict["passed"]])
            raise RuntimeError(
                f"the refit without {self.labels[left_out]!r} fails {failed}; raise draws, tune "
                f"or target_accept.\n{verdict.table.to_string()}"
            )
        return fit

    def get_inference_data(self, fitted_model: xr.DataTree) -> xr.DataTree:
        return fitted_model

    def log_likelihood__i(self, excluded_obs: Rows, idata__i: xr.DataTree) -> xr.DataArray:
        code = int(self.codes[excluded_obs[0]])
        together = idata__i["posterior"]["together"].to_numpy()[..., code]
        self.joint[code] = float(logsumexp(together) - np.log(together.size))
        each = idata__i["posterior"]["each"].to_numpy()[..., excluded_obs]
        return xr.DataArray(each, dims=("chain", "draw", "left_out"))


def _compiled(model: bmb.Model, codes: Rows) -> nutpie.compile_pymc.CompiledModel:
    """Compile the model without its effects on the expected value: they are integrated out.

    It computes the log density of ``each`` observation, and of those of a group ``together``,
    given the parameters of the population. Groups that are not ``kept`` do not inform them.
    """
    backend = model.backend.model
    effects = _location_effects(model, codes)
    observed = np.asarray(model.response_term.data, dtype=float)
    (response,) = backend.observed_RVs
    absent = {f"{name}_offset": np.zeros(backend[name].shape.eval()) for name in effects}
    population = pm.do(backend, {response.name: observed, **absent})
    parameters = [variable.name for variable in population.free_RVs]
    predictors = np.array(list(effects.values())).reshape(len(effects), len(codes))
    with population:
        kept = pm.Data("kept", np.ones(codes.max() + 1))
        residual = observed - population["mu"]
        sigma = _spread_by_group(model, population, codes)
        spreads = [population[f"{name}_sigma"] for name in effects]
        variance = sigma[codes] ** 2 + sum(
            (spread * x) ** 2 for spread, x in zip(spreads, predictors, strict=True)
        )
        pm.Deterministic("each", pm.logp(pm.Normal.dist(0, pt.sqrt(variance)), residual))
        together = _log_density_by_group(residual, sigma, spreads, predictors, codes)
        pm.Potential("others", (kept * pm.Deterministic("together", together)).sum())
    return nutpie.compile_pymc_model(
        population, freeze_model=False, var_names=[*parameters, "each", "together"]
    )


def _location_effects(model: bmb.Model, codes: Rows) -> dict[str, NDArray[np.float64]]:
    """Give, by name, the predictor of each group-level term of the expected value."""
    predictors = {}
    for parameter in model.conditional_parameters.values():
        for name, term in parameter.group_specific_terms.items():
            predictor = np.asarray(term.predictor, dtype=float).reshape(len(codes), -1)
            pairs = np.unique(np.column_stack([codes, term.group_index]), axis=0)
            if predictor.shape[1] > 1:
                raise ValueError(f"the term {name!r} has several columns; write one term each.")
            if not len(pairs) == len(np.unique(codes)) == len(np.unique(pairs[:, 1])):
                raise ValueError(
                    f"the term {name!r} is grouped otherwise than by the column group; drop it."
                )
            if not parameter.is_parent:
                continue
            if f"{name}_offset" not in model.backend.model.named_vars:
                raise ValueError(f"the term {name!r} is centred; write it with noncentered=True.")
            predictors[name] = predictor[:, 0]
    return predictors


def _spread_by_group(model: bmb.Model, population: pm.Model, codes: Rows) -> Symbolic:
    """Give the residual standard deviation of each group."""
    sigma = population["sigma"]
    if "sigma" not in model.conditional_parameters:
        return sigma * np.ones(codes.max() + 1)
    formula = model.conditional_parameters["sigma"]
    shifts = [np.asarray(term.predictor) for term in formula.group_specific_terms.values()]
    if formula.common_terms or any(np.any(shift != 1) for shift in shifts):
        raise ValueError("the formula of sigma has a predictor; let it have intercepts only.")
    _, first = np.unique(codes, return_index=True)
    return sigma[first]


def _log_density_by_group(
    residual: Symbolic,
    sigma: Symbolic,
    spreads: list[Symbolic],
    predictors: NDArray[np.float64],
    codes: Rows,
) -> Symbolic:
    """Give the log density of each group's residuals, by the likelihood of `lmm_large`.

    An orthonormal basis of the group's predictors turns its residuals to a head, which the
    effects reach; what is left of them holds residual noise alone.
    """
    count = np.bincount(codes)

    def total(terms: Symbolic) -> Symbolic:
        zeros = pt.zeros(len(count))
        return pt.inc_subtensor(zeros[codes], terms)  # type: ignore[no-untyped-call]

    basis = np.zeros_like(predictors)
    triangles = np.zeros((len(spreads), len(spreads), len(count)))
    for group in range(len(count)):
        rows = np.flatnonzero(codes == group)
        turned, triangle = np.linalg.qr(predictors[:, rows].T)
        basis[: turned.shape[1], rows] = turned.T
        triangles[: len(triangle), :, group] = triangle
    heads = [total(column * residual) for column in basis]
    left = residual - sum(column * head[codes] for column, head in zip(basis, heads, strict=True))
    return log_density(
        count, pt.as_tensor(triangles), heads, total(left**2), sigma=sigma, spreads=spreads,
        log=pt.log,
    )  # fmt: skip
