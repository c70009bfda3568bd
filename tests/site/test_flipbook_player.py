"""The flip-book in a browser: what its buttons, keys and slider do, in which looks."""

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from bookbuild.render import SITE
from lmm_helpers import load_bounce
from lmm_helpers.figures.flipbook import flipbook

PAGES = 5
VISITS = load_bounce()
ALT = "Scatter plots of time against age, real and imagined."
HOSTILE = "</script><img src=x onerror=document.title='hacked'>"
STYLES = ("theme.css", "pydata-sphinx-theme.css", "sphinx-book-theme.css")


def bind(names=("generic", "defaults", "weak"), real=VISITS, **changes):
    options = {
        "x": "age",
        "y": "bounce_time",
        "hue": "county",
        "xlabel": "age (years)",
        "ylabel": "time (seconds)",
        "ylim": (0, 400),
        "alt": ALT,
        "caption": "Turn the pages.",
    }
    rng = np.random.default_rng(1)
    books = {name: rng.normal(0, 100 + 100 * i, (PAGES, len(real))) for i, name in enumerate(names)}
    return flipbook(books, real=real, **options | changes).data


def lined():
    """Two books with lines and one without."""
    turn = np.arange(1, PAGES + 1)[:, None]
    lines = {
        "generic": 200 + turn * (VISITS["age"].to_numpy() - 50),
        "weak": np.tile(200.0 + VISITS["county"].cat.codes.to_numpy(), (PAGES, 1)),
    }
    return bind(lines=lines)


def page_of(*fragments, theme="light", jupyter=False):
    """A page like those of the site, or like JupyterLab's."""
    styles = [(SITE / "_static" / "styles" / name).absolute().as_uri() for name in STYLES]
    links = "" if jupyter else "".join(f'<link rel="stylesheet" href="{url}">' for url in styles)
    is_light = "true" if theme == "light" else "false"
    marked = f'data-jp-theme-light="{is_light}"' if jupyter else ""
    html = "" if jupyter else f'data-theme="{theme}" data-mode="{theme}"'
    cells = "".join(f'<div class="output text_html">{fragment}</div>' for fragment in fragments)
    return (
        f'<!doctype html><html lang="en" {html}><meta charset="utf-8"><title>quiet</title>'
        f'<meta name="viewport" content="width=device-width">{links}<body {marked}>'
        '<div class="bd-content"><article style="max-width: 700px; margin: auto">'
        f'<p>Before.</p><div class="cell_output">{cells}</div><p>After.</p></article></div></html>'
    )


CLOCK = """
let started = 0;
window.timers = new Map();
window.setInterval = (call, pause) => (timers.set(++started, {call, pause}), started);
window.clearInterval = timer => timers.delete(timer);
"""


def pauses(driver):
    """The pause of each timer that runs on a page with a clock of ours, in milliseconds."""
    return driver.execute_script("return [...timers.values()].map(timer => timer.pause)")


def tick(driver):
    """Let the pause of each timer pass."""
    driver.execute_script("timers.forEach(timer => timer.call())")


@pytest.fixture
def stopped_clock(driver):
    """Pages are opened with a clock that only `tick` moves, so that no test races with one."""
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK})
    yield
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.fixture
def show(driver, tmp_path):
    """Open a page with flip-books from disk; afterwards the browser is as it was."""

    def open_page(*fragments, width=1280, media=(), scripts=True, **look):
        path = tmp_path / "page.html"
        path.write_text(page_of(*fragments or [bind()], **look), encoding="utf-8")
        command("Emulation.setDeviceMetricsOverride", **size(width))
        command("Emulation.setEmulatedMedia", features=[dict(media)] if media else [])
        command("Emulation.setScriptExecutionDisabled", value=not scripts)
        driver.get_log("browser")
        driver.get(path.as_uri())
        return driver

    def size(width):
        return {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}

    def command(name, **arguments):
        driver.execute_cdp_cmd(name, arguments)

    yield open_page
    logged = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    command("Emulation.setScriptExecutionDisabled", value=False)
    command("Emulation.setEmulatedMedia", media="", features=[])
    assert logged == []


