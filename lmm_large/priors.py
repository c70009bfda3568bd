"""Priors in Bambi's words, read in full: names, arguments, values and what they allow."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmm_large.design import Design

CORRELATION = "_corr"
"""What follows the name of a slope's effects in that of their correlation with the intercepts."""

Density = Callable[[np.ndarray], np.ndarray]

_ON_THE_LINE = {
    "Normal": ("mu", "sigma"),
    "StudentT": ("nu", "mu", "sigma"),
    "Cauchy": ("alpha", "beta"),
    "Laplace": ("mu", "b"),
    "Logistic": ("mu", "s"),
    "Uniform": ("lower", "upper"),
}
_POSITIVE = {
    "HalfNormal": ("sigma",),
    "HalfStudentT": ("nu", "sigma"),
    "HalfCauchy": ("beta",),
    "Exponential": ("lam",),
    "Gamma": ("alpha", "beta"),
    "InverseGamma": ("alpha", "beta"),
    "LogNormal": ("mu", "sigma"),
    "Weibull": ("alpha", "beta"),
    "Uniform": ("lower", "upper"),
}
_ANY_VALUE = {"mu", "lower", "upper"}
"""Arguments that may be zero or below; and ``alpha`` of Cauchy, which is its place."""


class Prior:
    """A prior in the words of ``bambi.Prior``, for those who do without Bambi.

    Parameters
    ----------
    name
        Name of the distribution, as in Bambi and PyMC.
    **args
        Its parameters: numbers or, for the standard deviation of group effects, another prior.

    See Also
    --------
    marginal_model, collapsed_posterior : They take a dictionary of priors.

    Notes
    -----
    Wherever this is taken, ``bambi.Prior`` is taken as well. Priors of coefficients are Normal,
    StudentT, Cauchy, Laplace, Logistic or Uniform; those of standard deviations HalfNormal,
    HalfStudentT, HalfCauchy, Exponential, Gamma, InverseGamma, LogNormal, Weibull or Uniform from
    zero or above; each with all its parameters, under PyMC's names. Source: Capretto et al. (2022).

    Examples
    --------
    >>> Prior("Normal", mu=0, sigma=10)
    Prior("Normal", mu=0, sigma=10)
    """

    def __init__(self, name: str, **args: Any) -> None:
        self.name = name
        self.args = args

    def __repr__(self) -> str:
        """Show the prior as it is written."""
        args = "".join(f", {name}={value!r}" for name, value in self.args.items())
        return f'Prior("{self.name}"{args})'


@dataclass(frozen=True)
class Priors:
    """The priors of a model, checked.

    ``coefficients`` holds those of the intercept, if there is one, and of the terms, in the order
    of the design; ``spreads`` those of the standard deviations of its effects; ``eta`` that of the
    correlation's LKJ prior; ``log_sigma_sd`` that of the groups' log residual standard deviations.
    """

    coefficients: dict[str, Prior]
    sigma: Prior
    spreads: dict[str, Prior]
    eta: float | None = None
    log_sigma_sd: Prior | None = None


def read_priors(design: Design, priors: Mapping[str, Any]) -> Priors:
    """Check priors in full, and sort them; name the first that does not fit."""
    if not isinstance(priors, Mapping):
        raise ValueError(f"priors is a dictionary from names to priors; got {priors!r}.")
    coefficients = ["Intercept"] * design.intercept + [term.name for term in design.terms]
    effects = [effect.name for effect in design.effects]
    pair = correlation_name(design)
    known = [*coefficients, "sigma", *effects]
    for key in known:
        if key not in priors:
            raise ValueError(
                f"priors lack {key!r}: a model of these terms needs {known}; none is guessed."
            )
    for key in priors:
        if key not in known and key != pair:
            more = "" if pair is None else f", and may have {pair!r}"
            if str(key).endswith(CORRELATION) and pair is None:
                more = "; a correlation is that of group intercepts with one slope"
            raise ValueError(
                f"the prior of {key!r} belongs to no term: the model has {known}{more}."
            )
    eta = None
    if pair is not None and pair in priors:
        eta = float(_checked(pair, priors[pair], {"LKJ": ("eta",)}).args["eta"])
    sigma, log_sigma_sd = priors["sigma"], None
    if isinstance(sigma, Mapping):
        by_group = f"1|{design.group}"
        if set(sigma) != {"Intercept", by_group}:
            raise ValueError(
                f"the prior of 'sigma' is one of a standard deviation, or a dictionary with "
                f"'Intercept' and {by_group!r} for its logarithm; got {sigma!r}."
            )
        log_sigma_sd = _of_effects(f"sigma: {by_group}", sigma[by_group])
        sigma = _checked("sigma: Intercept", sigma["Intercept"], _ON_THE_LINE)
    else:
        sigma = _checked("sigma", sigma, _POSITIVE)
    return Priors(
        coefficients={key: _checked(key, priors[key], _ON_THE_LINE) for key in coefficients},
        sigma=sigma,
        spreads={key: _of_effects(key, priors[key]) for key in effects},
        eta=eta,
        log_sigma_sd=log_sigma_sd,
    )


