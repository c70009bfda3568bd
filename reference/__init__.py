"""What real brms and real lme4 made of the same data: the results kept in ``reference/``."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent


def reference_fit(models: str, fit: str) -> pd.DataFrame:
    """Give what brms or lme4 found, parameter by parameter, under Bambi's names.

    Parameters
    ----------
    models
        A file of ``reference/models`` without its ending, as ``"bounce_brms"``.
    fit
        The name of a fit in that file, as ``"varying_intercept"``.

    Returns
    -------
    pandas.DataFrame
        One row a parameter, in the units of the data. For brms the columns ``mean``, ``sd``,
        ``q5.5``, ``q50``, ``q94.5``, ``mcse_mean``, ``mcse_sd``, ``ess_bulk``, ``ess_tail`` and
        ``rhat``; for lme4 ``estimate`` and ``se`` (missing where lme4 gives none). The ``attrs``
        hold everything else that was written down: the ``provenance``, and for brms ``loo``.

    Raises
    ------
    ValueError
        If there is no such file of results or no such fit in it. The message lists those there
        are.

    Notes
    -----
    Source: ``make reference``, described in ``reference/README.md``.

    Examples
    --------
    >>> lme4 = reference_fit("bounce_lme4", "varying_intercept")
    >>> lme4.loc[["std_age", "1|county_sigma"], "estimate"].round(1).to_list()
    [-3.1, 12.2]
    """
    results = _results(models)
    record = _pick(results["fits"], fit, f"fit of {models}")
    table = _brms_table(record) if "parameters" in record else _lme4_table(record)
    table.attrs = {key: value for key, value in record.items() if key != "parameters"}
    table.attrs["provenance"] = results["provenance"]
    return table


def reference_code(models: str, chunk: str) -> str:
    """Give the R code of one chunk, as it was run.

    Parameters
    ----------
    models
        A file of ``reference/models`` without its ending, as ``"bounce_lme4"``.
    chunk
        The name that stands in the chunk's first line, as ``"new_county"``.

    Returns
    -------
    str
        The code, without the line that names it.

    Raises
    ------
    ValueError
        If there is no such file or no such chunk. The message lists those there are.

    Notes
    -----
    Source: ``reference/models``, the files that ``make reference`` runs.

    Examples
    --------
    >>> print(reference_code("bounce_lme4", "varying_intercept"))
    varying_intercept <- lmer(bounce_time ~ std_age + (1 | county), data = visits)
    """
    files = {path.stem: path for path in (FOLDER / "models").glob("*.R")}
    lines = _pick(files, models, "file of reference/models").read_text(encoding="utf-8")
    pieces = re.split(r"(?m)^# ---- (\w+) ----\n", lines)
    chunks = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    code: str = _pick(chunks, chunk, f"chunk of {models}")
    return code.strip("\n")


def reference_output(models: str, chunk: str) -> str:
    """Give what R printed when it ran one chunk.

    Parameters
    ----------
    models
        A file of ``reference/models`` without its ending, as ``"bounce_brms"``.
    chunk
        The name of a chunk that prints, as ``"summary"``.

    Returns
    -------
    str
        The lines that R printed.

    Raises
    ------
    ValueError
        If there are no such results or no such chunk. The message lists those there are.

    Notes
    -----
    Source: ``reference/results``, written by ``make reference``.

    Examples
    --------
    >>> reference_output("bounce_lme4", "average_county").split()
    ['1', '203.9059']
    """
    printed = _pick(_results(models)["printed"], chunk, f"printed chunk of {models}")
    return printed if isinstance(printed, str) else "\n".join(printed)


def _results(models: str) -> dict[str, Any]:
    """Read one file of results."""
    files = {path.stem: path for path in (FOLDER / "results").glob("*.json")}
    path: Path = _pick(files, models, "file of reference/results")
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def _pick(choices: dict[str, Any], name: str, kind: str) -> Any:
    """Give one of several, or an error that lists them."""
    if name not in choices:
        raise ValueError(f"{name!r} is no {kind}; there are {sorted(choices)}.")
    return choices[name]


def _brms_table(record: dict[str, Any]) -> pd.DataFrame:
    """Put the parameters of a brms fit under Bambi's names."""
    rows = {bambi_name(name): values for name, values in record["parameters"].items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _lme4_table(record: dict[str, Any]) -> pd.DataFrame:
    """Put the estimates of an lme4 fit under Bambi's names."""
    rows = {
        _lme4_term(name, "Intercept"): (estimate, record["fixed_se"][name])
        for name, estimate in record["fixed"].items()
    }
    group = record.get("group")
    for name, spread in record.get("group_sds", {}).items():
        rows[f"{_lme4_term(name, '1')}|{group}_sigma"] = (spread, np.nan)
    rows["sigma"] = (record["sigma"], np.nan)
    for name, effects in record.get("group_effects", {}).items():
        for level, effect in effects.items():
            rows[f"{_lme4_term(name, '1')}|{group}[{level}]"] = (effect, np.nan)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se"])


def _lme4_term(name: str, intercept: str) -> str:
    """Give Bambi's word for a term of lme4."""
    return intercept if name == "(Intercept)" else name


def bambi_name(name: str) -> str:
    """Translate the name that brms gives to a parameter into Bambi's.

    Parameters
    ----------
    name
        As ``posterior::variables`` lists it for a model with one grouping factor.

    Returns
    -------
    str
        Bambi's name. A correlation, which Bambi does not have, and ``sigma`` keep theirs.

    Notes
    -----
    Source: the naming rules of brms 2.18 and of Bambi 0.21.

    Examples
    --------
    >>> bambi_name("r_county[Kent,Intercept]"), bambi_name("sd_county__sigma_Intercept")
    ('1|county[Kent]', 'sigma_1|county_sigma')
    """
    effect = re.fullmatch(
        r"r_(?P<group>\w+?)(?P<sigma>__sigma)?\[(?P<level>.+),(?P<of>\w+)\]", name
    )
    spread = re.fullmatch(r"sd_(?P<group>\w+?)__(?P<sigma>sigma_)?(?P<of>\w+)", name)
    if part := effect or spread:
        of = "1" if part["of"] == "Intercept" else part["of"]
        ending = f"[{part['level']}]" if effect else "_sigma"
        return f"{'sigma_' if part['sigma'] else ''}{of}|{part['group']}{ending}"
    return name.removeprefix("b_")
