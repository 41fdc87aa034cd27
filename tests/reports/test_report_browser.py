"""The report in a real browser: it draws everything without a request or an error, and its controls work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
from browsers import Browser, chromium
from comparisons import NAMES, comparison, plain_sweep

from framework.reports.page import page as report
from framework.reports.page import write_page
from framework.study.comparison import Comparison

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><img src=x onerror='window.hacked = 1'>",
    """"quotes' & $title ${data} $a^2$ &lt;""",
    "%{x} <b>bold</b> {y}",
    "very long " * 40,
    "ünï 模型 \u202e\nline",
)
ENTRANTS = (*NAMES[:4], *HOSTILE)
PANELS = (
    "overview",
    "curves",
    "target",
    "budget",
    "sensitivity",
    "parallel",
    "trajectories",
    "profile",
    "ranks",
    "heat",
    "improvement",
)
WIDE, NARROW = (1280, 900), (390, 844)


FITS = """
const {width, height} = document.querySelector('#curves .plot .main-svg').getBoundingClientRect();
const page = document.documentElement.scrollWidth;
return innerWidth === arguments[0] && page <= innerWidth && width > 0.8 * page && width <= page && height > 300;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile"), network=True) as started:
        yield started


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return comparison(ENTRANTS, problems=5, seeds=5, trials=8, epochs=6)


@pytest.fixture(scope="module")
def page(compared: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_page(compared, path)
    return path


@pytest.fixture(scope="module")
def asked(browser: Browser, page: Path) -> set[str]:
    """Load and draw the page; return the addresses that it requested."""
    browser.requests()
    load(browser, page.as_uri())
    draw_all(browser)
    return set(browser.requests())


@pytest.fixture
def opened(browser: Browser, asked: set[str]) -> Iterator[Browser]:
    """The drawn page; the tests that share it leave its choices as they were. The console has no errors."""
    yield browser
    assert browser.errors() == set()


def load(browser: Browser, address: str) -> None:
    resize(browser, WIDE)
    browser.open(address)
    browser.wait_for("return document.documentElement.dataset.ready")


def resize(browser: Browser, size: tuple[int, int]) -> None:
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
    )


def draw_all(browser: Browser) -> None:
    """Scroll through the page until each panel is drawn."""
    for panel in PANELS:
        view(browser, panel)
        browser.wait_for("return document.querySelector(`#${arguments[0]} .plot .main-svg`) !== null", panel)


def view(browser: Browser, panel: str) -> None:
    """Scroll to a panel and wait until it is drawn as it was chosen."""
    browser.driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", panel)
    browser.wait_for("return panels.some(panel => panel.id === arguments[0] && panel.visible && !panel.stale)", panel)


def press(browser: Browser, selector: str, *keys: str) -> None:
    """Focus an element and press keys, as without a mouse."""
    element = browser.driver.execute_script(
        "const found = document.querySelector(arguments[0]); found.focus(); return found;", selector
    )
    element.send_keys(*keys)


def traces(browser: Browser, panel: str) -> list[Mapping[str, Any]]:
    """Return the traces that the first chart of a panel draws."""
    script = (
        "const [plot] = document.querySelectorAll(`#${arguments[0]} .plot`);"
        "return plot.data.map(({x, y, name, mode}) => ({x: x && [...x], y: y && [...y], name, mode}));"
    )
    return list(browser.driver.execute_script(script, panel))


def column(browser: Browser, panel: str, number: int) -> list[str]:
    """Return the cells of a column of a panel's table."""
    script = "return [...document.querySelectorAll(arguments[0])].map(cell => cell.textContent)"
    return list(browser.driver.execute_script(script, f"#{panel} tbody td:nth-child({number})"))


def test_all_panels_are_drawn_without_a_request(opened: Browser, asked: set[str], page: Path) -> None:
    others = asked - {"about:blank", page.as_uri()}
    assert page.as_uri() in asked
    assert not [address for address in others if not address.startswith("data:")]


