"""Predictions for groups that the data do not hold, with effects drawn from the population."""

from collections.abc import Iterator

import bambi as bmb
import numpy as np
import pandas as pd
import xarray as xr
from bambi.terms import GroupSpecificTerm
from numpy.typing import NDArray

from lmm_helpers.checks._groups import column_of, group_labels


def predict_new_group(
    fit: xr.DataTree,
    *,
    model: bmb.Model,
    data: pd.DataFrame,
    group: str,
    seed: int,
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
        group. Its text is its label. Rows with the same label belong to the same group and
        share its effects.
    group
        Name of the column, and of the factor in the formula, whose labels are new.
    seed
        Seed of the draws, of effects and of noise. The draws for a label depend on its place
        among the labels.

    Returns
    -------
    xarray.Dataset
        The parameters that vary between rows (``mu``, in the unit of the response, and
        ``sigma`` if it is modelled) and the response, a single new observation a draw: each
        with the dimensions ``chain``, ``draw`` and ``__obs__``, one for each row of `data`.

    Raises
    ------
    ValueError
        If `data` has no row or no column `group`; if a label there is missing, of another type
        than the rest, or that of a group the model was fitted to; if `group` enters the model
        otherwise than as a factor of normal terms around zero; or if the spread of a term is
        not in the posterior.

    Notes
    -----
    A known group stands in for each new one, after its effects have been drawn anew in every
    draw of the posterior; the rest is Bambi's own ``predict``. Its ``sample_new_groups`` gives
    all new groups the effects of one old group instead. Source: chapter 6; Gelman and Hill
    (2007), section 12.8.

    See Also
    --------
    leave_one_group_out : How well a model predicts the groups of its own data as new ones.

    Examples
    --------
    >>> from lmm_helpers import candidate_models, load_bounce
    >>> model = candidate_models(load_bounce())["varying intercept"]
    >>> model.build()
    >>> prior = model.prior_predictive(draws=50, random_seed=1)["prior"].to_dataset()
    >>> visitors = pd.DataFrame({"std_age": 0, "county": ["Surrey", "Surrey", "Suffolk"]})
    >>> new = predict_new_group(
    ...     xr.DataTree.from_dict({"posterior": prior}),
    ...     model=model, data=visitors, group="county", seed=1,
    ... )
    >>> surrey, surrey_again, suffolk = new["mu"].squeeze("chain").transpose("__obs__", ...)
    >>> bool((surrey == surrey_again).all()), bool((surrey == suffolk).any())
    (True, False)
    """
    if not model.built:
        model.build()
    posterior = fit["posterior"].to_dataset()
    spreads = {name: posterior[f"{name}_sigma"] for name in _term_names(model, posterior, group)}
    known = _fitted_groups(model, group)
    codes, new = _codes(data, group=group, known=known)
    rng = np.random.default_rng(seed)
    blocks = []
    for first in range(0, new, len(known)):
        anew = {
            name: posterior[name].copy(data=rng.standard_normal(posterior[name].shape)) * tau
            for name, tau in spreads.items()
        }
        rows = np.flatnonzero((codes >= first) & (codes < first + len(known)))
        standing_in = data.iloc[rows].reset_index(drop=True)
        standing_in[group] = known.to_numpy()[codes[rows] - first]
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
    """Tell whether a term is what can be drawn anew: normal, around zero, and by `group` alone."""
    factor, prior = term.term.factor, term.prior
    mean = prior.args.get("mu", 0)
    return (
        factor.name == group
        and group not in term.term.expr.var_names
        and prior.name == "Normal"
        and not isinstance(mean, bmb.Prior)
        and not np.any(mean)
    )


def _fitted_groups(model: bmb.Model, group: str) -> pd.Series:
    """Give a value for each group that the fit has seen, not those of rows that were dropped."""
    own = next(own for _, own, names in _terms(model) if own and group in names)
    values: pd.Series = model.data[group].dropna().drop_duplicates()
    return values[[str(value) in own.groups for value in values]]


def _codes(data: pd.DataFrame, *, group: str, known: pd.Series) -> tuple[NDArray[np.intp], int]:
    """Give each row the number of its group, by first appearance, and how many there are."""
    labels = group_labels(column_of(data, group)).astype("str")
    if labels.empty:
        raise ValueError("data has no row; give one for each prediction.")
    seen = labels[labels.isin(group_labels(known).astype("str"))]
    if len(seen):
        raise ValueError(
            f"column {group!r} holds {seen.iloc[0]!r}, which the model has seen; "
            "use model.predict for it."
        )
    codes, unique = pd.factorize(labels)
    return codes, len(unique)
