"""Priors in Bambi's words, read in full: names, arguments, values and what they allow."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmm_large.design import Design

CORRELATION = "_corr"

_ON_THE_LINE = {
    "Normal": ("mu", "sigma"),
    "StudentT": ("nu", "mu", "sigma"),
    "Cauchy": ("alpha", "beta"),
    "Laplace": ("mu", "b"),
    "Logistic": ("mu", "s"),
    "Uniform": ("lower", "upper"),
}
_DENSITIES: dict[str, tuple[tuple[str, ...], Callable[..., np.ndarray]]] = {
    "HalfNormal": (("sigma",), lambda v, s: -0.5 * (v / s) ** 2),
    "HalfStudentT": (("nu", "sigma"), lambda v, n, s: -(n + 1) / 2 * np.log1p((v / s) ** 2 / n)),
    "HalfCauchy": (("beta",), lambda v, b: -np.log1p((v / b) ** 2)),
    "Exponential": (("lam",), lambda v, rate: -rate * v),
    "Gamma": (("alpha", "beta"), lambda v, a, b: (a - 1) * np.log(v) - b * v),
    "InverseGamma": (("alpha", "beta"), lambda v, a, b: -(a + 1) * np.log(v) - b / v),
    "LogNormal": (("mu", "sigma"), lambda v, m, s: -0.5 * ((np.log(v) - m) / s) ** 2 - np.log(v)),
    "Weibull": (("alpha", "beta"), lambda v, a, b: (a - 1) * np.log(v) - (v / b) ** a),
    "Uniform": (("lower", "upper"), lambda v, a, b: np.where((v >= a) & (v <= b), 0.0, -np.inf)),
}
"""Priors of positive numbers: their arguments, and their log density up to a constant."""
_POSITIVE = {name: arguments for name, (arguments, _) in _DENSITIES.items()}


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
    """The priors of a model, checked: of coefficients, of standard deviations, of a correlation.

    `log_sigma_sd` is that of the sd of the groups' log residual sds, `eta` the argument of an LKJ.
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
    for key in (key for key in known if key not in priors):
        raise ValueError(
            f"priors lack {key!r}: a model of these terms needs {known}; none is guessed."
        )
    for key in (key for key in priors if key not in (*known, pair)):
        more = "" if pair is None else f", and may have {pair!r}"
        if str(key).endswith(CORRELATION) and pair is None:
            more = "; a correlation is that of group intercepts with one slope"
        raise ValueError(f"the prior of {key!r} belongs to no term: the model has {known}{more}.")
    eta = None
    if pair in priors:
        eta = float(_checked(str(pair), priors[str(pair)], {"LKJ": ("eta",)}).args["eta"])
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
    lines = {key: _checked(key, priors[key], _ON_THE_LINE) for key in coefficients}
    spreads = {key: _of_effects(key, priors[key]) for key in effects}
    return Priors(lines, sigma, spreads, eta, log_sigma_sd)


def normal_coefficients(
    design: Design, coefficients: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Give mean and sd of each coefficient's prior, which must be Normal, in the design's order."""
    columns = {"Intercept": 1} if design.intercept else {}
    columns |= {term.name: len(term.columns) for term in design.terms}
    found: list[tuple[float, float]] = []
    for name, number in columns.items():
        if name not in coefficients:
            raise ValueError(f"priors lack {name!r}: {list(columns)} are needed; none is guessed.")
        prior = _checked(name, coefficients[name], _ON_THE_LINE)
        if prior.name != "Normal":
            raise ValueError(
                f"coefficients are integrated out under Normal priors; that of {name!r} is "
                f"{prior!r}: sample marginal_model(statistics, priors=priors)."
            )
        found += [(float(prior.args["mu"]), float(prior.args["sigma"]))] * number
    mean, sd = np.array(found).reshape(-1, 2).T
    return mean.copy(), sd


def correlation_name(design: Design) -> str | None:
    """Name the correlation of a model of group intercepts and one slope; others have none."""
    kinds = [effect.column is None for effect in design.effects]
    return design.effects[1].name + CORRELATION if kinds == [True, False] else None


def log_density(prior: Prior) -> Callable[[np.ndarray], np.ndarray]:
    """Give the log density, up to a constant, of a prior of positive numbers."""
    arguments, density = _DENSITIES[prior.name]
    values = [float(prior.args[name]) for name in arguments]
    return lambda v: density(v, *values)


def _of_effects(key: str, prior: Any) -> Prior:
    """Return the prior of the standard deviation of normal group effects around zero."""
    args: Any = getattr(prior, "args", None)
    named = isinstance(args, Mapping) and {"sigma"} <= {*args} <= {"mu", "sigma"}
    args = args if named and prior.name == "Normal" and _number(args.get("mu", 0)) == 0 else {}
    if not hasattr(args.get("sigma"), "args"):
        form = 'Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=…))'
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
        place = argument in ("mu", "lower", "upper") or (name, argument) == ("Cauchy", "alpha")
        if value is None or not (place or value > 0):
            kind = "a finite number" if place else "a finite number above zero"
            raise ValueError(
                f"{argument} in the prior of {key!r} is {kind}, as in {form}; got {prior!r}."
            )
    least, bound = (0.0, "zero or above, and ") if allowed is _POSITIVE else (-math.inf, "")
    if name == "Uniform" and not least <= float(args["lower"]) < float(args["upper"]):
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
