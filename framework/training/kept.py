"""Names of the figures that belong to the kept model: the one that is tested and saved.

While a run trains, ``val/loss`` is a series with one value per epoch, and its last value need not belong to the model
that is kept. So the record of a run (journal, MLflow, leaderboard) has the kept model's figures under names of their
own: ``kept/train/…`` and ``kept/val/…``, beside ``test/…``, which is computed for the kept model only. Tables and
rankings read these names and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PREFIX = "kept/"
EPOCH = "kept/epoch"
VALIDATION = "kept/val/"
TEST = "test/"
LOSS = "kept/val/loss"
"""Ranks runs that have no other metric, and runs of equal metrics."""


def recorded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a kept model's figures by their recorded names, for those named ``train/…``, ``val/…`` and ``test/…``."""
    return {name if name.startswith(TEST) else PREFIX + name: value for name, value in metrics.items()}


def plain(values: Mapping[str, float]) -> dict[str, float]:
    """Return what `recorded` was given, for a journal's values; other values are left out."""
    return {name.removeprefix(PREFIX): values[name] for name in figures(values)}


def figures(names: Iterable[str]) -> list[str]:
    """Return the names of the kept model's figures, its epoch aside."""
    return [name for name in names if name.startswith((PREFIX, TEST)) and name != EPOCH]


def shown(names: Iterable[str]) -> list[str]:
    """Return the names that a table of runs shows: the kept model's validation and test figures."""
    return [name for name in names if name.startswith((VALIDATION, TEST))]


def ranking_figure(names: Iterable[str], prefix: str = VALIDATION) -> str:
    """Return the figure that ranks runs: the first metric beside the loss, else the loss.

    Args:
        names: of figures, in order.
        prefix: of the figures that may rank; those on validation, never on test.
    """
    return next((name for name in names if name.startswith(prefix) and name != f"{prefix}loss"), f"{prefix}loss")
