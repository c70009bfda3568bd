"""The package loads what is used, and nothing of a sampler before."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lmm_helpers


def test_every_public_name_is_found_where_it_lives():
    stub = Path(lmm_helpers.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    (declared,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(stub).body
        if isinstance(statement, ast.Assign)
    )
    assert sorted(declared) == sorted(lmm_helpers.__all__)
    for name in declared:
        assert not isinstance(getattr(lmm_helpers, name), ModuleType), name


@pytest.mark.slow
def test_a_function_is_not_hidden_by_its_module():
    code = (
        "import lmm_helpers.data.standardization, lmm_helpers.figures.flipbook; "
        "from lmm_helpers import flipbook; assert callable(flipbook)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_the_package_alone_loads_no_library():
    code = (
        "import sys, lmm_helpers; heavy = {'bambi', 'pymc', 'arviz', 'pandas', 'duckdb'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
