"""Hydra's errors, said in one line with the nearest names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework.config_source import STAGES
from framework.errors import nearest
from framework.places import conf_folder
from framework.records import flatten
from framework.registry import current, find

ERRORS = (HydraException, OmegaConfBaseException)


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Return one line for an error of Hydra or OmegaConf.

    Args:
        error: what was raised.
        overrides: the command line, to find what would have been known in its place.
    """
    message = str(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override}: this cannot be read: {message.splitlines()[0]}; quote lists and brackets for the shell"
        )
    option = re.search(r"Could not (?:find|load) '([\w/]+)/([\w.-]*)'", message)
    if option:
        group, name = option.groups()
        kind, *below = group.split("/")
        name = "/".join([*below, name])
        what = "stage" if kind == STAGES else kind
        return f"{kind}={name}: there is no such {what}{nearest(name, _options(message, what))}"
    key = re.search(r"Could not override '([^']+)'", message)
    if key:
        return _unknown_key(key.group(1), overrides)
    return " ".join(message.split())


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    section, _, field = key.partition(".")
    chosen = [item.partition("=")[2] for item in overrides if item.startswith(f"{section}=")]
    if chosen and (section, chosen[-1]) in current().entries:
        cls = find(section, chosen[-1]).cls
        why = cls.absent.get(field)
        return f"{key}: " + (why or f"{cls.label()} has no such field{nearest(field, cls.fields)}")
    return f"{key}: there is no such key{nearest(key, known_keys(overrides, key))}"


def _options(message: str, kind: str) -> list[str]:
    registered = [name for of_kind, name in current().entries if of_kind == kind]
    _, _, listed = message.partition("Available options")
    return [*registered, *re.findall(r"^\s+([\w-]+)\s*$", listed, flags=re.MULTILINE)]


def known_keys(overrides: Sequence[str], culprit: str) -> list[str]:
    """Return the keys there are, with the groups the user chose; the plain configuration's where that fails."""
    groups = [item for item in overrides if "." not in item.partition("=")[0] and not item.startswith(culprit)]
    for tried in (groups, []):
        GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                plain = OmegaConf.to_container(compose("config", overrides=tried), resolve=False)
        except ERRORS:
            continue
        composed = cast(dict[str, Any], plain)
        return [*flatten(composed), *composed]
    return []
