"""The gate that every fit of the book must pass before a word is said about it."""

from collections.abc import Collection

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

CHECKS = ("divergences", "R-hat", "bulk ESS", "tail ESS", "E-BFMI")


def check_convergence(fit: xr.DataTree, *, expected_faults: Collection[str] = ()) -> pd.DataFrame:
    """Judge the draws of a fit, and raise an error unless they can be trusted.

    Parameters
    ----------
    fit
        What ``bambi.Model.fit`` or ``pymc.sample`` returns: the groups ``posterior`` and
        ``sample_stats``, with the dimensions ``chain`` and ``draw``.
    expected_faults
        For a fit that is broken on purpose: the checks it must fail, out of ``divergences``,
        ``R-hat``, ``bulk ESS``, ``tail ESS`` and ``E-BFMI``. Others may fail with them, for
        faults rarely come alone.

    Returns
    -------
    pandas.DataFrame
        One row a check: the ``worst`` value over all parameters and chains, ``where`` it
        stands, what is ``required``, and whether it ``passed``. Its ``attrs`` note the
        ``smallest_ess`` (bulk) and, if the fit knows them, the ``sampling_seconds``.

    Raises
    ------
    ValueError
        If `expected_faults` names an unknown check, or if there are fewer than two chains.
    RuntimeError
        If a check fails and no fault was expected, or if an expected fault is absent.

    Notes
    -----
    The limits (R-hat at most 1.01, 100 effective draws a chain, E-BFMI at least 0.3, no
    divergence) are those of Vehtari et al. (2021) and Betancourt (2017), and the sampler's alarms
    are read by ``arviz.diagnose``. An R-hat or effective sample size that cannot be computed
    counts as failed here, where ``arviz.diagnose`` lets it pass.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> def draws(**variables):
    ...     return xr.Dataset({k: (("chain", "draw"), v) for k, v in variables.items()})
    >>> noise = rng.normal(size=(4, 500))
    >>> fit = xr.DataTree.from_dict({
    ...     "posterior": draws(slope=noise),
    ...     "sample_stats": draws(energy=noise, diverging=np.zeros((4, 500), bool)),
    ... })
    >>> check_convergence(fit)["passed"].all().item()
    True
    """
    unknown = set(expected_faults) - set(CHECKS)
    if unknown:
        raise ValueError(f"expected_faults names {sorted(unknown)}; the checks are {CHECKS}.")
    chains = fit["posterior"].sizes["chain"]
    if chains < 2:
        raise ValueError("the fit has one chain; R-hat needs at least two: fit with chains=4.")
    fewest = 100 * chains
    _, found = az.diagnose(
        fit,
        rhat_max=1.01,
        ess_threshold=fewest,
        bfmi_threshold=0.3,
        show_diagnostics=False,
        return_diagnostics=True,
    )
    divergences = found["divergent"]["n_divergent"]
    bfmi = pd.Series(
        found["bfmi"]["bfmi_values"], index=[f"chain {number}" for number in range(chains)]
    )
    parameters = az.summary(fit, kind="diagnostics", round_to="none")
    rows = [
        ("divergences", int(divergences), "", "none", bool(divergences == 0)),
        ("R-hat", *_worst(parameters["r_hat"], at_most=1.01, digits=3)),
        ("bulk ESS", *_worst(parameters["ess_bulk"], at_least=fewest)),
        ("tail ESS", *_worst(parameters["ess_tail"], at_least=fewest)),
        ("E-BFMI", *_worst(bfmi, at_least=0.3, digits=2)),
    ]
    verdict = pd.DataFrame(
        rows, columns=["check", "worst", "where", "required", "passed"], dtype=object
    ).set_index("check")
    verdict["passed"] = verdict["passed"].astype(bool)
    verdict.attrs["smallest_ess"] = float(parameters["ess_bulk"].min())
    if "sampling_time" in fit["posterior"].attrs:
        verdict.attrs["sampling_seconds"] = float(fit["posterior"].attrs["sampling_time"])
    failed = set(verdict.index[~verdict["passed"]])
    if expected_faults:
        surprises = [f"{check} should fail" for check in expected_faults if check not in failed]
    else:
        surprises = [f"{check} fails" for check in CHECKS if check in failed]
    if surprises:
        raise RuntimeError(f"{'; '.join(surprises)}.\n{verdict.to_string()}")
    return verdict


def _worst(
    values: pd.Series,
    *,
    at_most: float = np.inf,
    at_least: float = -np.inf,
    digits: int | None = None,
) -> tuple[float, str, str, bool]:
    """Give the worst value, rounded, where it stands, the requirement and the verdict."""
    required = f"at most {at_most:g}" if np.isfinite(at_most) else f"at least {at_least:g}"
    if values.isna().any():
        return np.nan, str(values.index[values.isna()][0]), required, False
    largest = np.isfinite(at_most)
    where = values.idxmax() if largest else values.idxmin()
    worst = float(values.max() if largest else values.min())
    return round(worst, digits), str(where), required, at_least <= worst <= at_most
