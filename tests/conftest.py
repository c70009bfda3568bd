"""Which tests `make check` leaves out, beside those that are marked one by one."""

from pathlib import Path

import pytest

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
