"""Pictures of every page for people to look at: `python -m tests.site.screenshots [PAGE …]`.

Writes `_build/screenshots/<page>-<desktop|phone>-<light|dark>.png`, each of the full height.
"""

import base64
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

from bookbuild.chapters import BOOK, BUILD, pages, write
from bookbuild.render import SITE

WIDTHS = {"desktop": 1280, "phone": 390}
THEMES = ("light", "dark")
TALLEST = 16_000
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --hide-scrollbars"
)


def programs() -> tuple[str, str] | None:
    """The browser and its driver, if this machine has them."""
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))
    browser, driver = next(filter(None, browsers), None), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def browser() -> Iterator[Chrome]:
    """A headless browser with a fresh profile that notes what pages log and load."""
    found = programs()
    if found is None:
        raise SystemExit("no chromium with chromedriver on PATH (Debian: chromium-driver)")
    options = ChromeOptions()
    options.binary_location = found[0]
    for option in OPTIONS.split():
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = Chrome(options, ChromeService(found[1]))
        try:
            yield driver
        finally:
            driver.quit()


def open_page(driver: Chrome, name: str, width: int, theme: str | None = "light") -> None:
    """Open a page from disk, at a width, in a theme or as on a first visit; wait until drawn."""
    set_size(driver, width, 900)
    address = (SITE / BOOK / f"{name}.html").absolute().as_uri()
    remember = "".join(f"localStorage.{key} = '{theme}';" for key in ("mode", "theme") if theme)
    # The page finds it before its own scripts run, whatever other pages in the tab have stored.
    before = {"source": f"localStorage.clear(); {remember}"}
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", before)
    driver.get(address)
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    WebDriverWait(driver, 30).until(_is_drawn)


def _is_drawn(driver: Chrome) -> bool:
    """Loaded, and all maths typeset."""
    return bool(
        driver.execute_script(
            "return document.readyState === 'complete' && [...document.querySelectorAll('.math')]"
            ".every(formula => formula.querySelector('mjx-container'))"
        )
    )


def set_size(driver: Chrome, width: int, height: int) -> None:
    """Give the window this size; a narrow one is a phone's."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def save_screenshot(driver: Chrome, path: Path, width: int) -> None:
    """Write a picture of the whole page, in a window as tall as the page."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    set_size(driver, width, min(height, TALLEST))
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    write(path, base64.b64decode(shot["data"]))


def main(names: list[str]) -> None:
    """Picture the named pages, or all."""
    with browser() as driver:
        for name, (size, width), theme in product(names or pages(), WIDTHS.items(), THEMES):
            path = BUILD / "screenshots" / f"{name.replace('/', '--')}-{size}-{theme}.png"
            open_page(driver, name, width, theme)
            save_screenshot(driver, path, width)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
