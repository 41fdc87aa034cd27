"""The name of a run's setting: its optimizer and the values that differ from the problem's defaults, the seed aside.

Runs of one setting differ in their seed only, so that grouping by the name averages over seeds. It is made from the
resolved configuration, never from how the user spelt it: the same setting has the same name in every sweep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from framework.config_source import SECTIONS, plain
from framework.errors import InputError
from framework.provenance import OUTSIDE
from framework.registry import find
from framework.settings import everything

MOST_CHARACTERS = 60
"""Of one value in a name; a longer one is cut and gets a hash, so that different values have different names."""

_ASIDE = {*OUTSIDE, *SECTIONS, "problem", "seed", "model", "stages"}


Compose = Callable[[Sequence[str]], Mapping[str, Any]]
"""Composes overrides to a configuration as plain data, not checked; raises `InputError` where they do not compose."""


def setting_of(config: Mapping[str, Any], choices: Mapping[str, Any], compose: Compose) -> str:
    """Return the name of a run's setting.

    Args:
        config: its checked configuration.
        choices: the option chosen of each group; ``problem`` and ``model`` are read.
        compose: used to find the problem's defaults, with at most two overrides; best one that remembers.
    """
    chosen = [f"{group}={choices[group]}" for group in ("problem", "model") if choices.get(group)]
    try:
        default, model = compose(chosen[:1]), compose(chosen)["model"]
    except InputError:  # a problem that composes with more overrides only: all that is not a class's default counts
        usual = {kind: {"name": config[kind]["name"], **_defaults(kind, config[kind]["name"])} for kind in SECTIONS}
        default, model = {**everything(), **usual, "model": {}}, {}
    return setting_name(config, default, model)


def setting_name(config: Mapping[str, Any], default: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return the name, such as ``"adam lr=0.01 batch_size=64"``. The learning rate is always part of it.

    Args:
        config: a checked configuration.
        default: the configuration of its problem with nothing changed.
        model: the ``model`` section of its problem with its choice of model and nothing else changed.
    """
    words = [config["optimizer"]["name"]]
    if "lr" in config["optimizer"]:
        words.append(f"lr={_value(config['optimizer']['lr'])}")
    pairs = [*_sections(config, default), *_model(config["model"], default["model"], model), *_stages(config, default)]
    pairs += [
        (name, value) for name, value in config.items() if name not in _ASIDE and not _same(value, default.get(name))
    ]
    return " ".join([*words, *(f"{name}={_value(value)}" for name, value in pairs)])


def _sections(config: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("optimizer", *(kind for kind in SECTIONS if kind != "optimizer")):
        section, usual = config[kind], default[kind]
        if section["name"] != usual["name"]:
            usual = _defaults(kind, section["name"])
            if kind != "optimizer":
                yield kind, section["name"]
        for name, value in section.items():
            if name != "name" and (kind, name) != ("optimizer", "lr") and not _same(value, usual[name]):
                yield name if kind == "optimizer" else f"{kind}.{name}", value


def _model(
    section: Mapping[str, Any], default: Mapping[str, Any], chosen: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield what differs; the list of layers only where no other key explains it."""
    if section.get("name") != default.get("name"):
        yield "model", section.get("name")
    changed = [name for name in {**chosen, **section} if not _same(section.get(name), chosen.get(name))]
    own = [name for name in changed if name not in ("layers", "name")]
    for name in own or [name for name in changed if name == "layers"]:
        yield f"model.{name}", section.get(name)


def _stages(config: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    stages = config["stages"]
    if list(stages) != list(default["stages"]):
        yield "stages", list(stages)
    for stage, fields in stages.items():
        usual = default["stages"].get(stage) or _defaults("stage", stage)
        for name, value in fields.items():
            if not _same(value, usual[name]):
                yield f"stages.{stage}.{name}", value


def _defaults(kind: str, name: str) -> dict[str, Any]:
    return plain(find(kind, name).cls.defaults())


def _same(one: Any, other: Any) -> bool:
    """Compare a checked value with one that may be unchecked: a whole number for a float."""
    return bool(one == other)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return repr(value) if float(f"{value:g}") != value else f"{value:g}"
    if value is None or isinstance(value, bool | int | str):
        text = value if isinstance(value, str) else json.dumps(value)
    else:
        text = json.dumps(value, separators=(",", ":")).replace('"', "")
    if " " in text or len(text) > MOST_CHARACTERS:  # words stand between spaces
        return f"{text[:MOST_CHARACTERS].replace(' ', '_')}…{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return text
