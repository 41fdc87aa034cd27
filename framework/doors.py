"""How the modules behind the registry's doors are found and loaded."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from framework.errors import PluginError

BUILT_IN = (
    "plugins.optimizers",
    "plugins.optimizers.blog",
    "plugins.layers",
    "plugins.losses",
    "plugins.metrics",
    "plugins.datasets",
    "plugins.schedules",
    "plugins.stages",
)
"""Packages whose modules are plugins; modules that start with an underscore are helpers."""


def built_in_modules(packages: Sequence[str] = BUILT_IN) -> list[str]:
    """Return the names of all built-in plugin modules in ``packages``."""
    found = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is not None:
            paths = list(spec.submodule_search_locations or ())
            modules = (info for info in pkgutil.iter_modules(paths) if not info.ispkg and not info.name.startswith("_"))
            found += [f"{package}.{info.name}" for info in modules]
    return found


def importer(module: str) -> Callable[[], object]:
    """Return what imports a module by name; it raises whatever the module does."""
    return lambda: importlib.import_module(module)


def file_importer(path: Path) -> Callable[[], object]:
    """Return what loads a plugin's file as a module of its own; it raises whatever the file does."""

    def load_file() -> object:
        name = f"framework_plugin_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"{path.name} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return load_file
