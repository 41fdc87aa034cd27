"""Validation of a composed config, which becomes a plain configuration.

Hydra composes configs but does not validate values. This module checks types, ranges, unknown keys and NaN against the
fields that the classes declare. The error for a wrong value is one line: the error, its place and a remedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from framework.base.run import Config
from framework.config.figures import metrics_for
from framework.config.layers import expand_layers
from framework.config.settings import (
    COLLECTIONS,
    NAMED_SECTIONS,
    SECTIONS,
    Display,
    Settings,
    plain,
)
from framework.errors import InputError, nearest, short
from framework.registry.manager import find


@dataclass(frozen=True)
class Composed:
    """A composed configuration as plain data, before it is checked.

    Attributes:
        raw: the configuration with interpolations resolved.
        unresolved: the configuration with interpolations as written, as Hydra stores it.
        choices: the option chosen for each group; empty if Hydra did not compose the configuration.
    """

    raw: dict[str, Any]
    unresolved: dict[str, Any]
    choices: Mapping[str, Any] = field(default_factory=dict)

    def referenced(self) -> set[str]:
        """Return the keys that interpolations refer to."""
        return set(re.findall(r"\$\{([\w.]+)", yaml.safe_dump(self.unresolved)))


KNOWN = {*Settings.fields, *Display.fields, *COLLECTIONS, *NAMED_SECTIONS, *SECTIONS, "problem", "model"}


def check(composed: Composed, referenced: set[str] | None = None) -> dict[str, Any]:
    """Return a composed config with every value checked and every default filled in, as plain data.

    Args:
        composed: the composed configuration.
        referenced: the result of `Composed.referenced` if the caller has it already.

    Raises:
        InputError: an unknown key or name, a wrong type, or a value out of range.
    """
    config = composed.raw
    for key in config:
        if key not in KNOWN:
            raise InputError(f"{key}: there is no such key{nearest(key, KNOWN)}")
    for key in ("model", "stages", "tags", *NAMED_SECTIONS):
        if key not in config:
            raise InputError(f"{key}: every run needs this section; leave ~{key} out")
    checked: dict[str, Any] = {"problem": _check_problem(config.get("problem"))}
    checked |= plain(Settings.resolve({name: config[name] for name in Settings.fields if name in config}))
    checked |= Display.resolve({name: config[name] for name in Display.fields if name in config})
    for kind in SECTIONS:
        checked[kind] = _check_section(kind, config.get(kind))
    checked["stages"] = _check_stages(config["stages"])
    checked["model"] = _check_model(config["model"], composed.referenced() if referenced is None else referenced)
    checked["metrics"] = config.get("metrics")
    _check_metrics(checked)
    checked["tags"] = _check_tags(config["tags"])
    checked |= {name: section.resolve(_mapping(config[name]), name) for name, section in NAMED_SECTIONS.items()}
    return checked


def _mapping(section: Any) -> Any:
    return {} if section is None else section


def _check_problem(problem: Any) -> str | None:
    if problem is not None and not isinstance(problem, str):
        raise InputError(
            "problem must be a name: a problem's file begins with # @package _global_, and sets problem: NAME"
        )
    return problem


def _check_section(kind: str, section: Any) -> dict[str, Any]:
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str):
        raise InputError(f"{kind} must be the name of a registered one, as in {kind}=NAME")
    fields = dict(section)
    name = fields.pop("name")
    return {"name": name, **plain(find(kind, name).cls.resolve(fields, kind))}


def _check_stages(stages: Any) -> dict[str, Any]:
    if not isinstance(stages, Mapping):
        raise InputError("stages must name registered stages, as in 'stages=[clip_norm]'")
    return {
        str(name): plain(find("stage", str(name)).cls.resolve(_mapping(fields), f"stages.{name}"))
        for name, fields in stages.items()
    }


def _check_model(model: Any, referenced: set[str]) -> dict[str, Any]:
    if not isinstance(model, Mapping) or "layers" not in model:
        raise InputError("model must have a list of layers: choose one as in model=mlp, or set model.layers")
    used = {key.partition(".")[2].partition(".")[0] for key in referenced if key.startswith("model.")}
    expand_layers(model["layers"], (1,))  # checks names and ranges; shapes are checked when the data are known
    for key in model:
        if key not in {"name", "layers", *used}:
            raise InputError(
                f"model.{key}: no layer of model {model.get('name')} uses it{nearest(str(key), used)}; "
                f"~model.{key} takes it away"
            )
    return dict(model)


def _check_metrics(config: Config) -> None:
    metrics = config["metrics"]
    if metrics is None:
        return
    if not isinstance(metrics, list) or not metrics:
        raise InputError(
            f"metrics={short(metrics)} is not a list of names: write metrics=[accuracy], or null for the task's own"
        )
    tasks = [set(_metric_tasks(item)) for item in metrics]
    both = set.intersection(*tasks)
    if not both:
        raise InputError(f"metrics={metrics}: no task has all of them; choose those of the data set's task")
    metrics_for(config, min(both))


def _metric_tasks(item: Any) -> tuple[str, ...]:
    name = item.get("metric") if isinstance(item, Mapping) else item
    if not isinstance(name, str):
        raise InputError(
            f"metrics: {short(item)} is no metric: write its name, or a mapping with metric: NAME and its fields"
        )
    try:
        return tuple(find("metric", name).cls.tasks)
    except InputError as error:
        raise InputError(f"metrics: {error}") from None


def _check_tags(tags: Any) -> dict[str, str]:
    if not isinstance(tags, Mapping):
        raise InputError(f"tags={short(tags)} must be a mapping: write tags.KEY=VALUE")
    return {str(key): _text(value) for key, value in tags.items()}


def _text(value: Any) -> str:
    """Return a tag's text; other values, from YAML files or interpolations, are written as JSON (valid YAML)."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
