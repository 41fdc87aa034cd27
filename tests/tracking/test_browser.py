"""MLflow's pages in a real browser: the addresses that ``ui`` prints open on tables and charts that are not empty."""

from __future__ import annotations

import csv
import struct
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean, stdev

import pytest
from browsers import Browser, chromium, ui
from processes import command

from framework.runs.cursor import run_id

SETTINGS = [f"{optimizer} lr={lr} epochs=3" for optimizer in ("sgd", "adam") for lr in ("0.01", "0.1")]
ACCURACY = "kept/val/accuracy"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def sweep(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of four settings with two seeds, recorded by the real command."""
    home = tmp_path_factory.mktemp("home")
    words = ("problem=digits_softmax", "epochs=3", "optimizer=sgd,adam", "optimizer.lr=0.01,0.1", "seed=0,1")
    done = command("-m", *words, "launcher.workers=1", cwd=home)
    assert done.returncode == 0, done.stderr
    (folder,) = home.glob("multirun/*/*")
    return folder


@pytest.fixture(scope="module")
def pages(sweep: Path) -> Iterator[Mapping[str, str]]:
    with ui(sweep.parents[2]) as found:
        yield found


@pytest.fixture(scope="module")
def usual(browser: Browser, pages: Mapping[str, str]) -> set[str]:
    """Errors in the console of an MLflow that has nothing to show: its start page, and an experiment without runs."""
    browser.errors()
    browser.open(pages["server"])
    browser.wait_for_text("Experiments")
    browser.open(f"{pages['server']}/#/experiments/0/runs?workflowType=machine_learning")
    browser.wait_for_text("No runs logged")
    return browser.errors()


@pytest.fixture(autouse=True)
def no_further_errors(browser: Browser, usual: set[str]) -> Iterator[None]:
    yield
    assert browser.errors() <= usual


@pytest.fixture(scope="module")
def figures(sweep: Path) -> dict[str, list[float]]:
    """The kept validation accuracy of each run, by setting."""
    found: dict[str, list[float]] = {}
    with (sweep / "leaderboard.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["setting"], []).append(float(row[ACCURACY]))
    assert sorted(found) == sorted(SETTINGS)
    return found


def page_of(pages: Mapping[str, str], folder: Path, *parts: str) -> str:
    experiment = urllib.parse.urlsplit(pages["runs"]).fragment.split("/")[2]
    return "/".join([f"{pages['server']}/#/experiments/{experiment}/runs/{run_id(folder)}", *parts])


def cell(row: Mapping[str, str], kind: str, name: str) -> str:
    return row.get(f"{kind}.`{name}`", "")


def test_the_table_of_runs_has_figures_and_one_row_for_the_sweep(
    browser: Browser, pages: Mapping[str, str], figures: Mapping[str, list[float]]
) -> None:
    browser.open(pages["runs"])
    browser.wait_for_text("best/val/accuracy")
    browser.wait_for_text("sweep of 8: sgd, adam")
    (row,) = [row for row in browser.table() if "sweep of 8" in cell(row, "attributes", "Run Name")]
    best = max(mean(values) for values in figures.values())
    assert float(cell(row, "metrics", "best/val/accuracy")) == pytest.approx(best, rel=1e-9)
    shown = browser.text()
    assert "Model registry" in shown  # the view of model training,
    assert "Evaluation runs" not in shown  # and not that of language models


def test_the_table_of_settings_averages_over_seeds(
    browser: Browser, pages: Mapping[str, str], figures: Mapping[str, list[float]]
) -> None:
    browser.open(pages["means over seeds"])
    for setting in SETTINGS:
        browser.wait_for_text(f"{setting}, problem: digits_softmax")
    for setting, values in figures.items():
        (row,) = [row for row in browser.table() if f"{setting}, " in cell(row, "attributes", "Run Name")]
        shown = cell(row, "metrics", ACCURACY).removesuffix(" (average)")
        assert float(shown) == pytest.approx(mean(values), rel=1e-9)


def test_the_charts_draw_a_line_and_a_bar_per_setting(browser: Browser, pages: Mapping[str, str]) -> None:
    browser.open(pages["charts of means"])
    for setting in SETTINGS:
        browser.wait_for_text(f"setting: {setting}, problem: digits_softmax (val/loss)")
    # A line for each setting in each chart of losses, and a band of its seeds around it.
    browser.wait_for("return document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= 4")
    browser.wait_for("return document.querySelectorAll('.js-plotly-plot .barlayer .point').length >= 4")


def test_the_page_of_a_run_names_its_setting(browser: Browser, pages: Mapping[str, str], sweep: Path) -> None:
    folder = next(path.parent for path in sorted(sweep.glob("*/journal.jsonl")) if path.parent.name == "0")
    browser.open(page_of(pages, folder))
    browser.wait_for_text("setting: sgd lr=0.01 epochs=3")
    browser.wait_for_text(ACCURACY)
    browser.wait_for_text("optimizer.lr")
    browser.wait_for_text("python -m framework problem=digits_softmax epochs=3 optimizer=sgd optimizer.lr=0.01 seed=0")


def test_the_page_of_the_sweep_shows_means_with_deviations(
    browser: Browser, pages: Mapping[str, str], sweep: Path, figures: Mapping[str, list[float]]
) -> None:
    browser.open(page_of(pages, sweep))
    for setting, values in figures.items():
        browser.wait_for(CELLS, [setting.removesuffix(" epochs=3"), "2", f"{mean(values):.4f} ± {stdev(values):.4f}"])
    browser.wait_for_text("Best setting per optimizer by kept/val/accuracy:")
    browser.wait_for_text("best/val/accuracy")
    assert all(gap >= MARGIN for gap in browser.wait_for(GAPS))


MARGIN = 8
"""Pixels between the texts of two cells, so that figures do not run together."""
GAPS = """
const edges = cell => {
  const range = document.createRange();
  range.setStart(cell.firstChild, cell.firstChild.textContent.search(/\\S/));
  range.setEnd(cell.firstChild, cell.firstChild.length);
  return range.getBoundingClientRect();
};
const row = [...document.querySelectorAll('tr')].find(row => row.textContent.includes('±'));
const boxes = [...row.children].map(edges);
return boxes.slice(1).map((box, place) => box.left - boxes[place].right);
"""
CELLS = """
return [...document.querySelectorAll('tr')].some(
  row => arguments[0].every((text, place) => row.children[place]?.textContent.trim() === text))
"""


def test_the_picture_of_the_sweep_is_among_its_artifacts(
    browser: Browser, pages: Mapping[str, str], sweep: Path
) -> None:
    size = struct.unpack(">II", (sweep / "leaderboard.png").read_bytes()[16:24])
    browser.open(page_of(pages, sweep, "artifacts", "leaderboard.png"))
    browser.wait_for(PICTURE, *size)


PICTURE = """
return [...document.images].some(i => i.naturalWidth === arguments[0] && i.naturalHeight === arguments[1]);
"""
