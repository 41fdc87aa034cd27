"""What Hydra composed, as plain data; what OmegaConf and Hydra must know of us before they compose."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from framework.config.check import Composed, check
from framework.errors import InputError
from framework.system.paths import hydra_plugins_folder


def register_resolvers() -> None:
    """Teach OmegaConf what our configs interpolate: ``${pid:}``, so that folders of one second differ."""
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True)


def reveal_hydra_plugins() -> None:
    """Add the folder of our sweeper and launcher to the package in which Hydra looks for plugins.

    It is missing there if the user has a package ``hydra_plugins``, or if this package is not installed.

    Raises:
        InputError: the user's ``hydra_plugins`` is a file.
    """
    ours = hydra_plugins_folder()
    if importlib.util.find_spec(ours.name) is None:
        sys.path.append(str(ours.parent))
    found = importlib.import_module(ours.name)
    if not hasattr(found, "__path__"):
        raise InputError(f"{found.__file__}: Hydra looks for its plugins under this name: rename the file")
    if str(ours) not in found.__path__:
        found.__path__.append(str(ours))


def plain_data(composed: DictConfig) -> Composed:
    """Return a composed config without Hydra's own section.

    Raises:
        OmegaConfBaseException: an interpolation fails.
    """
    unresolved = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=False))
    choices = unresolved.pop("hydra", {}).get("runtime", {}).get("choices", {})
    raw = OmegaConf.to_container(OmegaConf.create(unresolved), resolve=True)
    return Composed(cast(dict[str, Any], raw), unresolved, choices)


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data, interpolations as written, with every value checked and every default filled in.

    Raises:
        InputError: as `check`.
    """
    return check(plain_data(OmegaConf.create(dict(config))))
