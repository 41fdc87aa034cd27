"""HTML display of a sweep in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from framework.sweeps.leaderboard import Table
from framework.sweeps.text import MOST_SHOWN, cells, counts, heads, title, verdict
from framework.system.html import block, table


def sweep_html(tables: Sequence[Table]) -> str:
    """Return a sweep's settings as HTML tables: mean and standard deviation over seeds."""
    parts = [f"<b>{escape(counts(tables))}</b>"]
    for one in tables:
        rows = [cells(one, setting) for setting in one.settings[:MOST_SHOWN]]
        parts += [escape(title(one)), table([heads(one), *rows])]
        hidden = len(one.settings) - MOST_SHOWN
        parts += [f"… and {hidden} more: <code>.by_setting()</code>"] if hidden > 0 else []
        parts += map(escape, verdict(one))
    parts += ["single runs: <code>.head()</code>; picture: <code>.plot()</code>"] if tables else []
    return block(*parts)
