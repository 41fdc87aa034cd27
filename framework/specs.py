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
    """A name and its class. The name may have one group: ``"blog/adam"``.

    Attributes:
        kind: the kind of plugin, as in ``check KIND NAME``.
        hook: the kind's registration hook in `framework.hookspecs`.
        base: the class that plugins of the kind subclass.

    Raises:
        PluginError: the name is not lower-case words, or the class is not of the kind's base class.
    """

    name: str
    cls: type[Configurable]
    kind: ClassVar[str] = ""
    hook: ClassVar[str] = ""
    base: ClassVar[type[Configurable]] = Configurable

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PluginError(f"{self.kind} name {self.name!r} must be like 'adam' or 'group/adam'")
        if not (isinstance(self.cls, type) and issubclass(self.cls, self.base)):
            raise PluginError(f"{self.kind} {self.name!r} must be a subclass of {self.base.__name__}, not {self.cls!r}")


class OptimizerSpec(Spec):
    """An optimizer."""

    kind = "optimizer"
    hook = "register_optimizers"
    base = Optimizer


class LayerSpec(Spec):
    """A layer."""

    kind = "layer"
    hook = "register_layers"
    base = Layer


class LossSpec(Spec):
    """A loss."""

    kind = "loss"
    hook = "register_losses"
    base = Loss


class DatasetSpec(Spec):
    """A data set."""

    kind = "dataset"
    hook = "register_datasets"
    base = Dataset


class ScheduleSpec(Spec):
    """A learning-rate schedule."""

    kind = "schedule"
    hook = "register_schedules"
    base = Schedule


class MetricSpec(Spec):
    """A metric."""

    kind = "metric"
    hook = "register_metrics"
    base = Metric


class StageSpec(Spec):
    """A stage around the optimizer's rule."""

    kind = "stage"
    hook = "register_stages"
    base = Stage


SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (OptimizerSpec, LayerSpec, LossSpec, DatasetSpec, ScheduleSpec, MetricSpec, StageSpec)
}
"""The spec of each kind of plugin."""

HOOKS: dict[str, str] = {kind: spec.hook for kind, spec in SPECS.items()}
"""The registration hook of each kind."""
