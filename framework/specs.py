"""Specs, which registration hooks return: the registered name and the class of a plugin."""

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
    """A registered name and its class.

    Attributes:
        name: letters a-z, digits and underscores, with a letter first. It may have one group: ``"blog/adam"``.
        cls: the class.
        kind: the kind of plugin, as in ``check KIND NAME``.
        hook: the kind's registration hook in `framework.hookspecs`.
        base: the base class of this kind.
        has_section: whether a configuration has a section with this kind's name, which holds the one that a run uses.

    Raises:
        PluginError: the name is not of this form, or the class is not a subclass of the kind's base class.
    """

    name: str
    cls: type[Configurable]
    kind: ClassVar[str] = ""
    hook: ClassVar[str] = ""
    base: ClassVar[type[Configurable]] = Configurable
    has_section: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PluginError(f"{self.kind} name {self.name!r} must be like 'adam' or 'group/adam'")
        if not (isinstance(self.cls, type) and issubclass(self.cls, self.base)):
            raise PluginError(f"{self.kind} {self.name!r} must be a subclass of {self.base.__name__}, not {self.cls!r}")


class OptimizerSpec(Spec):
    """The spec of an optimizer."""

    kind = "optimizer"
    hook = "register_optimizers"
    base = Optimizer
    has_section = True


class LayerSpec(Spec):
    """The spec of a layer."""

    kind = "layer"
    hook = "register_layers"
    base = Layer


class LossSpec(Spec):
    """The spec of a loss."""

    kind = "loss"
    hook = "register_losses"
    base = Loss
    has_section = True


class DatasetSpec(Spec):
    """The spec of a data set."""

    kind = "dataset"
    hook = "register_datasets"
    base = Dataset
    has_section = True


class ScheduleSpec(Spec):
    """The spec of a learning-rate schedule."""

    kind = "schedule"
    hook = "register_schedules"
    base = Schedule
    has_section = True


class MetricSpec(Spec):
    """The spec of a metric."""

    kind = "metric"
    hook = "register_metrics"
    base = Metric


class StageSpec(Spec):
    """The spec of a stage before or after the optimizer's rule."""

    kind = "stage"
    hook = "register_stages"
    base = Stage


SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (OptimizerSpec, LayerSpec, LossSpec, DatasetSpec, ScheduleSpec, MetricSpec, StageSpec)
}
"""The spec classes by kind of plugin."""

HOOKS: dict[str, str] = {kind: spec.hook for kind, spec in SPECS.items()}
"""The names of the registration hooks by kind of plugin."""
