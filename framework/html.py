"""What a notebook shows of a run and of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from framework.display import figure_text
from framework.leaderboard import Table
from framework.sweep_text import MOST_SHOWN, cells, heads, title, verdict

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def result_html(title: str, ended: str, metrics: Mapping[str, float], folder: Path, run_id: str | None) -> str:
    """Return a finished run: the kept model's figures by split, and where the run is."""
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics))
    rows = [
        (words, *(figure_text(metrics.get(f"{split}/{name}")) for name in names)) for split, words in SPLITS.items()
    ]
    run = f", MLflow run <code>{escape(run_id)}</code>" if run_id else ""
    where = f"folder <code>{escape(str(folder))}</code>{run}"
    return f"<div><b>{escape(title)}</b>: {escape(ended)}{_table([('', *names), *rows])}{where}</div>"


def sweep_html(tables: Sequence[Table], runs: int) -> str:
    """Return a sweep's settings: mean and standard deviation over seeds."""
    parts = [f"<b>{runs} runs, averaged over their seeds</b>"]
    for one in tables:
        rows = [cells(one, setting) for setting in one.settings[:MOST_SHOWN]]
        parts.append(f"<div>{escape(title(one))}</div>{_table([heads(one), *rows])}")
        hidden = len(one.settings) - MOST_SHOWN
        parts += [f"<div>… and {hidden} more: <code>.by_setting()</code></div>"] if hidden > 0 else []
        parts += [f"<div>{escape(line)}</div>" for line in verdict(one)]
    return f"<div>{''.join(parts)}</div>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in _tagged(rows)]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in body)}</tbody></table>"


def _tagged(rows: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("th" if place == 0 else "td", row) for place, row in enumerate(rows)]
