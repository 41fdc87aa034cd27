"""Helpers for tests that train: configurations without Hydra, small models, and bitwise comparison of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.base.run import Run
from framework.config.check import remade
from framework.config.part import stacked
from framework.config.resolved import RunConfig
from framework.config.settings import everything
from framework.data.prepare import Data, prepared
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


def config(**changes: Any) -> RunConfig:
    """Return one run's checked configuration.

    Args:
        changes: values that replace the defaults; ``SECTION__FIELD`` replaces one field of a section.
    """
    base: dict[str, Any] = {
        "problem": "test",
        **everything(),
        "epochs": 3,
        "dataset": dict(SMALL),
        "model": {"name": "small", "layers": DENSE},
        "loss": {"name": "softmax_cross_entropy"},
        "optimizer": {"name": "adam", "lr": 0.01},
        "schedule": {"name": "constant"},
        "tracking": {"enabled": False},
    }
    for key, value in changes.items():
        section, _, field = key.partition("__")
        if field:
            base[section] = {**base[section], field: value}
        else:
            base[section] = value
    return remade(base)


def changed(chosen: RunConfig, **settings: Any) -> RunConfig:
    """Return a configuration with other values at the top level."""
    return remade({**chosen.as_data(), **settings})


def data_of(*configs: RunConfig) -> Data:
    """Return the data of runs that train together."""
    dataset = stacked([chosen.parts["dataset"] for chosen in configs], "dataset")
    return prepared(dataset, np.dtype(configs[0].settings.dtype))


def runs_of(configs: Sequence[RunConfig], folders: Sequence[Path] | None = None) -> list[Run]:
    """Return one run per configuration, with its folder if there are folders."""
    return [Run(str(i), f"run {i}", c.as_data(), folders[i] if folders else None) for i, c in enumerate(configs)]


def trained(*configs: RunConfig, observers: Sequence[Observer] = ()) -> list[Outcome]:
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
    assert (one.steps, one.evaluations) == (other.steps, other.evaluations)
    assert (one.best_epoch, one.kept_epoch) == (other.best_epoch, other.kept_epoch)
    assert same_numbers(timeless(one.history), timeless(other.history))
    assert same_numbers(one.metrics, other.metrics)
    kept, others = one.predictor._arrays, other.predictor._arrays
    assert kept.keys() == others.keys()
    for name, array in kept.items():
        assert array.dtype == others[name].dtype
        assert np.array_equal(array, others[name], equal_nan=array.dtype.kind == "f"), name


def assert_same_alone(configs: Sequence[RunConfig]) -> list[Outcome]:
    """Assert that runs have the same outcomes together, in reverse order and alone; return the outcomes."""
    together = trained(*configs)
    for one, other in zip(together, reversed(trained(*reversed(configs))), strict=True):
        assert_same(one, other)
    for one, alone in zip(together, configs, strict=True):
        assert_same(one, trained(alone)[0])
    return together
