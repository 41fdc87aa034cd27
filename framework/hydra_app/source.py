"""Registered plugins as Hydra's config groups: each option's fields are made from its class when Hydra asks.

Hydra's ConfigStore would do, but it is copied whole at every composition, which takes longer than all else together.
"""

from __future__ import annotations

from typing import Any

from framework.config.settings import SECTIONS, STAGES, everything, plain
from framework.registry.manager import Registered, current

SETTINGS = "settings"
"""The option at the root that holds the defaults of all that is not a plugin's."""


def options() -> dict[str, Registered]:
    """Return what is registered by the path Hydra knows it by, such as ``optimizer/blog/adam``."""
    found = {}
    for entry in current().entries.values():
        if entry.kind in SECTIONS:
            found[f"{entry.kind}/{entry.name}"] = entry
        elif entry.kind == "stage":
            found[f"{STAGES}/{entry.name}"] = entry
    return found


def node(path: str) -> tuple[dict[str, Any], str] | None:
    """Return an option's content and the package it goes to, or None where there is no such option."""
    if path == SETTINGS:
        return everything(), "_global_"
    entry = options().get(path)
    if entry is None:
        return None
    fields = plain(entry.cls.defaults())
    if entry.kind == "stage":
        return fields, f"{STAGES}.{entry.name}"
    return {"name": entry.name, **fields}, entry.kind


def children(path: str) -> dict[str, bool]:
    """Return the names below a path, each with whether it is a group."""
    prefix = f"{path}/" if path else ""
    found: dict[str, bool] = {} if path else {SETTINGS: False}
    for option in options():
        if option.startswith(prefix):
            first, separator, _ = option.removeprefix(prefix).partition("/")
            found[first] = found.get(first, False) or bool(separator)
    return found


def below(path: str) -> list[str]:
    """Return every option below a path, those of its groups with their group: what completion offers."""
    if not path:
        return [SETTINGS]
    return sorted(option.removeprefix(f"{path}/") for option in options() if option.startswith(f"{path}/"))
