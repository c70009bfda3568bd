"""Predictions for groups that the data do not hold, with effects drawn from the population."""

from collections.abc import Iterator

import bambi as bmb
import numpy as np
import pandas as pd
import xarray as xr
from bambi.terms import GroupSpecificTerm


def predict_new_group(
    fit: xr.DataTree,
    *,
    model: bmb.Model,
    data: pd.DataFrame,
    seed: int,
    group: str = "county",
) -> xr.Dataset:
    """Predict for groups never seen, each with effects of its own from Normal(0, tau).

    Parameters
    ----------
    fit
        What ``model.fit`` returned; it is not altered.
    model
        The Bambi model of the fit. All its terms by `group` must have a normal prior around
        zero; those of ``sigma`` may be among them. Terms by other factors are left alone.
    data
        One row a prediction: the predictors, and in the column `group` the label of a new
        group. Rows with the same label belong to the same group and share its effects.
    seed
        Seed of the draws. The draws for a label depend on its place among the labels.
    group
        Name of the column, and of the factor in the formula, whose labels are new.

    Returns
    -------
    xarray.Dataset
        The parameters that vary between rows (``mu``, in the unit of the response, and
        ``sigma`` if it is modelled) and the response, a single new observation a draw: each
        with the dimensions ``chain``, ``draw`` and ``__obs__``, one for each row of `data`.

    Raises
    ------
    ValueError
        If `data` has no row, no column `group`, or a label there that is missing or known from
        the model's data; if `group` enters the model otherwise than as a factor of normal
        terms around zero; or if the spread of a term is not in the posterior.

    Notes
    -----
    A known group stands in for each new one, after its effects have been drawn anew in every
    draw of the posterior; the rest is Bambi's own ``predict``. Its ``sample_new_groups`` gives
    all new groups the effects of one old group instead. Source: chapter 6; Gelman and Hill
    (2007), section 12.8.

    Examples
    --------
    >>> import xarray as xr
    >>> from lmm_helpers import candidate_models, load_bounce
    >>> visits = load_bounce()
    >>> number = xr.DataArray(np.ones((1, 50)), {"chain": [0], "draw": range(50)})
    >>> shifts = number.expand_dims(county__factor_dim=list(visits["county"].cat.categories))
    >>> draws = {"Intercept": 200 * number, "std_age": -3 * number, "sigma": 8 * number}
    >>> draws |= {"1|county": shifts.transpose(..., "county__factor_dim")}
    >>> draws |= {"1|county_sigma": 13 * number}
    >>> found = predict_new_group(
    ...     xr.DataTree.from_dict({"posterior": xr.Dataset(draws)}),
    ...     model=candidate_models(visits)["varying intercept"],
    ...     data=pd.DataFrame({"std_age": [0, 0, 0], "county": ["Surrey", "Surrey", "Suffolk"]}),
    ...     seed=1,
    ... )
    >>> surrey, surrey_again, suffolk = found["mu"].squeeze("chain").transpose("__obs__", ...)
    >>> bool((surrey == surrey_again).all()), bool((surrey == suffolk).any())
    (True, False)
    """
    if not model.built:
        model.build()
    posterior = fit["posterior"].to_dataset()
    spreads = {name: posterior[f"{name}_sigma"] for name in _term_names(model, posterior, group)}
    known = model.data[group].drop_duplicates()
    codes, labels = _codes(data, group=group, known=known)
    rng = np.random.default_rng(seed)
    blocks = []
    for first in range(0, len(labels), len(known)):
        anew = {
            name: posterior[name].copy(data=rng.standard_normal(posterior[name].shape)) * tau
            for name, tau in spreads.items()
        }
        rows = np.flatnonzero((codes >= first) & (codes < first + len(known)))
        standing_in = data.iloc[rows].reset_index(drop=True)
        standing_in[group] = known.iloc[codes[rows] - first].reset_index(drop=True)
        tree = xr.DataTree.from_dict({"posterior": posterior.assign(anew)})
        noise = int(rng.integers(2**32))
        model.predict(tree, kind="response", data=standing_in, random_seed=noise)
        predicted = tree["posterior"].to_dataset()[list(model.conditional_parameters)]
        predicted = predicted.merge(tree["posterior_predictive"].to_dataset())
        blocks.append(predicted.assign_coords(__obs__=rows))
    return xr.concat(blocks, dim="__obs__").sortby("__obs__")


def _term_names(model: bmb.Model, posterior: xr.Dataset, group: str) -> list[str]:
    """Give the names of the terms by `group`, once each can be drawn from its prior."""
    names = []
    for term, own, variables in _terms(model):
        if group not in variables:
            continue
        if not own or not _is_normal_around_zero(own, group):
            raise ValueError(
                f"the term {term!r} uses {group!r} otherwise than as the factor of a normal term "
                "around zero; predict_new_group cannot draw it for a new group."
            )
        if term not in posterior or f"{term}_sigma" not in posterior:
            raise ValueError(
                f"the posterior lacks {term!r} or '{term}_sigma'; give the fit of this model, "
                "made without aliases."
            )
        names.append(term)
    if not names:
        raise ValueError(f"no term of the model varies by {group!r}; name its factor in group=.")
    return names


def _terms(model: bmb.Model) -> Iterator[tuple[str, GroupSpecificTerm | None, set[str]]]:
    """Give each term's name, itself if it varies by group, and the columns it uses."""
    for parameter in model.conditional_parameters.values():
        for name, term in parameter.terms.items():
            if isinstance(term, GroupSpecificTerm):
                yield term.name, term, term.term.var_names
            else:
                yield name, None, getattr(term.term, "var_names", set())


def _is_normal_around_zero(term: GroupSpecificTerm, group: str) -> bool:
    factor, prior = term.term.factor, term.prior
    mean = prior.args.get("mu", 0)
    return (
        factor.name == group
        and group not in term.term.expr.var_names
        and prior.name == "Normal"
        and not isinstance(mean, bmb.Prior)
        and not np.any(mean)
    )


def _codes(data: pd.DataFrame, *, group: str, known: pd.Series) -> tuple[np.ndarray, list[object]]:
    """Give each row the number of its label, and the labels in order of appearance."""
    if group not in data.columns:
        raise ValueError(f"column {group!r} is missing from data; it holds the new labels.")
    if not len(data):
        raise ValueError("data has no row; give one for each prediction.")
    codes, labels = pd.factorize(np.asarray(data[group].tolist(), dtype=object))
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise ValueError(f"column {group!r} is missing in row {row} of data; name the new group.")
    for label in labels:
        if label in set(known):
            raise ValueError(
                f"column {group!r} holds {label!r}, which the model has seen; "
                "use model.predict for it."
            )
    return codes, list(labels)
