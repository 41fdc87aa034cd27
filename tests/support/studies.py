"""Helpers for tests of studies: a tiny study, and the tables beside its report."""

from __future__ import annotations

from pathlib import Path

import pandas

TINY = ("problem=digits_softmax", "dataset.train_limit=75", "epochs=2", "progress=false", "tracking.enabled=false")
FEW = ("study.trials=3", "study.tuning_seeds=2", "study.seeds=3", "study.extensions=0")
TIMED = ["seconds", "step_seconds", "folder", "reused"]
"""Columns of a report's tables that no second run repeats."""


def tables_of(folder: Path) -> dict[str, pandas.DataFrame]:
    """The tables beside a report, without what was timed."""
    frames = {path.stem: pandas.read_parquet(path) for path in (folder / "report").glob("*.parquet")}
    return {name: frame.drop(columns=[c for c in TIMED if c in frame]) for name, frame in frames.items()}
