"""Run the models of this folder in R, show what changed, and keep the results: `make reference`.

Nothing is installed, and nothing in `results/` is touched before all the models have run.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lmm_helpers import load_bounce, load_sleepstudy, replay_article, simulate_bounce

HERE = Path(__file__).parent
BUILD = HERE.parent / "_build" / "reference"
PACKAGES = ["brms", "lme4", "jsonlite"]
WORLDS = range(1000, 1060)  # the seeds of chapter 7's simulated data sets


def simulated_worlds() -> pd.DataFrame:
    """Give data sets simulated as the book's was, one below the other."""
    return pd.concat([simulate_bounce(seed).assign(world=seed) for seed in WORLDS])


DATA = {
    "article": replay_article,
    "bounce": load_bounce,
    "sleepstudy": load_sleepstudy,
    "worlds": simulated_worlds,
}


def main() -> None:
    """Run all, compare, replace."""
    refuse_without_r()
    BUILD.mkdir(parents=True, exist_ok=True)
    new = [run(models) for models in sorted((HERE / "models").glob("*.R"))]
    for result in new:
        kept = HERE / "results" / result.name
        print(f"\n{result.name}")
        for line in changes(kept, result):
            print(f"  {line}")
    for result in new:
        shutil.copy(result, BUILD / "kept")
        (BUILD / "kept").replace(HERE / "results" / result.name)
    print("\nThe results are in reference/results; commit them if you agree with what changed.")


def refuse_without_r() -> None:
    """End with one message if R or a package is missing."""
    wanted = ", ".join(f'"{package}"' for package in PACKAGES)
    test = f"quit(status = !all(vapply(c({wanted}), requireNamespace, TRUE, quietly = TRUE)))"
    if not shutil.which("Rscript") or subprocess.run(["Rscript", "-e", test]).returncode:
        sys.exit(
            "make reference needs R with the packages brms, lme4 and jsonlite, and a C++ compiler. "
            "It installs nothing itself. On Debian:\n"
            "  apt-get install r-cran-brms r-cran-lme4 r-cran-jsonlite g++ make"
        )


def data_as_csv(name: str) -> str:
    """Give a data set as the text that R reads: every digit, rows in their order."""
    text: str = DATA[name]().to_csv(index=False, lineterminator="\n")
    return text


def run(models: Path) -> Path:
    """Run one file of models; give the file of its results."""
    name = models.stem.partition("_")[0]
    data, result = BUILD / f"{name}.csv", BUILD / f"{models.stem}.json"
    data.write_text(data_as_csv(name), encoding="utf-8")
    subprocess.run(["Rscript", HERE / "run.R", models, data, result], check=True)
    return result


def changes(kept: Path, new: Path) -> Iterator[str]:
    """Say how new results differ from the kept ones, beyond what another seed would do."""
    if not kept.exists():
        yield "new: there were no results to compare with"
        return
    old, now = (json.loads(path.read_text(encoding="utf-8")) for path in (kept, new))
    for what, value in now["provenance"].items():
        if value != (before := old["provenance"].get(what)):
            yield f"{what}: {before} -> {value}"
    for fit in sorted(set(old["fits"]) ^ set(now["fits"])):
        yield f"{fit}: {'new' if fit in now['fits'] else 'gone'}"
    for fit in sorted(set(old["fits"]) & set(now["fits"])):
        distance = largest_change(old["fits"][fit], now["fits"][fit])
        yield f"{fit}: {distance}"


def largest_change(old: dict[str, Any], now: dict[str, Any]) -> str:
    """Give the largest change of a fit, in Monte Carlo errors where there are any."""
    if "parameters" in now:
        kept, new = (pd.DataFrame(fit["parameters"]).T for fit in (old, now))
        error = (kept["mcse_mean"] ** 2 + new["mcse_mean"] ** 2) ** 0.5
        change = (new["mean"] - kept["mean"]).abs() / error
        return f"largest change of a mean {change.max():.1f} combined MCSE ({change.idxmax()})"
    before, after = (pd.json_normalize(fit).select_dtypes("number").T for fit in (old, now))
    apart = (after - before)[0].drop("seconds_in_all").abs()
    return f"largest change of an estimate {apart.max():.1g} ({apart.idxmax()})"


if __name__ == "__main__":
    main()
