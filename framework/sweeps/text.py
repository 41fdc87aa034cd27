"""Text tables of a sweep's settings, for the terminal and for the parent run's page in MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from framework.sweeps.by_setting import Setting, Spread, best_of_each, tied_with_first
from framework.sweeps.leaderboard import Table
from framework.system.formatting import counted, figure_text, listed, shortened_path, table
from framework.training.kept import TEST, VALIDATION

MOST_SHOWN = 20
"""Maximum number of settings per table in the terminal."""
MOST_ON_PAGE = 30
"""Maximum number of settings per table on the parent run's page."""
GAP = "&emsp;"
"""Space between columns on that page, because MLflow's style sheet adds none."""


def settings_text(found: Sequence[Table], folder: Path | None) -> str:
    """Return the tables of a sweep for the terminal.

    Args:
        found: the tables.
        folder: the sweep's folder, to name the file with the rows that are not shown; None to name none.
    """
    parts = []
    for one in found:
        rows = [heads(one), *(cells(one, setting) for setting in one.settings[:MOST_SHOWN])]
        lines = [title(one)] if one.shared or len(found) > 1 else []
        lines.append(table(rows))
        hidden = len(one.settings) - MOST_SHOWN
        if hidden > 0:
            where = f" in {shortened_path(folder / 'settings.csv')}" if folder else ""
            lines.append(f"  … and {hidden} more{where}")
        parts.append("\n".join([*lines, *verdict(one)]))
    return "\n".join(parts) + "\n"


def counts(found: Sequence[Table]) -> str:
    """Return one line with the numbers of runs and settings in the tables."""
    runs = sum(len(one.runs) + len(one.lost) for one in found)
    settings = sum(len(one.settings) for one in found)
    averaged = ", averaged over seeds" if runs > settings else ""
    return f"{counted(runs, 'run')} in {counted(settings, 'setting')}{averaged}" if runs else "no runs"


def settings_markdown(found: Iterable[Table]) -> str:
    """Return the tables of a sweep in Markdown, for the description of its parent run."""
    parts = []
    for one in found:
        rows = [heads(one), *(cells(one, setting) for setting in one.settings[:MOST_ON_PAGE])]
        lines = markdown(rows)
        hidden = len(one.settings) - MOST_ON_PAGE
        lines += ["", f"… and {hidden} more in `settings.csv`."] if hidden > 0 else []
        parts.append("\n".join([f"**{title(one)}**", "", *lines, "", *verdict(one)]))
    return "\n\n".join(parts)


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; the first row is its heading, and the first column is left-aligned."""
    lines = ["| " + f" | {GAP}".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|---" + "|---:" * (len(rows[0]) - 1) + "|", *lines[1:]]


def heads(one: Table) -> tuple[str, ...]:
    """Return the column headings of a table."""
    return ("setting", "seeds", *_figures(one), "steps")


def _figures(one: Table) -> list[str]:
    """Return the figures that a table shows: the one to rank by, and the same on the test split unless none has it."""
    tested = TEST + one.figure.removeprefix(VALIDATION)
    return [one.figure, *([tested] if not one.runs or any(tested in run for run in one.runs) else [])]


def title(one: Table) -> str:
    """Return a table's title: its problem and the values that all its settings share."""
    return f"{one.problem}, all with {' '.join(one.shared)}" if one.shared else one.problem


def cells(one: Table, setting: Setting) -> tuple[str, ...]:
    """Return a setting's row, one cell per heading of `heads`."""
    lost = [f"{count} {how}" for count, how in ((setting.diverged, "diverged"), (setting.failed, "failed")) if count]
    seeds = f"{setting.seeds}" + (f" ({', '.join(lost)})" if lost else "")
    steps = "" if math.isnan(setting.steps) else f"{setting.steps:,.0f}"
    figures = (spread_text(setting.spread(name)) for name in _figures(one))
    return (one.short_name(setting), seeds, *figures, steps)


def spread_text(spread: Spread) -> str:
    """Return "mean ± standard deviation"; the mean alone for one run; "-" for none."""
    if not spread.count:
        return "-"
    if spread.deviation is None:
        return figure_text(spread.mean)
    # Two significant digits of the deviation, but at least four decimals, as for figures elsewhere.
    digits = 1 - math.floor(math.log10(spread.deviation)) if spread.deviation > 0 else 0
    decimals = min(max(digits, 4), 10)
    return f"{spread.mean:.{decimals}f} ± {spread.deviation:.{decimals}f}"


def verdict(one: Table) -> list[str]:
    """Return the lines below a table: each optimizer's best setting, and those within one standard error."""
    best = [setting for setting in best_of_each(one.settings) if math.isfinite(setting.spread(one.figure).mean)]
    if not best:
        return ["No run in this table has a finite validation figure."]
    shown = ", ".join(one.short_name(setting) for setting in best)
    lines = [f"Best setting{' per optimizer' if len(best) > 1 else ''} by {one.figure}: {shown}."]
    if all(setting.seeds == 1 for setting in one.settings):
        return [*lines, "One seed per setting: differences may be noise; add seeds, such as 'seed=range(5)'."]
    compared = best if len(best) > 1 else [setting for setting in one.settings if setting.spread(one.figure).count]
    tied = tied_with_first(compared, one.figure)
    if len(tied) > 1:
        names = [setting.optimizer if len(best) > 1 else one.short_name(setting) for setting in tied]
        lines.append(f"{listed(names)} are within one standard error.")
    return lines
