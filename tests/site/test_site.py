"""What a reader meets: every page from disk, on a phone and on a desk, in light and in dark."""

import json
import re
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from bookbuild import render, site
from bookbuild.chapters import BOOK, pages
from bookbuild.render import SITE
from tests.site.screenshots import open_page

ROOT = Path(__file__).parents[2]
PHONE, DESKTOP = 390, 1280


def pytest_generate_tests(metafunc):
    if "page" in metafunc.fixturenames:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            metafunc.parametrize("page", pages())


def test_the_site_is_what_the_sources_give():
    assert render.is_fresh(), "the site is older than its sources: run `make book` first"


def test_the_files_of_the_site_have_no_faults():
    assert site.faults(SITE) == []


def forget(driver):
    """Throw away what the browser noted of earlier pages."""
    for log in ("browser", "performance"):
        driver.get_log(log)


def asked_for(driver):
    """What the page that is open asked for, and which of it failed, as two lists of addresses.

    The log holds what other pages did in the same tab, too: the browser's start page, or the page
    before. A request is this page's if this page, as loaded now, or a frame inside it, made it.
    """
    tree = driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]
    page, inside = tree["frame"], set()
    requests, failed = {}, []
    for entry in driver.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        told = event["params"]
        if event["method"] == "Page.frameAttached":
            if told["parentFrameId"] in {page["id"], *inside}:
                inside.add(told["frameId"])
        elif event["method"] == "Network.requestWillBeSent":
            if told["requestId"] == page["loaderId"]:  # the page itself: what was before is gone
                inside.clear()
                requests.clear()
            if told["loaderId"] == page["loaderId"] or told.get("frameId") in inside:
                requests[told["requestId"]] = told["request"]["url"]
        elif event["method"] == "Network.loadingFailed":
            failed.append(told["requestId"])
    return list(requests.values()), [requests[one] for one in failed if one in requests]


def is_remote(url):
    return url.startswith(("http", "ws"))


def test_a_page_opens_without_errors_and_loads_nothing_remote(driver, page):
    forget(driver)
    open_page(driver, page, DESKTOP, theme=None)
    logged = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert logged == []
    urls, failed = asked_for(driver)
    assert driver.current_url in urls
    assert list(filter(is_remote, urls)) == []
    assert failed == []


NOWHERE = "http://nowhere.invalid"


@pytest.fixture
def visit(driver, tmp_path):
    """Open a page of these elements, and wait until it is loaded, failed loads included."""

    def open_page_of(*elements):
        path = tmp_path / "page.html"
        path.write_text(f"<!doctype html><title>p</title>{''.join(elements)}", encoding="utf-8")
        driver.get(path.as_uri())
        return path.as_uri()

    yield open_page_of
    forget(driver)


@pytest.mark.parametrize("element", ["img", "script", "iframe"])
def test_what_a_page_loads_from_elsewhere_is_noticed(driver, visit, element):
    forget(driver)
    address = visit(f'<{element} src="{NOWHERE}/{element}"></{element}>')
    urls, failed = asked_for(driver)
    assert urls == [address, f"{NOWHERE}/{element}"]
    assert failed == [f"{NOWHERE}/{element}"]


def test_a_missing_file_is_noticed(driver, visit):
    forget(driver)
    address = visit('<img src="gone.png">')
    assert asked_for(driver)[1] == [address.replace("page.html", "gone.png")]


def test_what_another_page_in_the_tab_asked_for_is_not_the_page_s(driver, visit):
    forget(driver)
    visit(f'<img src="{NOWHERE}/image"><iframe src="{NOWHERE}/frame"></iframe>')
    driver.get("about:blank")
    address = visit("<p>quiet</p>")
    assert asked_for(driver) == ([address], [])


