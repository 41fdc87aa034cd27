"""HTML of a finished run for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from framework.system.formatting import figure_text
from framework.system.html import block, table

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def result_html(title: str, ending: str, metrics: Mapping[str, float], folder: Path, run_id: str | None) -> str:
    """Return a finished run as HTML: the kept model's metrics by split, the folder and the MLflow run.

    Args:
        title: title of the run.
        ending: text about its end.
        metrics: metrics by split and name, such as ``val/loss``.
        folder: folder of its files.
        run_id: id of the MLflow run, or None.
    """
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics))
    splits = [split for split in SPLITS if any(name.startswith(f"{split}/") for name in metrics)]
    rows = [(SPLITS[split], *(figure_text(metrics.get(f"{split}/{name}")) for name in names)) for split in splits]
    locations = {"folder": str(folder)} | ({"MLflow run": run_id} if run_id else {})
    return block(
        f"<b>{escape(title)}</b>",
        escape(ending),
        *([table([("", *names), *rows])] if rows else []),
        *(f"{escape(what)} <code>{escape(where)}</code>" for what, where in locations.items()),
    )
