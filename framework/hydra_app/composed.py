"""Composed configurations as plain data, and registration of resolvers and Hydra plugins before composing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework.config.check import Composed, check
from framework.config.resolved import RunConfig
from framework.errors import InputError
from framework.system.paths import hydra_plugins_folder


def register_resolvers() -> None:
    """Register ``${pid:}``, which our configs use so that folders of runs started in the same second differ."""
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True)


def reveal_hydra_plugins() -> None:
    """Add the folder of our sweeper and launcher to the package ``hydra_plugins``, in which Hydra looks for plugins.

    Without this, Hydra does not find them if the user has a package of that name, or if this package is not installed.

    Raises:
        InputError: the user's ``hydra_plugins`` is a file.
    """
    ours = hydra_plugins_folder()
    if importlib.util.find_spec(ours.name) is None:
        sys.path.append(str(ours.parent))
    package = importlib.import_module(ours.name)
    if not hasattr(package, "__path__"):
        raise InputError(f"{package.__file__}: Hydra looks for its plugins under this name: rename the file")
    if str(ours) not in package.__path__:
        package.__path__.append(str(ours))


def plain_data(composed: DictConfig) -> Composed:
    """Return a composed config as plain data, without Hydra's own section.

    Raises:
        OmegaConfBaseException: an interpolation fails.
    """
    unresolved = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=False))
    choices = unresolved.pop("hydra", {}).get("runtime", {}).get("choices", {})
    raw = OmegaConf.to_container(OmegaConf.create(unresolved), resolve=True)
    return Composed(cast(dict[str, Any], raw), unresolved, choices)


def resolved_store(config: Mapping[str, Any]) -> str | None:
    """Return the store's address in a configuration as written, or None if an interpolation in it has no value."""
    register_resolvers()
    try:
        return cast(str | None, OmegaConf.select(OmegaConf.create(dict(config)), "tracking.uri"))
    except OmegaConfBaseException:
        return None


def checked(config: Mapping[str, Any]) -> RunConfig:
    """Return a configuration with interpolations resolved, every value checked and every default filled in.

    Args:
        config: plain data, which may contain interpolations.

    Raises:
        InputError: as for `check`.
    """
    return check(plain_data(OmegaConf.create(dict(config))))