def find(driver, css):
    return driver.find_element(By.CSS_SELECTOR, css)


def counter(driver):
    return find(driver, ".flipbook-counter").text


def status(driver):
    return find(driver, ".flipbook-status").get_property("textContent")


def button(driver, label):
    return find(driver, f".flipbook-player button[aria-label^='{label}']")


def dots(driver, place):
    """The counts and dots of the panels below an element, the real data's first."""
    return driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(panel =>"
        " [panel.querySelector('.flipbook-count').textContent,"
        "  [...panel.querySelectorAll('path[style]')].map(p => p.getAttribute('d'))])",
        place,
    )


@pytest.mark.usefixtures("stopped_clock")
def test_the_player_takes_the_place_of_the_printed_pages_and_is_paused(show):
    driver = show()
    assert find(driver, ".flipbook-player").is_displayed()
    assert not find(driver, ".flipbook-grid").is_displayed()
    assert pauses(driver) == []
    assert counter(driver) == f"page 1 of {PAGES}"
    assert button(driver, "Play").text == "Play"
    titles = driver.find_elements(By.CSS_SELECTOR, ".flipbook-stage .flipbook-title")
    assert [title.text for title in titles] == ["real data", "generic", "defaults", "weak"]
    assert find(driver, ".flipbook-stage").get_attribute("aria-label") == ALT


@pytest.mark.parametrize(("bound", "paths"), [(bind, 8 * 3), (lined, 8 * 3 + 8 * 2)])
def test_script_and_python_draw_the_same_pages(show, bound, paths):
    driver = show(bound())
    for page in (1, 2, 3):
        printed = dots(driver, f".flipbook-page-{page}:not(.flipbook-stage *)")
        assert len(printed) == 3
        assert sum(len(drawn) for _, drawn in printed) == paths
        assert dots(driver, ".flipbook-stage .flipbook-panel")[1:] == printed
        button(driver, "Next").click()


def test_lines_turn_with_the_pages_in_the_colour_of_their_dots(show):
    driver = show(lined())
    line = find(driver, ".flipbook-stage .flipbook-line")
    dot = find(driver, ".flipbook-stage .flipbook-group")
    assert line.value_of_css_property("stroke") == dot.value_of_css_property("stroke")
    first = line.get_attribute("d")
    button(driver, "Next").click()
    assert line.get_attribute("d") != first
    button(driver, "Previous").click()
    assert line.get_attribute("d") == first


def test_the_real_data_stay_while_pages_turn(show):
    driver = show()
    before = dots(driver, ".flipbook-stage .flipbook-panel")
    button(driver, "Next").click()
    after = dots(driver, ".flipbook-stage .flipbook-panel")
    assert before[0] == after[0]
    assert all(old != new for old, new in zip(before[1:], after[1:], strict=True))


def test_buttons_step_and_go_round(show):
    driver = show()
    button(driver, "Next").click()
    assert counter(driver) == f"page 2 of {PAGES}"
    for _ in range(2):
        button(driver, "Previous").click()
    assert counter(driver) == f"page {PAGES} of {PAGES}"
    assert find(driver, "input").get_property("value") == str(PAGES)
    button(driver, "Next").click()
    assert counter(driver) == f"page 1 of {PAGES}"


def test_named_pages_say_what_they_stand_for(show):
    steps = ["none", "a little", "half", "much", HOSTILE]
    driver = show(bind(page_names=steps))
    for number, step in enumerate(steps, start=1):
        title = f"page {number} of {PAGES}: {step}"
        assert counter(driver) == title
        assert find(driver, "input").get_attribute("aria-valuetext") == title
        button(driver, "Next").click()
        assert status(driver).startswith(f"Page {number % PAGES + 1} of {PAGES}: ")
    assert driver.title == "quiet"


