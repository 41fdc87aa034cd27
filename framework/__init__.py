"""A workbench for neural-network optimizers: write a rule, compare it fairly, read the result in MLflow."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
DISTRIBUTION = "optimizer-workbench"

_HOMES = {
    "framework.api": ("load", "names", "run", "sweep"),
    "framework.tracing": ("trace",),
    "framework.fields": ("choice", "flag", "hyper", "integer", "integers", "number", "text", "texts"),
    "framework.optimizer": ("ElementwiseOptimizer", "Optimizer", "when"),
    "framework.layer": ("Buffer", "Layer", "Weight"),
    "framework.loss": ("Loss", "as_labels", "as_values"),
    "framework.metric": ("Metric",),
    "framework.schedule": ("Schedule",),
    "framework.stage": ("Stage",),
    "framework.dataset": ("Dataset", "Raw", "Samples"),
    "framework.randomness": ("stream",),
    "framework.errors": ("InputError",),
    "framework.sweeps": ("SweepFailedError",),
    "framework.hookspecs": ("hookimpl",),
    "framework.specs": (
        "DatasetSpec",
        "LayerSpec",
        "LossSpec",
        "MetricSpec",
        "OptimizerSpec",
        "ScheduleSpec",
        "StageSpec",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

_MODULES = {"export": "framework.export"}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"module 'framework' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
