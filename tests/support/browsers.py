"""Helpers for tests of MLflow's UI: a real ``ui`` process and a headless Chromium that reads its pages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from extras import extra
from processes import PATIENCE, wait_until

FLAGS = (
    "--headless",
    "--no-sandbox",  # without it, Chromium does not start as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def ui(folder: Path) -> Iterator[dict[str, str]]:
    """Serve the store of a folder with the ``ui`` command; yield the addresses that it prints, by their labels.

    The key ``server`` has the address of the server itself.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    said = folder / "ui.txt"
    command = [sys.executable, "-m", "framework", "ui", "--port", address.rpartition(":")[2]]
    with (
        said.open("w") as output,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True) as server,
    ):
        try:
            wait_until(lambda: server.poll() is not None or _answers(address))
            lines = said.read_text().splitlines()
            assert lines[0].startswith(f"MLflow UI: {address}  (store: sqlite:///{folder / 'mlflow.db'}; "), lines
            pages = [line.strip().rpartition("  ") for line in lines if line.startswith("  ")]
            yield {"server": address, **{what.strip(): page for what, _, page in pages}}
        finally:
            with suppress(ProcessLookupError):  # the process has already ended
                os.killpg(server.pid, signal.SIGKILL)  # safe, as it only reads; an orderly shutdown takes seconds


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health") as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except OSError:
        return False


class Browser:
    """A headless Chromium.

    Attributes:
        driver: Selenium's driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Load a page afresh, so that the browser does not just navigate within the current page."""
        self.driver.get("about:blank")
        self.driver.get(address)

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns a true value, and return the value.

        Raises:
            AssertionError: `PATIENCE` seconds have passed; the message has the page's text.
        """
        found: list[Any] = []

        def happened() -> bool:
            found[:] = [self.driver.execute_script(script, *arguments)]
            return bool(found[0])

        try:
            wait_until(happened)
        except AssertionError:
            shown = self.driver.execute_script("return document.body.innerText")
            raise AssertionError(
                f"no {script} {arguments} at {self.driver.current_url}, which shows: {shown}"
            ) from None
        return found[0]

    def wait_for_text(self, text: str) -> None:
        """Wait until the page contains a text."""
        self.wait_for("return document.body.textContent.includes(arguments[0])", text)

    def text(self) -> str:
        """Return the visible text of the page."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def errors(self) -> set[str]:
        """Return the console errors since the last call."""
        return {entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"}

    def requests(self) -> list[str]:
        """Return the addresses that were requested since the last call; needs ``network=True``."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"
        ]

    def table(self) -> list[Mapping[str, str]]:
        """Return the visible rows of the table of runs, each with its cells by column."""
        return list(self.driver.execute_script(ROWS).values())


ROWS = """
const rows = {};
for (const cell of document.querySelectorAll('.ag-row .ag-cell')) {
  const row = cell.closest('.ag-row').getAttribute('row-index');
  (rows[row] ??= {})[cell.getAttribute('col-id')] = cell.textContent;
}
return rows;
"""


@contextmanager
def chromium(
    profile: Path, size: tuple[int, int] = (1800, 1600), *flags: str, network: bool = False
) -> Iterator[Browser]:
    """Start the system's Chromium with its own driver; skip the test if Selenium, Chromium or the driver is missing.

    Args:
        profile: an empty folder for Chromium's state.
        size: width and height of the window in pixels.
        flags: further command-line flags.
        network: whether requests are recorded, for `Browser.requests`.
    """
    extra("selenium", "browser")
    from selenium import webdriver

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (program and driver):
        missing = "chromedriver" if program else "chromium"
        pytest.skip(f"{missing} is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE", **({"performance": "ALL"} if network else {})})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    started.set_page_load_timeout(PATIENCE)
    try:
        yield Browser(started)
    finally:
        started.quit()
