"""Is Bambi calibrated on the chosen model? Simulated truths, posteriors by NUTS, and ranks.

Too slow for a page: `python -m benchmarks.calibration` runs it and keeps the table, one row a
simulated data set; run again, it goes on where it stopped. The truths are drawn by NumPy, so that
what Bambi makes of a prior is tested as well. Bambi's model, written as the chapters write it, is
compiled once and given each data set in turn.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TABLE = Path(__file__).with_name("calibration.csv")
SIMULATIONS = 24
SHOWN = "Cumbria"
DRAWS = 100
NUTS = {"chains": 4, "draws": 1000, "tune": 800, "target_accept": 0.9}
FORMULA = "bounce_time ~ std_age + county_age + (std_age | county)"
SPREAD = "sigma ~ 1 + (1 | county)"


def calibration_ranks() -> pd.DataFrame:
    """Give the ranks of simulated truths among Bambi's draws from the chosen model.

    Returns
    -------
    pandas.DataFrame
        One row a ``simulation``: for each quantity how many of 100 draws, thinned to near
        independence, lie below the truth; then the checks of the gate that it ``missed``, and
        ``seconds``.

    Notes
    -----
    Source: `python -m benchmarks.calibration`; the method is that of Talts et al. (2018), and the
    likelihood among the quantities follows Modrák et al. (2023).

    Examples
    --------
    >>> ranks = calibration_ranks()
    >>> bool(ranks["std_age"].between(0, 100).all())
    True
    """
    return pd.read_csv(TABLE)


def simulate(visits: pd.DataFrame, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Draw a truth from the priors of the chosen model, and bounce times from the truth."""
    rng = np.random.default_rng(seed)
    truth: dict[str, Any] = {
        "Intercept": rng.normal(200, 50),
        "std_age": rng.normal(0, 10),
        "county_age": rng.normal(0, 20),
        "sigma_Intercept": rng.normal(2, 1),
    }
    for effect, scale in {"1|county": 15, "std_age|county": 5, "sigma_1|county": 0.5}.items():
        spread = truth[f"{effect}_sigma"] = abs(rng.normal(0, scale))
        truth[effect] = rng.normal(0, spread, visits["county"].nunique())
    mean, sigma = _expected(truth, visits)
    return truth, rng.normal(mean, sigma)


def _expected(values: dict[str, Any], visits: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give means and standard deviations of the visits; of each draw, if there are many."""
    x, county_age = (visits[name].to_numpy() for name in ("std_age", "county_age"))
    county = visits["county"].cat.codes.to_numpy()
    columns = {"Intercept": np.ones(len(x)), "std_age": x, "county_age": county_age}
    mean = sum(np.multiply.outer(values[name], column) for name, column in columns.items())
    mean = mean + values["1|county"][..., county] + values["std_age|county"][..., county] * x
    level = np.expand_dims(values["sigma_Intercept"], -1)
    return np.asarray(mean), np.exp(level + values["sigma_1|county"][..., county])


def _log_likelihood(values: dict[str, Any], visits: pd.DataFrame, times: np.ndarray) -> np.ndarray:
    """Give the log density of the bounce times."""
    mean, sigma = _expected(values, visits)
    return np.asarray((-0.5 * ((times - mean) / sigma) ** 2 - np.log(sigma)).sum(axis=-1))


def _visits() -> pd.DataFrame:
    """Give the visits with the mean ages of their counties."""
    from lmm_helpers import load_bounce

    visits = load_bounce()
    county_age = visits.groupby("county", observed=True)["std_age"].transform("mean")
    return visits.assign(county_age=county_age)


def _compiled(visits: pd.DataFrame) -> Any:
    """Compile Bambi's chosen model with its bounce times left open."""
    import bambi as bmb
    import nutpie
    from pytensor.compile.sharedvalue import shared

    def effects(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    model = bmb.Model(
        bmb.Formula(FORMULA, SPREAD),
        visits,
        priors={
            "Intercept": bmb.Prior("Normal", mu=200, sigma=50),
            "std_age": bmb.Prior("Normal", mu=0, sigma=10),
            "county_age": bmb.Prior("Normal", mu=0, sigma=20),
            "1|county": effects(15),
            "std_age|county": effects(5),
            "sigma": {"Intercept": bmb.Prior("Normal", mu=2, sigma=1), "1|county": effects(0.5)},
        },
    )
    model.build()
    written = model.backend.model
    response = written["bounce_time"]
    fixed = written.rvs_to_values[response]
    times = shared(fixed.data, name="times")  # type: ignore[no-untyped-call]
    written.rvs_to_values[response] = times
    del written.values_to_rvs[fixed]
    written.values_to_rvs[times] = response
    of_visits = {"mu", "sigma", "bounce_time"}
    return nutpie.compile_pymc_model(
        written, var_names=[name for name in written.named_vars if name not in of_visits]
    )


def _ranked(compiled: Any, visits: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Simulate, sample, judge the draws, and rank the truth among them whatever the verdict."""
    import nutpie

    from lmm_helpers import judge_convergence

    truth, times = simulate(visits, seed)
    start = time.perf_counter()
    given = compiled.with_data(times=times)
    fit = nutpie.sample(given, seed=seed, progress_bar=False, cores=2, **NUTS)
    verdict = judge_convergence(fit)
    thin = fit.posterior.sizes["draw"] * 4 // DRAWS
    thinned = fit.posterior.isel(draw=slice(thin - 1, None, thin))
    counties = list(visits["county"].cat.categories)
    ordered = thinned.to_dataset().sel(county__factor_dim=counties)
    draws = {
        name: np.concatenate(ordered[name].transpose("chain", "draw", ...).to_numpy())
        for name in truth
    }
    shown = counties.index(SHOWN)
    ranks = {}
    for name, value in truth.items():
        if np.ndim(value):
            ranks[f"{name}[{SHOWN}]"] = int((draws[name][:, shown] < value[shown]).sum())
        else:
            ranks[name] = int((draws[name] < value).sum())
    scored = [_log_likelihood(values, visits, times) for values in (draws, truth)]
    ranks["log likelihood"] = int((scored[0] < scored[1]).sum())
    seconds = round(time.perf_counter() - start, 1)
    missed = ", ".join(verdict.index[~verdict["passed"]]) or "none"
    return {"simulation": seed, **ranks, "missed": missed, "seconds": seconds}


def main() -> None:
    """Go on until all simulations are in the table."""
    visits = _visits()
    rows: list[Any] = pd.read_csv(TABLE).to_dict("records") if TABLE.exists() else []
    compiled = _compiled(visits)
    for seed in range(len(rows), SIMULATIONS):
        rows.append(_ranked(compiled, visits, seed))
        pd.DataFrame(rows).to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
