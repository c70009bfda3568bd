"""The data sets that only the tests of the engine read."""

from importlib.resources import files

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def children():
    """Growth of 27 children, Potthoff and Roy (1964)."""
    rows = pd.read_csv(files("lmm_helpers.data") / "orthodont.csv")
    return rows.astype({"subject": "category", "sex": "category"})


@pytest.fixture(scope="session")
def homes():
    """Radon in 919 homes of 85 counties, Price, Nero and Gelman (1996)."""
    return pd.read_csv(files("lmm_helpers.data") / "radon.csv").drop(columns="county_name")
