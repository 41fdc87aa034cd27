"""What a notebook shows of a run, its epochs and a sweep.

Styles stand on the cells and name no colour: nothing leaks into the notebook, and both light and dark ones are legible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from framework.sweeps.leaderboard import Table
from framework.sweeps.text import MOST_SHOWN, cells, counts, heads, title, verdict
from framework.system.formatting import figure_text

SPLITS = {"train": "training", "val": "validation", "test": "test"}
AS_TYPED = "tex2jax_ignore mathjax_ignore"
"""Classes by which notebooks, as for pandas' frames, leave dollar signs alone."""


def result_html(title: str, ending: str, metrics: Mapping[str, float], folder: Path, run_id: str | None) -> str:
    """Return a finished run: the kept model's figures by split, and where the run is.

    Args:
        title: which run.
        ending: how it ended.
        metrics: figures by split and name, such as ``val/loss``.
        folder: where its files are.
        run_id: the MLflow run, if there is one.
    """
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics))
    splits = [split for split in SPLITS if any(name.startswith(f"{split}/") for name in metrics)]
    rows = [(SPLITS[split], *(figure_text(metrics.get(f"{split}/{name}")) for name in names)) for split in splits]
    places = {"folder": str(folder)} | ({"MLflow run": run_id} if run_id else {})
    return _whole(
        f"<b>{escape(title)}</b>",
        escape(ending),
        *([_table([("", *names), *rows])] if rows else []),
        *(f"{escape(what)} <code>{escape(where)}</code>" for what, where in places.items()),
    )


def history_html(history: Sequence[Mapping[str, float]]) -> str:
    """Return the epochs of a run, the middle ones left out if there are many; times stand last."""
    names = list(dict.fromkeys(name for row in history for name in row))
    names.sort(key=lambda name: name.startswith("time/"))
    rows = [tuple(_entry(row.get(name)) for name in names) for row in history]
    if len(rows) > MOST_SHOWN:
        rows[MOST_SHOWN // 2 : -MOST_SHOWN // 2] = [("…",) * len(names)]
    return _whole(_table([names, *rows]))


def _entry(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else figure_text(value)


def sweep_html(tables: Sequence[Table]) -> str:
    """Return a sweep's settings: mean and standard deviation over seeds."""
    parts = [f"<b>{escape(counts(tables))}</b>"]
    for one in tables:
        rows = [cells(one, setting) for setting in one.settings[:MOST_SHOWN]]
        parts += [escape(title(one)), _table([heads(one), *rows])]
        hidden = len(one.settings) - MOST_SHOWN
        parts += [f"… and {hidden} more: <code>.by_setting()</code>"] if hidden > 0 else []
        parts += map(escape, verdict(one))
    parts += ["single runs: <code>.head()</code>; picture: <code>.plot()</code>"] if tables else []
    return _whole(*parts)


def _whole(*parts: str) -> str:
    return f'<div class="{AS_TYPED}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in body)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{lines}</tbody></table>"


def _cells(tag: str, row: Iterable[str]) -> str:
    """Return a row's cells, the first to the left, the others to the right with digits of one width."""
    styles = ["text-align:left"]
    found = []
    for cell in row:
        found.append(f'<{tag} style="{styles[-1]}">{escape(cell)}</{tag}>')
        styles.append("text-align:right;font-variant-numeric:tabular-nums")
    return "".join(found)