def normal_coefficients(
    design: Design, coefficients: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Give mean and sd of each coefficient's prior, which must be Normal, in the design's order."""
    columns = {"Intercept": 1} if design.intercept else {}
    columns |= {term.name: len(term.columns) for term in design.terms}
    for name in columns:
        if name not in coefficients:
            raise ValueError(f"priors lack {name!r}: {list(columns)} are needed; none is guessed.")
        prior = _checked(name, coefficients[name], _ON_THE_LINE)
        if prior.name != "Normal":
            raise ValueError(
                f"coefficients are integrated out under Normal priors; that of {name!r} is "
                f"{prior!r}: sample marginal_model(statistics, priors=priors)."
            )
    mean, sd = (
        [float(coefficients[name].args[key]) for name, k in columns.items() for _ in range(k)]
        for key in ("mu", "sigma")
    )
    return np.array(mean), np.array(sd)


def correlation_name(design: Design) -> str | None:
    """Name the correlation of a model of group intercepts and one slope; others have none."""
    kinds = [effect.column is None for effect in design.effects]
    return design.effects[1].name + CORRELATION if kinds == [True, False] else None


def log_density(prior: Prior) -> Density:
    """Give the log density, up to a constant, of a prior of positive numbers."""
    a = [float(prior.args[name]) for name in _POSITIVE[prior.name]]
    return {
        "HalfNormal": lambda v: -0.5 * (v / a[0]) ** 2,
        "HalfStudentT": lambda v: -(a[0] + 1) / 2 * np.log1p((v / a[1]) ** 2 / a[0]),
        "HalfCauchy": lambda v: -np.log1p((v / a[0]) ** 2),
        "Exponential": lambda v: -a[0] * v,
        "Gamma": lambda v: (a[0] - 1) * np.log(v) - a[1] * v,
        "InverseGamma": lambda v: -(a[0] + 1) * np.log(v) - a[1] / v,
        "LogNormal": lambda v: -0.5 * ((np.log(v) - a[0]) / a[1]) ** 2 - np.log(v),
        "Weibull": lambda v: (a[0] - 1) * np.log(v) - (v / a[1]) ** a[0],
        "Uniform": lambda v: np.where((v >= a[0]) & (v <= a[1]), 0.0, -np.inf),
    }[prior.name]


def _of_effects(key: str, prior: Any) -> Prior:
    """Return the prior of the standard deviation of normal group effects around zero."""
    form = 'Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=…))'
    args = getattr(prior, "args", None)
    if (
        not isinstance(args, Mapping)
        or prior.name != "Normal"
        or not {"sigma"} <= set(args) <= {"mu", "sigma"}
        or not hasattr(args["sigma"], "args")
        or _number(args.get("mu", 0)) != 0
    ):
        raise ValueError(f"the prior of {key!r} is of the form {form}; got {prior!r}.")
    return _checked(f"{key}: sigma", args["sigma"], _POSITIVE)


def _checked(key: str, prior: Any, allowed: Mapping[str, tuple[str, ...]]) -> Prior:
    """Return a prior of an allowed distribution with all its arguments, as finite numbers."""
    name, args = str(getattr(prior, "name", "")), getattr(prior, "args", None)
    if name not in allowed or not isinstance(args, Mapping):
        names = " or ".join([", ".join(list(allowed)[:-1]), list(allowed)[-1]]).removeprefix(" or ")
        raise ValueError(f"the prior of {key!r} is a {names}; got {prior!r}.")
    wanted = allowed[name]
    form = f'Prior("{name}", {", ".join(f"{argument}=…" for argument in wanted)})'
    if set(args) != set(wanted):
        raise ValueError(f"the prior of {key!r} is written {form}; got {prior!r}.")
    found = {argument: _number(args[argument]) for argument in wanted}
    for argument, value in found.items():
        place = argument in _ANY_VALUE or (name, argument) == ("Cauchy", "alpha")
        if value is None or not (place or value > 0):
            kind = "a finite number" if place else "a finite number above zero"
            raise ValueError(
                f"{argument} in the prior of {key!r} is {kind}, as in {form}; got {prior!r}."
            )
    if name == "Uniform":
        least = 0.0 if allowed is _POSITIVE else -math.inf
        if not least <= float(args["lower"]) < float(args["upper"]):
            bound = "zero or above, and " if allowed is _POSITIVE else ""
            raise ValueError(f"lower in the prior of {key!r} is {bound}below upper; got {prior!r}.")
    return Prior(name, **found)


def _number(value: Any) -> float | None:
    """Return a finite number, also one in an array without dimensions; None if it is none."""
    try:
        array = np.asarray(value)
        found = float(array) if array.ndim == 0 and array.dtype.kind in "iuf" else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
