"""The gate that every fit of the book must pass, and the verdict it rests on."""

from collections.abc import Collection

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

R_HAT_LIMIT = 1.01
"""Largest R-hat (Vehtari et al., 2021)."""

ESS_LIMIT = 100
"""Fewest effective draws a chain, in the bulk and in the tails (Vehtari et al., 2021)."""

E_BFMI_LIMIT = 0.3
"""Smallest E-BFMI of a chain (Betancourt, 2017)."""

CHECKS = ("divergences", "tree depth", "R-hat", "bulk ESS", "tail ESS", "E-BFMI")


class Verdict(pd.DataFrame):
    """A table of checks that a page shows as one line, to be unfolded."""

    @property
    def table(self) -> pd.DataFrame:
        """The table, to be shown in full."""
        return pd.DataFrame(self)

    def __repr__(self) -> str:
        """Say in a line whether the fit has converged."""
        failed = self[~self["passed"]]
        if len(failed):
            faults = (f"{check} {row.worst:,}" for check, row in failed.iterrows())
            return f"not converged: {', '.join(faults)}"
        fewest = int(self.loc[["bulk ESS", "tail ESS"], "worst"].min())
        r_hat = self["worst"]["R-hat"]
        return f"converged: R-hat ≤ {r_hat:.3f}, ESS ≥ {fewest:,}, no divergences"

    def _repr_html_(self) -> str:
        """Fold the table under its line."""
        table = self.table.to_html(border=0)
        return f"<details><summary>{self!r}</summary>{table}</details>"


def check_convergence(fit: xr.DataTree, *, expected_faults: Collection[str] = ()) -> Verdict:
    """Raise an error unless the draws of a fit can be trusted.

    Parameters
    ----------
    fit
        What ``bambi.Model.fit`` or ``pymc.sample`` returns: the groups ``posterior`` and
        ``sample_stats``, with the dimensions ``chain`` and ``draw``.
    expected_faults
        For a fit that is broken on purpose: the checks it must fail, out of ``divergences``,
        ``tree depth``, ``R-hat``, ``bulk ESS``, ``tail ESS`` and ``E-BFMI``. Others may fail
        with them, for faults rarely come alone.

    Returns
    -------
    Verdict
        What `judge_convergence` returns.

    Raises
    ------
    ValueError
        If `expected_faults` names an unknown check, or if the fit cannot be judged.
    RuntimeError
        If a check fails and no fault was expected, or if an expected fault is absent.

    Notes
    -----
    Source: chapter 4, which shows what each fault looks like.

    See Also
    --------
    judge_convergence : The same verdict, without an error.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> noise = xr.DataArray(np.random.default_rng(1).normal(size=(4, 500)), dims=("chain", "draw"))
    >>> record = xr.Dataset({"energy": noise, "diverging": noise > 9})
    >>> fit = {"posterior": xr.Dataset({"slope": noise}), "sample_stats": record}
    >>> check_convergence(xr.DataTree.from_dict(fit))
    converged: R-hat ≤ 1.005, ESS ≥ 1,788, no divergences
    """
    unknown = set(expected_faults) - set(CHECKS)
    if unknown:
        raise ValueError(f"expected_faults names {sorted(unknown)}; the checks are {CHECKS}.")
    verdict = judge_convergence(fit)
    failed = set(verdict.index[~verdict["passed"]])
    if expected_faults:
        surprises = [f"{check} should fail" for check in expected_faults if check not in failed]
    else:
        surprises = [f"{check} fails" for check in CHECKS if check in failed]
    if surprises:
        raise RuntimeError(f"{'; '.join(surprises)}.\n{verdict.table.to_string()}")
    return verdict


