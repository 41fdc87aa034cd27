"""Names of the kept model's metrics. The kept model is the one that is tested and saved.

While a run trains, ``val/loss`` is a series with one value per epoch, and its last value need not belong to the kept
model. The record of a run (journal, MLflow, leaderboard) therefore stores the kept model's values under separate
names: ``kept/train/…`` and ``kept/val/…``, and ``test/…``, which is computed for the kept model only. Tables and
rankings read only these names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PREFIX = "kept/"
EPOCH = "kept/epoch"
VALIDATION = "kept/val/"
TEST = "test/"
LOSS = "kept/val/loss"
"""Name of the kept model's validation loss: ranks runs that have no other metric, and runs with equal metrics."""


def recorded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the kept model's metrics under their recorded names.

    Args:
        metrics: values named ``train/…``, ``val/…`` and ``test/…``.
    """
    return {name if name.startswith(TEST) else PREFIX + name: value for name, value in metrics.items()}


def plain(values: Mapping[str, float]) -> dict[str, float]:
    """Return the kept model's metrics in a journal's values under their plain names: the inverse of `recorded`.

    Other values are left out.
    """
    return {name.removeprefix(PREFIX): values[name] for name in figures(values)}


def figures(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are metrics of the kept model; `EPOCH` is not one."""
    return [name for name in names if name.startswith((PREFIX, TEST)) and name != EPOCH]


def shown(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that a table of runs shows: the kept model's validation and test metrics."""
    return [name for name in names if name.startswith((VALIDATION, TEST))]


def ranking_figure(names: Iterable[str], prefix: str = VALIDATION) -> str:
    """Return the name of the metric that ranks runs: the first one other than the loss, else the loss.

    Args:
        names: names of metrics, in order.
        prefix: prefix of the names that may rank; validation metrics, never test metrics.
    """
    return next((name for name in names if name.startswith(prefix) and name != f"{prefix}loss"), f"{prefix}loss")
