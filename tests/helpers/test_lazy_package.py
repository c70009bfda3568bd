"""The package loads what is used, and nothing of a sampler before."""

import subprocess
import sys
from types import ModuleType

import pytest

import lmm_helpers


def test_every_public_name_is_found_where_it_lives():
    assert sorted(lmm_helpers._HOME) == sorted(lmm_helpers.__all__)
    for name in lmm_helpers.__all__:
        assert not isinstance(getattr(lmm_helpers, name), ModuleType), name


def test_a_function_is_not_hidden_by_its_module():
    code = (
        "import lmm_helpers.standardization, lmm_helpers.flipbook; "
        "from lmm_helpers import flipbook; assert callable(flipbook)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lmm_helpers.nothing  # noqa: B018


def test_the_package_alone_loads_no_library():
    code = (
        "import sys, lmm_helpers; heavy = {'bambi', 'pymc', 'arviz', 'pandas', 'duckdb'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
