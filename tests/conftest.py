"""What holds for all tests: none falls by chance, and `make check` leaves the slow ones out."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of a test's. `--hypothesis-profile=new` tries other examples.
settings.register_profile(
    "new", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("same", settings.get_profile("new"), derandomize=True, database=None)
settings.load_profile("same")

TESTS = Path(__file__).parent
SLOW = [  # nearly every test of these fits, runs the press, or opens a browser; others are marked
    "bookbuild/test_contracts.py",
    "bookbuild/test_execute.py",
    "bookbuild/test_freshness.py",
    "bookbuild/test_line.py",
    "bookbuild/test_watch.py",
    "lmm_large/test_group_statistics_parity.py",
    "lmm_large/test_marginal_model.py",
    "lmm_large/test_posteriors.py",
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
