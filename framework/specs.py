"""What a registration hook returns: the name a user types and the class behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from framework.base.fields import Configurable
from framework.base.layer import Layer
from framework.base.loss import Loss
from framework.base.metric import Metric
from framework.base.optimizer import Optimizer
from framework.base.schedule import Schedule
from framework.base.stage import Stage
from framework.data.prepare import Dataset
from framework.errors import PluginError

_NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?")


@dataclass(frozen=True)
class Spec:
    """A name and the class that stands behind it. The name may have one group: ``"blog/adam"``.

    Raises:
        PluginError: the name is not lower-case words, or the class is not of the kind's base class.
    """

    name: str
    cls: type[Configurable]
    kind: ClassVar[str] = ""
    base: ClassVar[type[Configurable]] = Configurable

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PluginError(f"{self.kind} name {self.name!r} must be like 'adam' or 'group/adam'")
        if not (isinstance(self.cls, type) and issubclass(self.cls, self.base)):
            raise PluginError(f"{self.kind} {self.name!r} must be a subclass of {self.base.__name__}, not {self.cls!r}")


class OptimizerSpec(Spec):
    """An optimizer."""

    kind = "optimizer"
    base = Optimizer


class LayerSpec(Spec):
    """A layer."""

    kind = "layer"
    base = Layer


class LossSpec(Spec):
    """A loss."""

    kind = "loss"
    base = Loss


class DatasetSpec(Spec):
    """A data set."""

    kind = "dataset"
    base = Dataset


class ScheduleSpec(Spec):
    """A learning-rate schedule."""

    kind = "schedule"
    base = Schedule


class MetricSpec(Spec):
    """A metric."""

    kind = "metric"
    base = Metric


class StageSpec(Spec):
    """A stage around the optimizer's rule."""

    kind = "stage"
    base = Stage


SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (OptimizerSpec, LayerSpec, LossSpec, DatasetSpec, ScheduleSpec, MetricSpec, StageSpec)
}
"""The spec of each kind of plugin."""

HOOKS: dict[str, str] = {
    "optimizer": "register_optimizers",
    "layer": "register_layers",
    "loss": "register_losses",
    "dataset": "register_datasets",
    "schedule": "register_schedules",
    "metric": "register_metrics",
    "stage": "register_stages",
}
"""The registration hook of each kind."""
