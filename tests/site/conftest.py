"""The built site in a browser.  No browser: said here, and a failure in CI."""

import os
from pathlib import Path

import pytest

from bookbuild.render import SITE
from tests.site import screenshots

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def _built_site():
    """Tests run at the root of the repository, on the site that `make book` left."""
    before = Path.cwd()
    os.chdir(ROOT)
    if not (SITE / "index.html").is_file():
        pytest.fail("the site is not there: run `make book` first")
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def driver(_built_site):
    """A browser that opens the site from disk, and has left its own start page."""
    if screenshots.programs() is None:
        missing = "no chromium with chromedriver on PATH: the site is not opened in a browser"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with screenshots.browser() as browser:
        browser.get("about:blank")
        yield browser
