"""Formatting of numbers, sizes, paths and tables as readable text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def table(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Return rows as aligned columns: the first column left-aligned, the others right-aligned.

    Args:
        rows: the texts of the cells; all rows have the same length, and there is at least one.
        indent: the text before each line.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(indent + "   ".join(cells).rstrip())
    return "\n".join(lines)


def figure_text(value: float | None) -> str:
    """Return a figure for tables: four decimals, or four significant digits below 0.001; ``""`` for None."""
    return "" if value is None else f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``"1 epoch"``, ``"1,230 steps"``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names as ``"a, b and c"``; beyond ``most``, the number of those that are left out."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def duration(seconds: float) -> str:
    """Return a duration such as ``"1.5 s"``, ``"12 min"`` or ``"2.0 h"``.

    Args:
        seconds: below 120 shown in seconds, below 7200 in minutes, else in hours.
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return a number of bytes with a decimal unit: ``"12 B"``, ``"12 kB"``, ``"12 MB"`` or ``"1.2 GB"``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def shortened_path(folder: Path) -> str:
    """Return a path relative to the working folder if it is below it, else unchanged."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