def test_keys_work_while_the_player_has_the_focus(show):
    driver = show()
    player = find(driver, ".flipbook-player")
    for key, page in [
        (Keys.ARROW_RIGHT, 2),
        (Keys.END, PAGES),
        (Keys.ARROW_LEFT, PAGES - 1),
        (Keys.HOME, 1),
    ]:
        player.send_keys(key)
        assert counter(driver) == f"page {page} of {PAGES}"
    player.send_keys(Keys.SPACE)
    assert button(driver, "Pause").text == "Pause"
    player.send_keys(Keys.SPACE)
    assert button(driver, "Play").text == "Play"


def test_keys_on_a_button_or_the_slider_count_once(show):
    driver = show()
    button(driver, "Play").send_keys(Keys.SPACE)
    button(driver, "Pause").send_keys(Keys.SPACE)
    assert counter(driver) == f"page 1 of {PAGES}"
    slider = find(driver, "input")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert counter(driver) == f"page 2 of {PAGES}"
    assert slider.get_attribute("aria-valuetext") == f"page 2 of {PAGES}"
    slider.send_keys(Keys.END)
    assert counter(driver) == f"page {PAGES} of {PAGES}"
    button(driver, "Next").send_keys(Keys.SPACE)
    assert counter(driver) == f"page 1 of {PAGES}"
    button(driver, "Next").send_keys(Keys.ARROW_RIGHT)
    assert counter(driver) == f"page 2 of {PAGES}"


def test_keys_of_the_player_reach_neither_the_page_nor_other_shortcuts(show):
    driver = show()
    driver.execute_script("document.body.style.minHeight = '300vh'")  # can be scrolled
    driver.execute_script("document.onkeydown = event => { document.title += event.key }")
    player = find(driver, ".flipbook-player")
    player.send_keys(Keys.ARROW_RIGHT)
    player.send_keys(Keys.SPACE)
    find(driver, "input").send_keys(Keys.ARROW_LEFT)
    assert driver.title == "quiet"
    assert driver.execute_script("return scrollY") == 0
    player.send_keys(Keys.CONTROL, Keys.ARROW_RIGHT)
    assert "ArrowRight" in driver.title


def test_play_turns_pages_by_itself(show):
    driver = show()
    button(driver, "Play").click()
    WebDriverWait(driver, 60, 0.1).until(lambda d: counter(d) != f"page 1 of {PAGES}")


@pytest.mark.usefixtures("stopped_clock")
def test_play_turns_pages_until_paused_or_stepped(show):
    driver = show()
    for stop, page in {"Previous": 2, "Pause": 4}.items():
        button(driver, "Play").click()
        assert len(pauses(driver)) == 1
        tick(driver)
        tick(driver)
        button(driver, stop).click()
        assert button(driver, "Play").text == "Play"
        assert pauses(driver) == []
        assert counter(driver) == f"page {page} of {PAGES}"


@pytest.mark.usefixtures("stopped_clock")
def test_the_page_is_announced_when_the_reader_steps_and_not_while_it_plays(show):
    driver = show()
    region = find(driver, ".flipbook-status")
    assert (region.get_attribute("role"), region.get_attribute("aria-live")) == ("status", "polite")
    assert status(driver) == ""
    button(driver, "Next").click()
    assert status(driver).startswith(f"Page 2 of {PAGES}. generic: ")
    assert "below" in status(driver)
    button(driver, "Play").click()
    tick(driver)
    assert counter(driver) == f"page 3 of {PAGES}"
    assert status(driver) == ""


@pytest.mark.usefixtures("stopped_clock")
def test_readers_who_want_less_motion_get_slow_pages(show):
    def pause(**look):
        driver = show(**look)
        assert pauses(driver) == []
        button(driver, "Play").click()
        (found,) = pauses(driver)
        return found, driver

    usual, _ = pause()
    slow, driver = pause(media={"name": "prefers-reduced-motion", "value": "reduce"}.items())
    assert 500 <= usual <= 1000
    assert 2000 <= slow <= 4000
    assert counter(driver) == f"page 1 of {PAGES}"
    tick(driver)
    assert counter(driver) == f"page 2 of {PAGES}"
    moving = "return document.getAnimations().length"
    assert driver.execute_script(moving) == 0


