"""How fast, how far, how much memory: a module a question, and the reader of the tables."""

import json
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).with_name("results")


def benchmark_table(question: str) -> pd.DataFrame:
    """Give the table of one question of the benchmarks.

    Parameters
    ----------
    question
        A file of ``benchmarks/results`` without its ending, as ``"effective_draws"``.

    Returns
    -------
    pandas.DataFrame
        One row a repetition, in the order of the run: the ``route`` and the ``model``, numbers of
        ``rows`` and ``groups``, the ``repetition``; ``read_seconds``, ``compile_seconds``,
        ``seconds`` and ``cpu_seconds``; ``peak_mb``, in megabytes; ``ess_min`` and
        ``ess_per_second``; ``versions``; and ``status``, which is ``"done"`` or says why there are
        no numbers. What each means for a question stands in ``benchmarks/README.md``. The
        ``attrs`` hold the ``provenance``: date, cores, memory, load and platform.

    Raises
    ------
    ValueError
        If there is no such table. The message lists those there are.

    Notes
    -----
    Source: ``make bench``, described in ``benchmarks/README.md``.

    Examples
    --------
    >>> table = benchmark_table("whole_process")
    >>> sorted(set(table["route"]))[:2]
    ['Bambi + nutpie', 'collapsed, arrays']
    """
    files = {path.stem: path for path in FOLDER.glob("*.csv")}
    if question not in files:
        raise ValueError(
            f"{question!r} is no table of benchmarks/results; there are {sorted(files)}."
        )
    text = dict.fromkeys(("question", "route", "model", "versions", "status"), "string")
    table = pd.read_csv(files[question], dtype=text, keep_default_na=False, na_values=[""])
    table[list(text)] = table[list(text)].fillna("")
    provenance = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))
    table.attrs["provenance"] = provenance[question]
    return table
