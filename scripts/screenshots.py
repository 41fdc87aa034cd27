"""Make the README's pictures docs/mlflow.png, docs/sweep.png, docs/compare.png and docs/blog.png.

The script runs the first sweep command in the README and the `STUDIES`, whose output it prints; with names of studies
as arguments only these. It needs ``pip install -e '.[test,browser]'`` and Chromium. Inspect the pictures before
committing them: they change with the sweep, with the report and with MLflow's UI.
"""

from __future__ import annotations

import base64
import io
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SIZE = (1380, 830)
STUDIES = {
    "compare": ("study=quick", "optimizer=adam,sgd,momentum,lion", "problem=digits_mlp,moons_mlp"),
    "blog": ("study=blog",),
}
"""Arguments after ``compare`` by the name of the picture."""
REPORT_SIZE = (1280, 900)
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
"""Chromium's settings that simulate a mouse; without one, Plotly shows its buttons over the charts."""

sys.path.insert(0, str(ROOT / "tests" / "support"))  # for the helpers of the browser tests
from browsers import Browser, chromium, ui  # noqa: E402
from processes import command  # noqa: E402


def main(words: Sequence[str]) -> int:
    """Make the pictures in empty folders; return the exit code, 1 if a command fails."""
    DOCS.mkdir(exist_ok=True)
    studies = [partial(of_study, name) for name in STUDIES if name in words or not words]
    for make in studies if words else [of_sweep, *studies]:
        with tempfile.TemporaryDirectory() as place:
            home = Path(place, "home")
            home.mkdir()
            for path in make(home, Path(place, "profile")):
                sys.stdout.write(f"wrote {path}, {path.stat().st_size:,} bytes\n")
    return 0


def run(words: Sequence[str], home: Path) -> str:
    """Run the command in a folder and return its output.

    Raises:
        SystemExit: it fails.
    """
    done = command(*words, cwd=home)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def of_sweep(home: Path, profile: Path) -> list[Path]:
    """Write the pictures of the README's first sweep."""
    run(sweep_of_readme(), home)
    (picture,) = home.glob("multirun/*/*/leaderboard.png")
    shutil.copyfile(picture, DOCS / "sweep.png")
    with ui(home) as pages, chromium(profile, SIZE, f"--blink-settings={MOUSE}") as browser:
        close_assistant(browser, pages["server"])
        (DOCS / "mlflow.png").write_bytes(charts(browser, pages["charts of means"]))
    return [DOCS / "sweep.png", DOCS / "mlflow.png"]


def of_study(name: str, home: Path, profile: Path) -> list[Path]:
    """Write the picture of the first screen of a study's report, and print what the study says."""
    sys.stdout.write(run(["compare", *STUDIES[name]], home))
    (page,) = home.glob("multirun/*/*/report/report.html")
    with chromium(profile, REPORT_SIZE, f"--blink-settings={MOUSE}") as browser:
        (DOCS / f"{name}.png").write_bytes(few_colors(first_screen(browser, page.as_uri())))
    return [DOCS / f"{name}.png"]


def first_screen(browser: Browser, address: str) -> bytes:
    """Return a PNG of a report down to its first picture."""
    width, height = REPORT_SIZE
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.open(address)
    browser.wait_for("return document.querySelector('#overview[data-drawn] .main-svg')")
    browser.wait_for(IS_STILL)
    bottom = browser.wait_for("return document.querySelector('#overview .charts').getBoundingClientRect().bottom")
    clip = {"x": 0, "y": 0, "width": width, "height": bottom, "scale": 1}
    shot = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(shot["data"])


def few_colors(picture: bytes) -> bytes:
    """Return a PNG with a palette of 256 colours, which is a third of the size."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as whole:
        whole.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE).save(stream, "png", optimize=True)
    return stream.getvalue()


def sweep_of_readme() -> list[str]:
    """Return the arguments of the README's first sweep.

    Raises:
        SystemExit: the README has no sweep command.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(r"^python -m framework (-m .*)$", text, re.MULTILINE)
    if found is None:
        raise SystemExit("README.md has no line that starts with: python -m framework -m")
    return shlex.split(found[1], comments=True)


def close_assistant(browser: Browser, server: str) -> None:
    """Mark MLflow's assistant as seen; on a first visit it opens and covers a quarter of the page."""
    browser.open(server)
    browser.wait_for_text("Experiments")
    for key, value in (("fab.autoOpenedOnFirstLoad", "true"), ("panelOpen", "false")):
        browser.driver.execute_script(f"localStorage.setItem('mlflow.assistant.{key}_v1', '{value}')")


def charts(browser: Browser, address: str) -> bytes:
    """Return a PNG of the charts at ``address`` in their initial state, without MLflow's menus."""
    browser.open(address)
    browser.wait_for(CLOSE_NOTE)
    browser.wait_for("return document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= 20")
    browser.wait_for(IS_STILL)
    box: dict[str, Any] = browser.wait_for(BOX)
    shot = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": {**box, "scale": 1}})
    return base64.b64decode(shot["data"])


CLOSE_NOTE = """
const buttons = [...document.querySelectorAll('button')];
const place = buttons.findIndex(button => button.textContent === 'Exit shared view');
if (place >= 0) buttons[place + 1].click();
return place >= 0;
"""
IS_STILL = """
const now = document.querySelectorAll('*').length, before = window.elementsBefore;
window.elementsBefore = now;
window.stillFor = now === before ? (window.stillFor ?? 0) + 1 : 0;
return window.stillFor > 40;
"""
BOX = """
const links = [...document.querySelectorAll('a')].filter(link => link.textContent === 'Experiments');
const corner = links.map(link => link.getBoundingClientRect()).find(box => box.left > 180);  // not that of the sidebar
document.querySelectorAll('[data-assistant-ui]').forEach(element => element.remove());
return {x: corner.left - 16, y: corner.top - 12, width: innerWidth - corner.left - 8, height: innerHeight - corner.top};
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