def judge_convergence(fit: xr.DataTree) -> Verdict:
    """Say of each check whether the draws of a fit pass it, and by how much.

    Parameters
    ----------
    fit
        As for `check_convergence`.

    Returns
    -------
    Verdict
        A data frame that shows itself as one line, which unfolds; its ``table`` is shown in
        full. One row a check: the ``worst`` value over all parameters and chains, ``where`` it
        stands, what is ``required``, and whether it ``passed``. Divergences and draws that
        reached the limit of the tree depth are counted. The ``attrs`` note the
        ``smallest_ess`` (bulk) and, if the fit knows them, the ``sampling_seconds``.

    Raises
    ------
    ValueError
        If the fit has no ``posterior`` or ``sample_stats``, if these do not record
        ``diverging`` and ``energy``, or if there are fewer than two chains.

    Notes
    -----
    R-hat may be 1.01 at most, the effective draws 100 a chain at least, the E-BFMI 0.3 at
    least; no draw may diverge or reach the limit of the tree depth. Source: Vehtari et al.
    (2021) and Betancourt (2017). A parameter with a draw that is not finite fails, as one
    whose R-hat or effective sample size cannot be computed; ``arviz.diagnose`` lets both pass.
    A sampler that grows no trees records no depth and passes that check.

    See Also
    --------
    check_convergence : The gate: the same verdict, and an error unless all is well.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> noise = xr.DataArray(np.random.default_rng(1).normal(size=(4, 500)), dims=("chain", "draw"))
    >>> record = xr.Dataset({"energy": noise, "diverging": noise > 2})
    >>> fit = {"posterior": xr.Dataset({"slope": noise}), "sample_stats": record}
    >>> judge_convergence(xr.DataTree.from_dict(fit))
    not converged: divergences 52
    """
    for branch in ("posterior", "sample_stats"):
        if branch not in fit.children:
            raise ValueError(f"the fit has no {branch}; give what the sampler returned, whole.")
    chains = fit["posterior"].sizes.get("chain", 1)
    if chains < 2:
        raise ValueError("the fit has one chain; R-hat needs at least two: fit with chains=4.")
    record = fit["sample_stats"].to_dataset()
    for statistic in ("diverging", "energy"):
        if statistic not in record:
            raise ValueError(
                f"sample_stats has no {statistic!r}; give the fit of a Hamiltonian sampler."
            )
    fewest = ESS_LIMIT * chains
    divergences = int(record["diverging"].sum())
    too_deep = sum(
        int(record[name].sum())
        for name in ("reached_max_treedepth", "maxdepth_reached")  # PyMC's name, nutpie's
        if name in record
    )
    bfmi = pd.Series(
        az.bfmi(fit)["energy"].to_numpy(), index=[f"chain {number}" for number in range(chains)]
    )
    parameters = _diagnostics(fit["posterior"].to_dataset())
    rows = [
        ("divergences", divergences, "", "none", divergences == 0),
        ("tree depth", too_deep, "", "limit never reached", too_deep == 0),
        ("R-hat", *_worst(parameters["r_hat"], at_most=R_HAT_LIMIT, digits=3)),
        ("bulk ESS", *_worst(parameters["ess_bulk"], at_least=fewest)),
        ("tail ESS", *_worst(parameters["ess_tail"], at_least=fewest)),
        ("E-BFMI", *_worst(bfmi, at_least=E_BFMI_LIMIT, digits=2)),
    ]
    verdict = Verdict(rows, columns=["check", "worst", "where", "required", "passed"], dtype=object)
    verdict.index = pd.Index(verdict.pop("check"))
    verdict["passed"] = verdict["passed"].astype(bool)
    verdict.attrs["smallest_ess"] = float(parameters["ess_bulk"].min())
    if "sampling_time" in fit["posterior"].attrs:
        verdict.attrs["sampling_seconds"] = float(fit["posterior"].attrs["sampling_time"])
    return verdict


def _diagnostics(posterior: xr.Dataset) -> pd.DataFrame:
    """Compute R-hat and ESS of each parameter: NaN where a draw is not finite."""
    finite = posterior.map(np.isfinite).all(["chain", "draw"])
    judged = xr.DataTree.from_dict({"posterior": posterior.where(finite)})
    table: pd.DataFrame = az.summary(judged, kind="diagnostics", round_to="none")
    return table


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
