"""The routes from rows to a posterior, timed step by step."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.problems import bambi_model, formula
from benchmarks.running import CORES, Clock, Record, peak_mb, timed
from lmm_large import collapsed_posterior, group_statistics

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

Columns = tuple[str, str, str]
MOST_GROUPS = 1000
"""Of how many groups at most the effective sample size is looked at."""


class _RefusedError(Exception):
    """The collapsed route, which judges itself, does not trust its own weights."""


def fitted(
    case: Record, source: pd.DataFrame | Path, columns: Columns, priors: dict[str, Any]
) -> Record:
    """Fit along the route of a case, once a seed while that is quick; count effective draws."""
    route = _collapsed if case["route"] == "collapsed" else _sampled
    memory: Record = {}
    judged = []
    try:
        for times, fit, limit in route(case, source, columns, priors):
            if not memory and not case["route"].endswith("PyMC"):
                memory = {"peak_mb": peak_mb()}
            judged.append((times, _judged(fit, columns[2]), limit))
            del fit
            if times["seconds"] > case["long"]:
                break
    except _RefusedError:
        return {"status": "refused"}
    return {
        "measured": [
            {"repetition": seed, **times, **memory, "ess_min": min(smallest_ess(draws), limit)}
            for seed, (times, draws, limit) in zip(case["seeds"], judged, strict=False)
        ]
    }


def _collapsed(
    case: Record, source: pd.DataFrame | Path, columns: Columns, priors: dict[str, Any]
) -> Iterator[tuple[Record, Any, float]]:
    """Draw by the collapsed route."""
    with timed() as read:
        statistics = group_statistics(source, formula(columns, priors), progress=False)
    for seed in case["seeds"]:
        with timed() as clock:
            try:
                posterior = collapsed_posterior(
                    statistics, priors=priors, seed=seed, chains=case["chains"], draws=case["draws"]
                )
            except RuntimeError as error:
                raise _RefusedError from error
        # chosen by weight and then shuffled: that draws repeat shows in the weights alone
        times = {"read_seconds": read.seconds, "compile_seconds": 0.0, **vars(clock)}
        yield times, posterior, posterior.effective
        del posterior


def _sampled(
    case: Record, source: pd.DataFrame | Path, columns: Columns, priors: dict[str, Any]
) -> Iterator[tuple[Record, Any, float]]:
    """Sample the marginal model, or Bambi's."""
    from lmm_large import draw_group_effects, marginal_model

    library, sampler = case["route"].split(" + ")
    bambi = library.startswith("Bambi")
    centred = library.endswith("centred")
    settings = {key: case[key] for key in ("draws", "tune", "chains")} | {"cores": CORES}
    with timed() as read:
        if bambi:
            rows = source if isinstance(source, pd.DataFrame) else _categorical(source, columns[2])
        else:
            statistics = group_statistics(source, formula(columns, priors), progress=False)
    with timed() as building:
        if bambi:
            written = bambi_model(rows, columns, priors, centred=centred)
            written.build()
            model: pm.Model = written.backend.model
        else:
            model = marginal_model(statistics, priors=priors)
        draw = {"nutpie": _nutpie, "PyMC": _pymc}[sampler](model, settings)
    for seed in case["seeds"]:
        fit, compiling, clock = draw(seed, case["target_accept"])
        times = {"read_seconds": read.seconds, "compile_seconds": building.seconds + compiling}
        times |= vars(clock)
        if not bambi:
            with timed() as effects:
                fit = draw_group_effects(fit, statistics, seed=seed)
            times = {name: value + vars(effects).get(name, 0) for name, value in times.items()}
        elif centred:
            term = f"1|{columns[2]}"
            fit["posterior"][term] = fit["posterior"][term] - fit["posterior"][f"{term}_mu"]
        else:  # as Bambi does after sampling, and off the clock
            at_zero = rows[columns[1]].mean() * fit["posterior"][columns[1]]
            fit["posterior"]["Intercept"] = fit["posterior"]["Intercept"] - at_zero
        yield times, fit, float("inf")
        del fit


def _nutpie(model: "pm.Model", settings: Record) -> Any:
    """Compile a model for nutpie; give what draws from it."""
    import nutpie

    compiled = nutpie.compile_pymc_model(model, var_names=_kept(model))
    # the first call loads and compiles what is left
    nutpie.sample(compiled, **settings | {"draws": 1, "tune": 1}, seed=0, progress_bar=False)

    def draw(seed: int, target_accept: float) -> tuple[Any, float, Clock]:
        with timed() as clock:
            fit = nutpie.sample(
                compiled,
                **settings,
                seed=seed,
                target_accept=target_accept,
                save_warmup=False,
                progress_bar=False,
            )
        return fit, 0.0, clock

    return draw


def _pymc(model: "pm.Model", settings: Record) -> Any:
    """Give what draws from a model by PyMC, which compiles each time and says how long it drew."""
    import os

    import pymc as pm

    def draw(seed: int, target_accept: float) -> tuple[Any, float, Clock]:
        before = os.times()
        with timed() as clock:
            fit = pm.sample(
                model=model,
                **settings,
                random_seed=seed,
                nuts_sampler="pymc",
                nuts={"target_accept": target_accept},
                var_names=_kept(model),
                progressbar=False,
                compute_convergence_checks=False,
                quiet=True,
            )
        after = os.times()
        whole, clock.seconds = clock.seconds, fit["posterior"].attrs["sampling_time"]
        clock.cpu_seconds = sum(after[2:4]) - sum(before[2:4])
        return fit, whole - clock.seconds, clock

    return draw


def _kept(model: "pm.Model") -> list[str]:
    """Name what is kept of each draw: all but the fitted value and spread of each row, as Bambi."""
    dims = model.named_vars_to_dims
    named = [variable.name for variable in (*model.free_RVs, *model.deterministics)]
    return [name for name in named if "__obs__" not in (dims.get(name) or ())]


def _categorical(file: Path, group: str) -> pd.DataFrame:
    """Read rows as Bambi wants them."""
    rows = pd.read_parquet(file)
    return rows.assign(**{group: rows[group].astype("category")})


def _judged(fit: Any, group: str) -> "xr.Dataset":
    """Keep the draws whose effective number counts: line, spreads and the first group effects."""
    tree = fit if hasattr(fit, "children") else fit.to_datatree()
    posterior: xr.Dataset = tree["posterior"].to_dataset()
    helpers = [name for name in posterior if str(name).endswith(("_offset", "_centered", "_half"))]
    first = {f"{group}__factor_dim": slice(MOST_GROUPS)}
    return posterior.drop_vars(helpers).isel(first).copy(deep=True)


def smallest_ess(draws: "xr.Dataset") -> float:
    """Give the smallest bulk effective sample size."""
    import arviz as az

    ess = az.ess(draws, method="bulk")
    return min(float(values.min()) for values in ess.data_vars.values())
