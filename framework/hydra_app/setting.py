"""The name of a run's setting: its optimizer and all values that differ from the problem's defaults, except the seed.

Runs of one setting differ only in their seed, so that grouping by the name averages over seeds. The name depends on the
resolved configuration and not on the user's overrides, so that the same setting has the same name in every sweep.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework.config.check import Composed
from framework.config.resolved import RunConfig
from framework.config.settings import OUTSIDE, SECTIONS, plain
from framework.registry.manager import find

MOST_CHARACTERS = 60
"""Maximum length of a value in a name; a longer one is cut and gets a hash, so that different values differ."""

_ASIDE = {*OUTSIDE, *SECTIONS, "problem", "seed", "model", "stages"}


Compose = Callable[[Sequence[str]], Composed | None]
"""Function that composes overrides on the main job without checks; it returns None if they do not compose."""

_NOTHING = Composed({}, {})


def setting_of(config: RunConfig, choices: Mapping[str, Any], compose: Compose) -> str:
    """Return the name of a run's setting, such as ``"adam lr=0.01 batch_size=64"``.

    The learning rate is always part of it. A problem that only composes together with further overrides has no
    defaults: its runs are named by the values that differ from the main job.

    Args:
        config: the run's checked configuration.
        choices: the chosen option of each config group; ``problem`` and ``model`` are read.
        compose: finds the defaults, with at most two overrides per call; it should cache its results.
    """
    problem, model = ([f"{group}={choices[group]}"] if choices.get(group) else [] for group in ("problem", "model"))
    default = compose(problem) or compose([]) or _NOTHING
    usual = default.choices.get("model") == choices.get("model")  # then a second composition would give the same result
    chosen = default if usual else compose([*problem, *model]) or compose(model) or _NOTHING
    return _name(config.data, default.raw, chosen)


def _name(config: Mapping[str, Any], default: Mapping[str, Any], chosen: Composed) -> str:
    words = [config["optimizer"]["name"]]
    if "lr" in config["optimizer"]:
        words.append(f"lr={_value(config['optimizer']['lr'])}")
    pairs = [*_sections(config, default), *_model(config, default, chosen), *_stages(config, default)]
    pairs += [
        (name, value) for name, value in config.items() if name not in _ASIDE and not _same(value, default.get(name))
    ]
    return " ".join([*words, *(f"{name}={_value(value)}" for name, value in pairs)])


def _sections(config: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("optimizer", *(kind for kind in SECTIONS if kind != "optimizer")):
        section, usual = config[kind], default.get(kind, {})
        if section["name"] != usual.get("name"):
            usual = _defaults(kind, section["name"])
            if kind != "optimizer":
                yield kind, section["name"]
        for name, value in section.items():
            if name != "name" and (kind, name) != ("optimizer", "lr") and not _same(value, usual[name]):
                bare = kind == "optimizer" and name not in config  # a bare name always means the top-level setting
                yield name if bare else f"{kind}.{name}", value


def _model(config: Mapping[str, Any], default: Mapping[str, Any], chosen: Composed) -> Iterator[tuple[str, Any]]:
    """Yield values of the model that differ; ``layers`` only if the other differing keys do not account for it."""
    section, usual = config["model"], chosen.raw.get("model", {})
    if section.get("name") != default.get("model", {}).get("name"):
        yield "model", section.get("name")
    own = [name for name in section if name not in ("layers", "name") and not _same(section[name], usual.get(name))]
    for name in own:
        yield f"model.{name}", section[name]
    layers = section["layers"]
    if not _same(layers, usual.get("layers")) and not (own and _same(layers, _layers(config, chosen))):
        yield "model.layers", layers


def _layers(config: Mapping[str, Any], chosen: Composed) -> Any:
    """Return the chosen model's layers, resolved with the other values of ``config``; None if that fails."""
    model = {**config["model"], "layers": chosen.unresolved.get("model", {}).get("layers")}
    try:
        return OmegaConf.to_container(OmegaConf.create({**config, "model": model}).model.layers, resolve=True)
    except OmegaConfBaseException:
        return None


def _stages(config: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    stages, default_stages = config["stages"], default.get("stages", {})
    if list(stages) != list(default_stages):
        yield "stages", list(stages)
    for stage, fields in stages.items():
        usual = default_stages.get(stage) or _defaults("stage", stage)
        for name, value in fields.items():
            if not _same(value, usual[name]):
                yield f"stages.{stage}.{name}", value


def _defaults(kind: str, name: str) -> dict[str, Any]:
    return plain(find(kind, name).cls.defaults())


def _same(one: Any, other: Any) -> bool:
    """Return whether a checked value equals one that may be unchecked, such as an integer for a float."""
    return bool(one == other)


def _value(value: Any) -> str:
    """Return a value as a word of a name: without white space, and different for different values."""
    text = value if isinstance(value, str) and not _LITERAL.fullmatch(value) else _text(value)
    cut = text[:MOST_CHARACTERS] + ("" if len(text) <= MOST_CHARACTERS else "…")
    word = re.sub(r"\s", "_", cut)
    return word if word == text else f"{word}#{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _text(value: Any) -> str:
    """Return a value as compact JSON, without quotes that are not needed."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_text(key)}:{_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _LITERAL.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


_PLAIN = re.compile(r"[^][{},:\"\s]+")
_LITERAL = re.compile(r"|null|true|false|[-+]?([\d.]+(e[-+]?\d+)?|nan|inf)", re.IGNORECASE)
"""Text that would be read as another value without quotes."""
