"""Helpers for tests that train: configurations without Hydra, small models, and bitwise comparison of runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.base.run import Run
from framework.config.settings import Settings
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.record import Outcome

DENSE = ["flatten", {"layer": "dense", "units": 7, "activation": "relu"}, {"layer": "dense", "units": "outputs"}]
IMAGES = [
    {"layer": "conv2d", "filters": 3, "kernel_size": 3, "padding": "same"},
    "batch_norm",
    "relu",
    {"layer": "pool2d", "mode": "max", "size": 2},
    "flatten",
    {"layer": "dropout", "rate": 0.3},
    {"layer": "dense", "units": "outputs"},
]
SMALL = {"name": "digits", "train_limit": 75}
"""75 samples; with batches of 32, the last batch of an epoch has 11."""


def config(**changes: Any) -> dict[str, Any]:
    """Return one run's configuration.

    Args:
        changes: values that replace the defaults; ``SECTION__FIELD`` replaces one field of a section.
    """
    base: dict[str, Any] = {
        "problem": "test",
        **Settings.defaults(),
        "epochs": 3,
        "dataset": dict(SMALL),
        "model": {"name": "small", "layers": DENSE},
        "loss": {"name": "softmax_cross_entropy"},
        "optimizer": {"name": "adam", "lr": 0.01},
        "schedule": {"name": "constant"},
        "stages": {},
        "metrics": None,
        "tags": {},
        "tracking": {"enabled": False, "uri": None, "experiment": None},
    }
    for key, value in changes.items():
        section, _, field = key.partition("__")
        if field:
            base[section] = {**base[section], field: value}
        else:
            base[section] = value
    return copy.deepcopy(base)


def runs_of(configs: Sequence[Mapping[str, Any]], folders: Sequence[Path] | None = None) -> list[Run]:
    """Return one run per configuration, with its folder if there are folders."""
    return [Run(str(i), f"run {i}", c, folders[i] if folders else None) for i, c in enumerate(configs)]


def trained(*configs: Mapping[str, Any], observers: Sequence[Observer] = ()) -> list[Outcome]:
    """Train one run per configuration, all together; return their outcomes."""
    return train(configs, runs_of(configs), observers)


def timeless(history: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return a history without its times."""
    return [{name: value for name, value in row.items() if not name.startswith("time/")} for row in history]


def same_numbers(one: Any, other: Any) -> bool:
    """Return whether nested plain data is equal; floats must be equal exactly, and NaN equals NaN."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same_numbers(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_numbers, one, other))
    return bool(one == other or (one != one and other != other))


def assert_same(one: Outcome, other: Outcome) -> None:
    """Assert that two outcomes have bitwise equal histories (except times), metrics and parameters."""
    assert one.ended == other.ended
    assert (one.steps, one.best_epoch, one.kept_epoch) == (other.steps, other.best_epoch, other.kept_epoch)
    assert same_numbers(timeless(one.history), timeless(other.history))
    assert same_numbers(one.metrics, other.metrics)
    kept, others = one.predictor._arrays, other.predictor._arrays
    assert kept.keys() == others.keys()
    for name, array in kept.items():
        assert array.dtype == others[name].dtype
        assert np.array_equal(array, others[name], equal_nan=array.dtype.kind == "f"), name


def assert_same_alone(configs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Assert that runs have the same outcomes together, in reverse order and alone; return the outcomes."""
    together = trained(*configs)
    for one, other in zip(together, reversed(trained(*reversed(configs))), strict=True):
        assert_same(one, other)
    for one, alone in zip(together, configs, strict=True):
        assert_same(one, trained(alone)[0])
    return together