def test_hostile_names_are_shown_as_typed(opened: Browser) -> None:
    assert opened.driver.execute_script("return window.hacked") is None
    names = {" ".join(name.split()) for name in column(opened, "standings", 3)}
    assert names == {" ".join(name.split()) for name in ENTRANTS}
    labels = opened.driver.execute_script(
        "return [...document.querySelectorAll('#heat .ytick text')].map(label => label.textContent)"
    )
    assert {"%{x} <b>bold</b> {y}", "<script>window.hacked = 1…"} <= set(labels)
    assert "ünï 模型 line" in labels  # without the character that reverses what follows
    assert opened.driver.execute_script("return document.querySelectorAll('main img, .plot b').length") == 0


def test_the_figures_drawn_are_the_figures_given(opened: Browser, compared: Comparison) -> None:
    problem = compared.problems[0]
    runs = compared.runs[compared.runs["problem"] == problem.name]
    means = sorted((mean(own["counted"]) for _, own in runs.groupby("entrant")), reverse=True)
    (marks,) = [trace for trace in traces(opened, "overview") if trace["mode"] == "markers" and len(trace["x"]) == 10]
    assert marks["x"] == pytest.approx(means, rel=1e-6)
    curves = compared.curves[(compared.curves["problem"] == problem.name) & (compared.curves["entrant"] == "adam")]
    medians = [median(own[problem.validation]) for _, own in curves.groupby("step")]
    (line,) = [trace for trace in traces(opened, "curves") if trace["name"] == "adam"]
    assert line["x"] == sorted(set(curves["step"]))
    assert line["y"] == pytest.approx(medians, rel=1e-4)


def test_axes_have_the_units_of_their_figures(opened: Browser) -> None:
    script = "return [...document.querySelectorAll('#overview .xtitle')].map(title => title.textContent)"
    titles = opened.driver.execute_script(script)
    assert titles[:2] == [
        "test/accuracy (share of samples, higher is better)",
        "test/loss (unit of the metric, lower is better)",
    ]


