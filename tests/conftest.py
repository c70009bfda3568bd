"""Which tests `make check` leaves out; random examples are the same but in the weekly run."""

from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
SLOW = [  # nearly every test of these fits, runs the press, or opens a browser
    "bookbuild/test_execute.py",
    "bookbuild/test_line.py",
    "lmm_large/test_group_statistics_parity.py",
    "lmm_large/test_marginal_model.py",
    "lmm_helpers/test_recovery.py",
    "reference/test_parity.py",
    "site/test_flipbook_player.py",
    "site/test_site.py",
]


def pytest_collection_modifyitems(items):
    slow = {TESTS / name for name in SLOW}
    for item in items:
        if item.path in slow:
            item.add_marker(pytest.mark.slow)


settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile("same")
