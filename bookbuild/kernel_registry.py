"""Loaded into every kernel of the press: notes which fits ran and passed, and which claims held.

What samples or checks is wrapped when the module that defines it is imported, so that no other
name leads past it.  Of a fit only digests are kept.  After each cell all notes are written to the
file that the environment names; nothing of this reaches the page.
"""

import ast
import builtins
import functools
import hashlib
import importlib.abc
import inspect
import itertools
import json
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

NOTES = "BOOK_WATCHED"
FORWARD = ["draw", "sample_posterior_predictive", "sample_prior_predictive"]  # need but a seed
SAMPLERS = {
    "bambi.models": ["Model.fit"],
    "lmm_large.collapsed": ["collapsed_posterior"],
    "nutpie.sample": ["sample"],
    "pymc.sampling.forward": FORWARD,
    "pymc.sampling.jax": ["sample_numpyro_nuts", "sample_blackjax_nuts"],
    "pymc.sampling.mcmc": ["sample"],
    "pymc.smc.sampling": ["sample_smc"],
    "pymc.variational.inference": ["fit", "Inference.fit", "ASVGD.fit"],
}
BARS = {"progressbar", "progress_bar"}  # for a person to see; Bambi hands its own on
CHECKS = {"judge_convergence": "judged", "check_convergence": "checked"}
CHECKING = "lmm_helpers.checks.convergence"
VERDICTS = ["unchecked", "judged", "failed", "checked"]  # the last one of a fit stands
TRUSTED_KHAT = 0.7  # of draws that carry weights
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
CLAIM = "__claim_of_this_chapter__"

fits: list[dict[str, Any]] = []
claims: list[dict[str, Any]] = []
_within: ContextVar[bool] = ContextVar("within", default=False)
_shell: Any = None


def load_ipython_extension(shell: Any) -> None:
    """Begin to note."""
    global _shell
    _shell = shell
    sys.meta_path.insert(0, _Watch())
    shell.ast_transformers.append(_Claims())
    setattr(builtins, CLAIM, _claim)
    shell.events.register("post_run_cell", _write)


def _write(_: object = None) -> None:
    shown = [{name: fit[name] for name in fit if name != "digests"} for fit in fits]
    Path(os.environ[NOTES]).write_text(json.dumps({"fits": shown, "claims": claims}))


def _cell() -> int:
    return int(_shell.execution_count) - 1  # IPython counts on before the cell runs


class _Watch(importlib.abc.MetaPathFinder):
    """Wraps what samples or checks as soon as its module is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in SAMPLERS and name != CHECKING:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path[1:])
        spec: Any = next(filter(None, others), None)
        if spec:
            spec.loader.exec_module = functools.partial(_load, spec.loader.exec_module)
        return spec


def _load(execute: Callable[[Any], None], module: Any) -> None:
    execute(module)
    for path in SAMPLERS.get(module.__name__, CHECKS):
        *way, last = path.split(".")
        holder = functools.reduce(lambda found, part: getattr(found, part, None), way, module)
        if last in vars(holder or object):
            wrapper = _marking if module.__name__ == CHECKING else _noted
            setattr(holder, last, wrapper(module.__name__, path, getattr(holder, last)))


def _noted(module: str, path: str, sampler: Callable[..., Any]) -> Callable[..., Any]:
    """The sampler, noting each fit that no other sampler asked for."""
    signature = inspect.signature(sampler)
    bars = {"progressbar"} if path == "Model.fit" else BARS & set(signature.parameters)

    @functools.wraps(sampler)
    def noted(*args: Any, **kwargs: Any) -> Any:
        if _within.get():
            return sampler(*args, **kwargs)
        kwargs = dict.fromkeys(bars, False) | kwargs
        given = {**signature.bind_partial(*args).arguments, **kwargs}
        fit = {
            "cell": _cell(),
            "call": f"{module.partition('.')[0]}'s {path}",
            "seeded": given.get("random_seed", given.get("seed")) is not None,
            "asked_by": _asked_by(sys._getframe(1)),
            "digests": set(),
            "verdict": "failed",
        }
        if path in FORWARD:
            if not fit["seeded"]:
                fits.append(fit | {"asked_by": "cell", "verdict": "checked"})
            return sampler(*args, **kwargs)
        outermost = _within.set(True)
        try:
            result = sampler(*args, **kwargs)
            trusted = getattr(result, "khat", TRUSTED_KHAT) < TRUSTED_KHAT
            fit |= {"digests": _digests(result), "verdict": VERDICTS[-1 if trusted else 0]}
            fits.append(fit)
        except RuntimeError:
            if path == "collapsed_posterior":  # which refuses draws that cannot be trusted
                fits.append(fit)
            raise
        finally:
            _within.reset(outermost)
        return result

    return noted


def _asked_by(frame: FrameType | None) -> str:
    """Who wants a fit: the top level of a `cell`, a `helper` of ours, or something `else`."""
    while frame and frame.f_code.co_name == "<genexpr>":
        frame = frame.f_back
    if frame is None:
        return "else"
    if frame.f_globals is _shell.user_ns:
        return "cell" if frame.f_code.co_name == "<module>" else "else"
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return "helper" if package in {"lmm_helpers", "lmm_large"} else "else"


def _digests(fit: Any) -> set[str]:
    """One hash for the draws of each variable; none if the fit has no posterior."""
    posterior = getattr(getattr(fit, "posterior", None), "data_vars", {})
    arrays = [posterior[name].to_numpy() for name in posterior]
    return {hashlib.sha256(repr(a.shape).encode() + a.tobytes()).hexdigest() for a in arrays}


def _marking(_: str, name: str, check: Callable[..., Any]) -> Callable[..., Any]:
    """The check, leaving its verdict on each fit whose draws it was given, all of them."""

    @functools.wraps(check)
    def marking(*args: Any, **kwargs: Any) -> Any:
        seen = set().union(*map(_digests, [*args, *kwargs.values()]))
        verdict = "failed"
        try:
            result = check(*args, **kwargs)
            verdict = CHECKS[name]
        finally:
            for fit in fits:
                part = seen & fit["digests"]  # a helper leaves out what it computes of the draws
                if part and (part == fit["digests"] or fit["asked_by"] == "helper"):
                    fit["verdict"] = max(fit["verdict"], verdict, key=VERDICTS.index)
        return result

    return marking


class _Claims(ast.NodeTransformer):
    """Replaces each claim at the top level of a cell by a call that notes and judges it."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Module):
            self.numbers = itertools.count()
        if isinstance(node, ast.Assert):
            return _judged(next(self.numbers), node)
        return node if isinstance(node, SCOPES) else self.generic_visit(node)


def _judged(number: int, claim: ast.Assert) -> ast.stmt:
    """If the claim is not true, the cell raises it, however Python optimises."""
    test, words = ast.unparse(claim.test), f"str({ast.unparse(claim.msg or claim.test)})"
    judged = ast.parse(
        f"if not {CLAIM}({number}, {test}, {words}):\n    raise AssertionError({words})"
    ).body[0]
    for node in ast.walk(judged):
        ast.copy_location(node, claim)
    return judged


def _claim(number: int, value: Any, words: str) -> bool:
    """Note a claim as it is evaluated; whether it is true."""
    of_numpy = type(value).__module__ == "numpy" and type(value).__name__ in {"bool", "bool_"}
    boolean, held = isinstance(value, bool) or of_numpy, bool(value)
    noted = {"cell": _cell(), "number": number, "words": words, "boolean": boolean, "held": held}
    if noted not in claims:
        claims.append(noted)
    return held
