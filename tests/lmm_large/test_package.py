"""The package by itself: what it loads, its wheel in an empty environment, its documentation."""

import re
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path
from shutil import copyfile

import lazy_loader
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
ARRAYS = """
import sys
import numpy as np
from lmm_large import Prior, collapsed_posterior, group_statistics
rng = np.random.default_rng(1)
rows = {"x": rng.normal(size=60), "who": np.arange(60) % 6, "sex": np.array(["f", "m"] * 30)}
rows["y"] = rows["x"] + rng.normal(size=60)
statistics = group_statistics(rows, "y ~ x * sex + group_mean(x) + (x | who)")
priors = dict.fromkeys(["Intercept", "x", "sex", "x:sex", "group_mean(x)"],
                       Prior("Normal", mu=0, sigma=5))
priors["sigma"] = Prior("HalfNormal", sigma=5)
priors |= dict.fromkeys(["1|who", "x|who"], Prior("Normal", mu=0, sigma=priors["sigma"]))
posterior = collapsed_posterior(statistics, priors=priors, seed=1)
assert posterior.draws["x|who"].shape == (4, 1000, 6)
assert abs(posterior.draws["x"].mean() - 1) < 1
"""


def test_arrays_will_do_and_load_numpy_alone():
    code = ARRAYS + (
        "heavy = {'bambi', 'pymc', 'arviz', 'xarray', 'pandas', 'scipy', 'duckdb', 'formulae'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel, of nothing but what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT / "lmm_large", check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_works_alone_beside_numpy(wheel, tmp_path):
    """No other package is in reach: the interpreter looks into no site folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        assert "lmm_large/__init__.pyi" in archive.namelist()
        assert "lmm_large/py.typed" in archive.namelist()
    for package in (np, lazy_loader):
        place = Path(package.__file__).parent
        (tmp_path / place.name).symlink_to(place)
        libraries = place.with_name(f"{place.name}.libs")
        if libraries.exists():
            (tmp_path / libraries.name).symlink_to(libraries)
    version = next(Path(lazy_loader.__file__).parents[1].glob("lazy_loader-*.dist-info"))
    (tmp_path / version.name).symlink_to(version)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{ARRAYS}"
        f"import lmm_large; assert lmm_large.__file__.startswith({str(tmp_path)!r})\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, check=True)


def test_the_documentation_does_what_it_says(tmp_path):
    text = (ROOT / "lmm_large" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```\n", text, flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 22
    (said,) = re.findall(r"```\n\n((?:    .+\n)+)", text)
    copyfile(str(files("lmm_helpers.data") / "orthodont.csv"), tmp_path / "orthodont.csv")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [line.removeprefix("    ") for line in said.splitlines()]
