"""Paths of the package's own files.

This module imports little, because every Hydra application of the environment loads it.
"""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def root_folder() -> Path:
    """Return the folder that holds the ``framework`` package: ``site-packages`` or a checkout."""
    return Path(__file__).resolve().parents[2]


def conf_folder() -> Path:
    """Return the folder of config groups: inside the installed package, or next to it in a checkout."""
    installed = root_folder() / "framework" / "conf"
    return installed if installed.is_dir() else root_folder() / "conf"


def plugins_folder() -> Path:
    """Return the folder of the built-in plugins, next to the package."""
    return root_folder() / "plugins"


def hydra_plugins_folder() -> Path:
    """Return the folder ``hydra_plugins``, which Hydra searches: next to the package, or below ``plugins/hydra``."""
    in_checkout = plugins_folder() / "hydra" / "hydra_plugins"
    return in_checkout if in_checkout.is_dir() else root_folder() / "hydra_plugins"
