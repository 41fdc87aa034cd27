"""Registered plugins as options of Hydra's config groups, generated from their classes on request.

Hydra's ConfigStore could hold them, but every composition copies the whole store, which takes longer than the rest of
the composition.
"""

from __future__ import annotations

from typing import Any

from framework.config.settings import SECTIONS, STAGES, everything, plain
from framework.registry.manager import Registered, current

SETTINGS = "settings"
"""The option at the root with the defaults of all settings that do not belong to a plugin."""


def options() -> dict[str, Registered]:
    """Return registered plugins by Hydra's path, such as ``optimizer/blog/adam``."""
    by_path = {}
    for entry in current().entries.values():
        if entry.kind in SECTIONS:
            by_path[f"{entry.kind}/{entry.name}"] = entry
        elif entry.kind == "stage":
            by_path[f"{STAGES}/{entry.name}"] = entry
    return by_path


def node(path: str) -> tuple[dict[str, Any], str] | None:
    """Return an option's content and its package, or None if there is no such option."""
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
    """Return the names directly below a path; the value is whether the name is a group."""
    prefix = f"{path}/" if path else ""
    names: dict[str, bool] = {} if path else {SETTINGS: False}
    for option in options():
        if option.startswith(prefix):
            first, separator, _ = option.removeprefix(prefix).partition("/")
            names[first] = names.get(first, False) or bool(separator)
    return names


def below(path: str) -> list[str]:
    """Return all options below a path, relative to it (``blog/adam`` for an option of a group), for completion."""
    if not path:
        return [SETTINGS]
    return sorted(option.removeprefix(f"{path}/") for option in options() if option.startswith(f"{path}/"))
