"""Validation of a composed config, which becomes a `RunConfig`.

Hydra composes configs but does not validate values. This module checks types, ranges, unknown keys and NaN against the
fields that the classes declare. The error for a wrong value is one line: the error, its place and a remedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, cast

import yaml

from framework.config.layers import expand_layers
from framework.config.metrics import expand_metrics
from framework.config.part import Part
from framework.config.resolved import RunConfig
from framework.config.settings import COLLECTIONS, NAMED_SECTIONS, ROOT_SECTIONS, SECTIONS, Section
from framework.errors import InputError, nearest, short
from framework.registry.manager import find
from framework.system.addresses import without_password


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


Made = TypeVar("Made")

KNOWN = {
    *(name for section in ROOT_SECTIONS for name in section.fields),
    *COLLECTIONS,
    *NAMED_SECTIONS,
    *SECTIONS,
    "problem",
    "model",
}


SETS = "set/"
"""Prefix of the options of the group ``problem`` that are sets of problems."""

MEMBERS = "problems"
"""Key of the file of a set of problems, which only a sweep can train."""


class Shared:
    """Checked sections of one configuration, for other configurations that contain the same section objects.

    The configurations of a sweep's jobs differ in few sections; the others are checked once and shared.

    Args:
        raw: the configuration, before its check.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._checked: dict[str, Any] = {}

    def section(self, key: str, raw: Any, check: Callable[[Any], Made]) -> Made:
        """Return ``check(raw)`` for the section ``key``, or its earlier result for the same section."""
        if key not in self._raw or raw is not self._raw[key]:
            return check(raw)
        if key not in self._checked:
            self._checked[key] = check(raw)
        return cast(Made, self._checked[key])


NOTHING_SHARED = Shared({})


def check(composed: Composed, referenced: set[str] | None = None, shared: Shared = NOTHING_SHARED) -> RunConfig:
    """Return a composed config with every value checked, every default filled in and every name looked up.

    Args:
        composed: the composed configuration.
        referenced: the result of `Composed.referenced` if the caller has it already.
        shared: sections that are checked already.

    Raises:
        InputError: an unknown key or name, a wrong type, or a value out of range.
    """
    if MEMBERS in composed.raw:
        raise InputError("problem=set/…: a set of problems is for sweeps: add -m, or choose one problem")
    for key in composed.raw:
        if key not in KNOWN:
            raise InputError(f"{key}: there is no such key{nearest(key, KNOWN)}")
    _refuse_missing(composed.raw, NAMED_SECTIONS)
    config = _resolved(composed.raw, composed.referenced() if referenced is None else referenced, shared)
    return replace(config, data=MappingProxyType({**config.data, "tracking": _recorded_tracking(config, composed)}))


def _recorded_tracking(config: RunConfig, composed: Composed) -> dict[str, Any]:
    """Return the section ``tracking`` as it is recorded: an address with interpolations as written, no credentials."""
    section, written = config.data["tracking"], composed.unresolved["tracking"]
    uri = written.get("uri") if isinstance(written, Mapping) else None
    address = uri if isinstance(uri, str) and "${" in uri else section["uri"]
    return {**section, "uri": None if address is None else without_password(address)}


def remade(data: Mapping[str, Any]) -> RunConfig:
    """Return a checked configuration from its plain data, `RunConfig.as_data`, in another process.

    Raises:
        InputError: this process lacks a plugin, or has another version of it; or the data are damaged.
    """
    return _resolved(data, None, NOTHING_SHARED)


def _resolved(config: Mapping[str, Any], referenced: set[str] | None, shared: Shared) -> RunConfig:
    """Return the checked ``config``; refuse keys of the model that are not ``referenced``, unless that is None."""
    _refuse_missing(config, ("model", "stages", "tags"))
    problem = _check_problem(config.get("problem"))
    sections: dict[type[Section], Section] = {section: _root_section(section, config) for section in ROOT_SECTIONS}
    parts = {kind: shared.section(kind, config.get(kind), partial(_check_section, kind)) for kind in SECTIONS}
    stages = shared.section("stages", config["stages"], _check_stages)
    layers = shared.section("model", config["model"], partial(_check_model, referenced))
    metrics = shared.section("metrics", config.get("metrics"), expand_metrics)
    tags = shared.section("tags", config["tags"], _check_tags)
    for name, section in NAMED_SECTIONS.items():
        sections[section] = shared.section(name, config.get(name), partial(_named_section, section, name))
    return RunConfig(
        problem=problem,
        model=config["model"].get("name"),
        parts=MappingProxyType(parts),
        stages=stages,
        layers=layers,
        metrics=metrics,
        tags=tags,
        sections=MappingProxyType(sections),
        data=MappingProxyType(
            {
                "problem": problem,
                **{name: value for section in ROOT_SECTIONS for name, value in sections[section].data.items()},
                **{kind: part.data for kind, part in parts.items()},
                "stages": {part.name: part.values for part in stages},
                "model": config["model"],
                "metrics": config.get("metrics"),
                "tags": tags,
                **{name: sections[section].data for name, section in NAMED_SECTIONS.items()},
            }
        ),
    )


def _refuse_missing(config: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key not in config:
            raise InputError(f"{key}: every run needs this section: remove ~{key}")


def _root_section(section: type[Section], config: Mapping[str, Any]) -> Section:
    return section.of_checked([section.resolve({name: config[name] for name in section.fields if name in config})])


def _named_section(section: type[Section], name: str, values: Any) -> Section:
    return section.of_checked([section.resolve(_mapping(values), name)])


def _mapping(section: Any) -> Any:
    return {} if section is None else section


def _check_problem(problem: Any) -> str | None:
    if problem is not None and not isinstance(problem, str):
        raise InputError(
            "problem must be a name: a problem's file begins with # @package _global_, and sets problem: NAME"
        )
    return problem


def _check_section(kind: str, section: Any) -> Part:
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str):
        raise InputError(f"{kind} must be a registered name, as in {kind}=NAME")
    fields = dict(section)
    return Part.of(find(kind, fields.pop("name")), fields, kind)


def _check_stages(stages: Any) -> tuple[Part, ...]:
    if not isinstance(stages, Mapping):
        raise InputError("stages must name registered stages, as in 'stages=[clip_norm]'")
    return tuple(
        Part.of(find("stage", str(name)), _mapping(fields), f"stages.{name}") for name, fields in stages.items()
    )


def _check_model(referenced: set[str] | None, model: Any) -> tuple[Part, ...]:
    if not isinstance(model, Mapping) or "layers" not in model:
        raise InputError("model must have a list of layers: choose one as in model=mlp, or set model.layers")
    layers = expand_layers(model["layers"])  # shapes are checked when the data are known
    if referenced is None:
        return layers
    used = {key.partition(".")[2].partition(".")[0] for key in referenced if key.startswith("model.")}
    for key in model:
        if key not in {"name", "layers", *used}:
            raise InputError(
                f"model.{key}: no layer of model {model.get('name')} uses it{nearest(str(key), used)}; "
                f"~model.{key} removes it"
            )
    return layers


def _check_tags(tags: Any) -> dict[str, str]:
    if not isinstance(tags, Mapping):
        raise InputError(f"tags={short(tags)} must be a mapping: write tags.KEY=VALUE")
    return {str(key): _text(value) for key, value in tags.items()}


def _text(value: Any) -> str:
    """Return a tag's text; other values, from YAML files or interpolations, are written as JSON (valid YAML)."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