def test_maths_and_pictures_are_drawn(driver, page):
    open_page(driver, page, DESKTOP)  # waits until every formula is typeset
    content = (SITE / BOOK / f"{page}.html").read_text(encoding="utf-8")
    formulas = len(re.findall(r'class="math ', content))
    drawn = driver.execute_script("return document.querySelectorAll('.math mjx-container').length")
    assert drawn >= formulas
    assert driver.execute_script("return document.querySelectorAll('mjx-merror').length") == 0
    assert (
        driver.execute_script(
            "return [...document.querySelectorAll('article img')].map(i => [i.src, i])"
            ".filter(([src, i]) => i.loading !== 'lazy' && !(i.complete && i.naturalWidth))"
            ".map(([src]) => src)"
        )
        == []
    )


def test_a_phone_shows_a_page_without_sideways_scrolling(driver, page):
    open_page(driver, page, PHONE)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    wide = driver.execute_script(
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('pre'))"
        ".map(e => e.outerHTML.slice(0, 120)).slice(0, 5)"
    )
    assert width <= PHONE, f"{page} is {width} px wide: {wide}"


def test_light_and_dark_differ_and_can_be_read(driver, page):
    backgrounds = set()
    for theme in ("light", "dark"):
        open_page(driver, page, DESKTOP, theme)
        background, text = driver.execute_script(
            "const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);"
            " return (0.299 * r + 0.587 * g + 0.114 * b) / 255 };"
            "const of = (e, p) => light(getComputedStyle(e)[p]);"
            "const prose = document.querySelector('article p, article');"
            "return [of(document.body, 'backgroundColor'), of(prose, 'color')]"
        )
        assert abs(background - text) > 0.5, f"{page} in {theme}"
        backgrounds.add(round(background, 1))
    assert len(backgrounds) == 2


def test_the_search_finds_a_word_from_disk(driver):
    driver.get((SITE / "search.html").absolute().as_uri() + "?q=counties")
    found = "return document.querySelectorAll('#search-results li a').length"
    assert WebDriverWait(driver, 20).until(lambda browser: browser.execute_script(found))


def test_the_front_door_leads_to_the_book(driver):
    driver.get((SITE / "index.html").absolute().as_uri())
    WebDriverWait(driver, 10).until(lambda browser: "/book/index.html" in browser.current_url)


def test_tabs_can_be_switched(driver):
    tabbed = [p for p in pages() if "sd-tab-set" in (SITE / BOOK / f"{p}.html").read_text("utf-8")]
    if not tabbed:
        pytest.skip("no page has tabs")
    open_page(driver, tabbed[0], DESKTOP)
    shown = (
        "const tabs = document.querySelector('.sd-tab-set');"
        "return [...tabs.querySelectorAll(':scope > .sd-tab-content')]"
        ".map(content => content.offsetHeight > 0)"
    )
    before = driver.execute_script(shown)
    driver.execute_script("document.querySelectorAll('.sd-tab-set > label')[1].click()")
    after = driver.execute_script(shown)
    assert before.count(True) == after.count(True) == 1
    assert before != after


def test_the_policy_lets_nothing_out(driver, tmp_path):
    """Whatever a page holds, the browser refuses to load or send it; the page itself works."""
    planted = (
        "<img src='https://away.example/a.png'><script src='https://away.example/a.js'></script>"
        "<link rel=stylesheet href='https://away.example/a.css'>"
        "<style>@import 'https://away.example/b.css'; @font-face { font-family: f; "
        "src: url(https://away.example/f.woff2) } p { font-family: f }</style><p>Words</p>"
        "<iframe src='https://away.example/'></iframe>"
        "<script>fetch('https://away.example/x').catch(() => {});"
        "navigator.sendBeacon('https://away.example/y'); window.ran = true</script>"
    )
    page = tmp_path / "page.html"
    page.write_text(f"<html><head>{site.POLICY}</head><body>{planted}</body></html>")
    driver.get_log("performance")
    driver.get(page.as_uri())
    assert driver.execute_script("return window.ran"), "inline scripts of the flip-books run"
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = {
        m["params"]["requestId"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
        and "away.example" in m["params"]["request"]["url"]
    }
    refused = {
        m["params"]["requestId"]
        for m in messages
        if m["method"] == "Network.loadingFailed" and m["params"].get("blockedReason") == "csp"
    }
    assert asked
    assert asked <= refused
    driver.get_log("browser")
