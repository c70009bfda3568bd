"""What every chapter's first cell sets up: draws that depend on the seed alone."""

import logging
import subprocess
import sys

import matplotlib as mpl
import pytensor
import pytest

from lmm_helpers import set_up_chapter

DRAWS = """
import hashlib
from lmm_helpers import candidate_models, load_bounce, set_up_chapter
set_up_chapter()
model = candidate_models(load_bounce())["linear regression"]
fit = model.fit(
    inference_method="nutpie", draws=50, tune=100, chains=2, random_seed=1, progressbar=False
)
print(hashlib.sha256(fit.posterior["std_age"].to_numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_same_draws_from_a_cold_and_from_a_warm_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setenv("PYTENSOR_FLAGS", f"base_compiledir='{tmp_path / 'pytensor'}'")
    cold, warm = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DRAWS],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for _ in range(2)
    )
    assert any(tmp_path.iterdir()), "the cache was not where the test put it"
    assert cold == warm


def test_style_and_log_levels():
    set_up_chapter()
    assert mpl.rcParams["axes.titlelocation"] == "left"
    assert not pytensor.config.numba__fastmath
    assert logging.getLogger("pymc").level == logging.WARNING
