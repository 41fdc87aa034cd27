"""The page of a report: one HTML file with its scripts, its styles and its data."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from framework.reports.curves import curves
from framework.reports.data_files import NAMES
from framework.reports.scores import LIMIT, improvement, mean_rank_diagram, profile
from framework.reports.standings import groups, heat, pairs, problems, standings
from framework.reports.tuning import tuning
from framework.reports.valleys import trajectories
from framework.study.comparison import Comparison
from framework.study.statistics import LEVEL
from framework.system.files import write_whole
from framework.system.formatting import counted
from framework.system.strict_json import dumps

SCRIPTS = ("names.js", "charts.js", "trials.js", "valleys.js", "tables.js", "page.js")
"""The page's scripts, in the order in which they are embedded."""

DIRECTIONS = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Unicode's characters that change the direction of writing."""


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the report's page: one HTML file that needs no other file and no network.

    Plotly's script and the data are embedded compressed; the page unpacks them. The content security policy of the page
    forbids every request.

    Args:
        comparison: what is shown.
        path: the file to write; its folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    write_whole(path, page(comparison).encode("utf-8", "replace"))


def page(comparison: Comparison) -> str:
    """Return the page as HTML."""
    return Template(_asset("page.html")).substitute(
        title=_plain(comparison.title),
        verdict=_plain(comparison.verdict),
        facts=_plain(facts(comparison)),
        protocol="".join(f"<li>{_plain(rule)}</li>" for rule in comparison.protocol),
        about="".join(_about(comparison.about.items())),
        files=_plain(", ".join(NAMES)),
        style=_asset("page.css"),
        plotly=_plotly(),
        data=packed(dumps(payload(comparison))),
        scripts="\n".join(_asset(name) for name in SCRIPTS),
    )


def payload(comparison: Comparison) -> dict[str, Any]:
    """Return what the page's scripts draw; a panel that cannot be drawn is the reason as a text."""
    return {
        "entrants": list(comparison.entrants),
        "problems": problems(comparison),
        "level": LEVEL,
        "limit": LIMIT,
        "standings": standings(comparison),
        "groups": groups(comparison),
        "pairs": pairs(comparison),
        "curves": curves(comparison),
        "tuning": tuning(comparison),
        "profile": profile(comparison),
        "improvement": improvement(comparison),
        "ranks": mean_rank_diagram(comparison),
        "heat": heat(comparison),
        "trajectories": trajectories(comparison),
    }


def facts(comparison: Comparison) -> str:
    """Return the size of the comparison in a line, with a warning if it has too few seeds."""
    seeds = max((each.summary.seeds for each in comparison.standings), default=0)
    parts = [
        counted(len(comparison.entrants), "entrant"),
        counted(len(comparison.problems), "problem"),
        counted(seeds, "reporting seed"),
        counted(len(comparison.trials), "trial") + " of tuning" if comparison.tuned else "not tuned",
    ]
    few = seeds < comparison.seeds_needed
    warning = f" Too few seeds to tell: differences can be significant from {comparison.seeds_needed} seeds on."
    return " · ".join(parts) + "." + (warning if few else "")


def packed(text: str) -> str:
    """Return text compressed with zlib, as base64, which is safe within HTML; the page's scripts unpack it."""
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")


@cache
def _plotly() -> str:
    """Return Plotly's script packed; compressing it takes longer than the rest of most pages."""
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs())


def _about(items: Iterable[tuple[str, Any]]) -> Iterable[str]:
    """Yield a row for each item; the command has a button that copies it."""
    for name, value in items:
        button = '<button type="button" class="copy" data-copies="command">Copy</button>' if name == "command" else ""
        mark = ' id="command"' if name == "command" else ""
        yield f"<dt>{_plain(str(name))}</dt><dd><code{mark}>{_plain(str(value))}</code> {button}</dd>"


def _plain(text: str) -> str:
    """Return a text as HTML that shows it, without the characters that change the direction of what follows."""
    return escape(text.translate(DIRECTIONS))


def _asset(name: str) -> str:
    return resources.files("framework.reports").joinpath("assets", name).read_text(encoding="utf-8")