def test_every_control_has_a_name_and_shows_its_focus(show):
    driver = show()
    find(driver, "body").send_keys(Keys.TAB)
    for _ in range(5):
        focused = driver.switch_to.active_element
        assert focused.get_attribute("aria-label")
        assert focused.value_of_css_property("outline-style") == "solid"
        assert float(focused.value_of_css_property("outline-width")[:-2]) >= 2
        focused.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.tag_name == "body"


def test_several_flipbooks_on_a_page_turn_alone(show):
    driver = show(bind(), bind(["other"]), bind())
    counters = driver.find_elements(By.CSS_SELECTOR, ".flipbook-counter")
    assert len(counters) == 3
    driver.find_elements(By.CSS_SELECTOR, "button[aria-label^='Next']")[1].click()
    assert [c.text.split()[1] for c in counters] == ["1", "2", "1"]
    assert driver.execute_script("return document.querySelectorAll('.flipbook [id]').length") == 0


def test_without_scripts_the_printed_pages_are_there(show):
    driver = show(scripts=False)
    grid = find(driver, ".flipbook-grid")
    assert grid.is_displayed()
    assert grid.get_attribute("aria-label") == ALT
    assert len(grid.find_elements(By.CSS_SELECTOR, ".flipbook-panel")) == 1 + 3 * 3
    assert not driver.find_elements(By.CSS_SELECTOR, ".flipbook button, .flipbook input")


def test_on_paper_the_pages_are_printed_dark_on_white(show):
    driver = show(theme="dark")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert find(driver, ".flipbook-grid").is_displayed()
    assert not find(driver, ".flipbook-player").is_displayed()
    assert background(driver) == 255


def background(driver):
    colour = find(driver, ".flipbook").value_of_css_property("background-color")
    return int(colour.strip("rgba()").split(",")[0])


@pytest.mark.parametrize("jupyter", [False, True])
def test_light_and_dark_follow_the_site_and_jupyterlab(show, jupyter):
    seen = []
    for theme in ("light", "dark"):
        driver = show(theme=theme, jupyter=jupyter)
        path = find(driver, ".flipbook-stage path.flipbook-group")
        seen.append((background(driver), path.value_of_css_property("stroke")))
        card = find(driver, ".text_html")
        assert card.value_of_css_property("background-color") == "rgba(0, 0, 0, 0)"
    assert seen[0][0] > 240
    assert seen[1][0] < 40
    assert seen[0][1] != seen[1][1]


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (1280, 2)])
@pytest.mark.parametrize("scripts", [True, False])
def test_panels_stand_in_two_columns_or_one_and_nothing_overflows(show, width, columns, scripts):
    driver = show(width=width, scripts=scripts)
    shown = ".flipbook-stage" if scripts else ".flipbook-grid"
    panels = driver.find_elements(By.CSS_SELECTOR, f"{shown} .flipbook-panel")
    assert len({round(panel.rect["x"]) for panel in panels}) == (
        columns if scripts or width < 500 else 3
    )
    assert max(panel.rect["x"] + panel.rect["width"] for panel in panels) <= width
    spans = driver.find_elements(By.CSS_SELECTOR, f"{shown} .flipbook-plot span")
    assert min(span.rect["x"] for span in spans) >= 0
    assert max(span.rect["x"] + span.rect["width"] for span in spans) <= width
    if scripts:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_hostile_names_are_shown_as_they_are(show):
    real = pd.DataFrame({"x": [1, 2], "y": [0, 1], "group": HOSTILE})
    columns = {"x": "x", "y": "y", "hue": "group", "ylim": (-1, 1)}
    words = {"xlabel": HOSTILE, "ylabel": HOSTILE, "alt": HOSTILE, "caption": HOSTILE}
    driver = show(bind([HOSTILE], real, **columns, **words, palette={HOSTILE: "red"}))
    assert find(driver, ".flipbook-stage").get_attribute("aria-label") == HOSTILE
    button(driver, "Next").click()
    assert HOSTILE in status(driver)
    assert find(driver, ".flipbook-legend").text == HOSTILE
    assert not driver.find_elements(By.TAG_NAME, "img")
    assert driver.title == "quiet"