def test_the_table_is_filtered_and_sorted_by_keyboard(opened: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    assert len(column(opened, "standings", 1)) == 5 * len(ENTRANTS)
    press(opened, "#standings input[type=search]", "ADAM problem_1")
    assert set(column(opened, "standings", 1)) == {"problem_1"}
    assert set(column(opened, "standings", 3)) == {"adam", "adamw"}
    press(opened, "#standings input[type=search]", Keys.CONTROL + "a", Keys.DELETE)
    directions = []
    for _ in range(2):
        press(opened, "#standings th:nth-child(5) button", Keys.ENTER)
        head = opened.driver.find_element("css selector", "#standings th:nth-child(5)")
        directions.append(head.get_attribute("aria-sort"))
        values = [float(cell.split(" ")[0].replace(",", "")) for cell in column(opened, "standings", 5)]
        assert values == sorted(values, reverse=directions[-1] == "descending")
    assert directions == ["ascending", "descending"]


def test_the_legend_and_the_switches_change_the_curves(opened: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    view(opened, "curves")
    drawn = {trace["name"] for trace in traces(opened, "curves")}
    assert "adam" in drawn and len(drawn - {None}) == 8  # of ten, the best eight
    press(opened, "#legend button[data-entrant='0']", Keys.ENTER)
    assert "adam" not in {trace["name"] for trace in traces(opened, "curves")}
    assert opened.driver.switch_to.active_element.get_attribute("aria-pressed") == "false"
    press(opened, "#legend button[data-entrant='0']", Keys.ENTER)
    by_step = next(trace for trace in traces(opened, "curves") if trace["name"] == "adam")
    press(opened, "#curves input[name=along]:checked", Keys.ARROW_RIGHT)
    by_epoch = next(trace for trace in traces(opened, "curves") if trace["name"] == "adam")
    assert by_step["x"] == [40 * epoch for epoch in by_epoch["x"]]
    press(opened, "#problem", Keys.ARROW_DOWN)
    view(opened, "curves")
    assert opened.driver.find_element("css selector", "#curves h3").text == "problem_1"
    assert next(trace for trace in traces(opened, "curves") if trace["name"] == "adam")["y"] != by_epoch["y"]
    press(opened, "#problem", Keys.ARROW_UP)
    press(opened, "#curves input[name=along]:checked", Keys.ARROW_LEFT)
    view(opened, "curves")
    assert next(trace for trace in traces(opened, "curves") if trace["name"] == "adam") == by_step


def test_paths_are_played_up_to_a_step(opened: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    view(opened, "trajectories")
    whole = traces(opened, "trajectories")[2]
    press(opened, "#frame", Keys.HOME)
    opened.wait_for("return document.querySelector('#trajectories .plot').data[2].x.length === 1")
    assert traces(opened, "trajectories")[2]["x"] == whole["x"][:1]
    press(opened, "#play", Keys.ENTER)
    opened.wait_for("return document.getElementById('frame-step').textContent !== 'step 0'")
    press(opened, "#frame", Keys.END)
    opened.wait_for(
        "return document.querySelector('#trajectories .plot').data[2].x.length === arguments[0]", len(whole["x"])
    )


def test_charts_follow_the_width_of_the_window(opened: Browser) -> None:
    view(opened, "curves")
    for size in (NARROW, WIDE):
        resize(opened, size)
        opened.wait_for(FITS, size[0])


@pytest.mark.long
def test_printing_draws_all_panels_in_light_colours(opened: Browser) -> None:
    opened.driver.execute_script("theme(true); dispatchEvent(new Event('beforeprint'))")
    drawn = opened.driver.execute_script(
        "return [...document.querySelectorAll('[data-drawn]')].map(section => section.id)"
    )
    assert set(drawn) == set(PANELS)
    assert opened.driver.execute_script("return document.documentElement.dataset.theme") == "light"
    opened.driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert opened.driver.execute_script("return document.documentElement.dataset.theme") == "dark"


def test_in_a_sandbox_everything_but_saving_works(browser: Browser, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper.html"
    content = escape(report(comparison(NAMES[:2], problems=5, seeds=3, trials=4, epochs=3)))
    wrapper.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><iframe sandbox="allow-scripts" width="1200" height="800" '
        f'srcdoc="{content}"></iframe>',
        encoding="utf-8",
    )
    browser.errors()
    browser.open(wrapper.as_uri())
    browser.driver.switch_to.frame(0)
    try:
        browser.wait_for("return document.documentElement.dataset.ready")
        draw_all(browser)
        browser.driver.execute_script("document.getElementById('theme').click()")
        assert browser.driver.execute_script("return document.documentElement.dataset.theme") == "dark"
        assert browser.driver.execute_script("return document.querySelectorAll('.save').length") == 0
        browser.wait_for_text("open the file itself")
        browser.driver.execute_script("document.querySelector('#standings .copy').click()")
        browser.wait_for("return document.getElementById('said').textContent.includes('Cop')")
    finally:
        browser.driver.switch_to.default_content()
    assert browser.errors() == set()


@pytest.mark.long
def test_a_plain_sweep_says_what_it_lacks(browser: Browser, tmp_path: Path) -> None:
    write_page(plain_sweep(), tmp_path / "sweep.html")
    load(browser, (tmp_path / "sweep.html").as_uri())
    said = {
        panel: browser.driver.find_element("css selector", f"#{panel} .note").get_attribute("textContent")
        for panel in ("curves", "budget", "parallel", "trajectories", "profile", "ranks", "pairs")
    }
    assert said["budget"] == said["parallel"] == "Nothing was tuned: each entrant has one setting."
    assert "5 problems" in said["ranks"]
    assert all(said.values())
    assert browser.errors() == set()
