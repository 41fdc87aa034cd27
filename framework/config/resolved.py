"""A run's configuration after its check: one immutable object that training, recording and planning read.

It holds the chosen classes with their checked fields, so that no name is looked up, no value is checked and no list of
layers is expanded again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar, cast

from framework.base.metric import Metric
from framework.base.parameters import Shape
from framework.config.layers import with_outputs
from framework.config.metrics import RunMetric, metrics_of
from framework.config.part import Part
from framework.config.settings import OUTSIDE, Section, Settings, Tracking
from framework.registry.manager import Provider
from framework.registry.sources import code_hash, files

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True, eq=False)
class RunConfig:
    """The checked configuration of one run. It is made by `framework.config.check.check`.

    Attributes:
        problem: the name of the problem, or None.
        model: the name of the model, or None.
        parts: the dataset, loss, optimizer and schedule by kind: every kind with `Spec.has_section`.
        stages: the stages around the rule, in their order.
        layers: the model's layers, one per layer; fields may hold the word ``outputs``.
        metrics: the metrics that are recorded; see `metrics_for`.
        tags: the user's tags.
        sections: the settings by class; see `section`.
        data: the configuration as plain data, in the form of `as_data`; not to be changed, because runs share sections.
            The store's address is as written, without credentials; `section` has the resolved one.
    """

    problem: str | None
    model: str | None
    parts: Mapping[str, Part]
    stages: tuple[Part, ...]
    layers: tuple[Part, ...]
    metrics: tuple[RunMetric, ...]
    tags: Mapping[str, str]
    sections: Mapping[type[Section], Section]
    data: Mapping[str, Any] = field(repr=False)

    def section(self, cls: type[AnySection]) -> AnySection:
        """Return the settings of one class, such as ``section(Tracking).uri``."""
        return cast(AnySection, self.sections[cls])

    @property
    def settings(self) -> Settings:
        """The training settings."""
        return self.section(Settings)

    @property
    def optimizer(self) -> Part:
        """The optimizer."""
        return self.parts["optimizer"]

    def as_data(self) -> dict[str, Any]:
        """Return a copy as plain data: settings at the top level, and one section per plugin.

        It is the content of ``config.yaml`` and the value of ``run.config`` in hooks.
        """
        return _copied(self.data)

    @property
    def decisive(self) -> dict[str, Any]:
        """The plain data that determine the result: without the settings in `OUTSIDE`."""
        return decisive(self.data)

    @property
    def params(self) -> dict[str, Any]:
        """The settings that determine the result, flattened with dots: the parameters of its record."""
        return flatten(self.decisive)

    @cached_property
    def providers(self) -> tuple[Provider, ...]:
        """The plugins that provide the run's parts, without repetition, the optimizer's first."""
        return tuple(dict.fromkeys(part.provider for part in self._all_parts))

    @property
    def _all_parts(self) -> list[Part]:
        named = [metric.part for metric in self.metrics if metric.listed]
        return [self.optimizer, *self.parts.values(), *self.stages, *self.layers, *named]

    @property
    def plugin_sources(self) -> dict[str, bytes]:
        """The sources of the run's plugin files and inline classes, by the name of the file that each is saved in."""
        return {name: provider.source for name, provider in files(self.providers).items()}

    @property
    def code(self) -> dict[str, str]:
        """The version of each part that is not of a plugin file, by its kind and name: a hash of its source code.

        If there is no source code, it is the version of the part's distribution.
        """
        parts = [part for part in self._all_parts if not part.provider.source]
        return {f"{part.kind} {part.name}": code_hash(part.cls) or part.provider.version for part in parts}

    @cached_property
    def identity(self) -> str:
        """A short hash of what determines the run's result. Runs of one identity have the same result.

        It covers the decisive settings, the sources of the run's plugin files and inline classes, and the source code
        of its other parts, built in or installed (`code`). It does not cover the data's samples, whose hash is
        recorded and compared apart from it, nor versions of the framework's core, NumPy, torch, optax and Python.
        """
        sources = [importlib.util.decode_source(source) for source in self.plugin_sources.values()]
        text = json.dumps([self.decisive, sources, self.code], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def layers_for(self, target_shape: Shape) -> list[Part]:
        """Return the layers for a data set whose targets have ``target_shape``; it replaces the word ``outputs``."""
        return with_outputs(self.layers, target_shape)

    def metrics_for(self, task: str, **given: Any) -> dict[str, Metric]:
        """Return the metrics of a task by the name of their figure; arguments and errors as for `metrics_of`."""
        return metrics_of(self.metrics, task, **given)

    @property
    def directions(self) -> dict[str, bool]:
        """Whether greater is better, by the name of the figure, for all metrics that the run may have."""
        return {metric.name: metric.greater_is_better for metric in self.metrics}

    def with_store(self, uri: str | None) -> RunConfig:
        """Return the same configuration with another address of the store, which is not recorded."""
        tracking = Tracking.of_checked([{**self.section(Tracking).rows[0], "uri": uri}])
        return replace(self, sections=MappingProxyType({**self.sections, Tracking: tracking}))

    def with_seed(self, seed: int) -> RunConfig:
        """Return the same configuration with another seed."""
        settings = Settings.of_checked([{**self.settings.rows[0], "seed": seed}])
        sections = MappingProxyType({**self.sections, Settings: settings})
        return replace(self, sections=sections, data=MappingProxyType({**self.data, "seed": seed}))

    def with_fields(self, values: Mapping[str, Any]) -> RunConfig:
        """Return the same configuration with other values of some of the optimizer's fields, which are not checked."""
        part = replace(self.optimizer, fields=MappingProxyType({**self.optimizer.fields, **values}))
        parts = MappingProxyType({**self.parts, "optimizer": part})
        return replace(self, parts=parts, data=MappingProxyType({**self.data, "optimizer": part.data}))


def decisive(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain data of a configuration without the settings in `OUTSIDE`."""
    return {key: value for key, value in data.items() if key not in OUTSIDE}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration as one level with dotted keys: ``{"optimizer.lr": 0.001}``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value
