"""How the modules behind the registry's doors are found and loaded."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from framework.errors import InputError
from framework.system.paths import plugins_folder

BUILT_IN = (
    "plugins.optimizers",
    "plugins.optimizers.blog",
    "plugins.optimizers.bridges",
    "plugins.layers",
    "plugins.losses",
    "plugins.metrics",
    "plugins.datasets",
    "plugins.schedules",
    "plugins.stages",
)
"""Packages whose modules are plugins; modules that start with an underscore are helpers."""

PACKAGE = "plugins"
ALIAS = "framework_built_in_plugins"
"""Name under which the built-in plugins are imported if another package is called ``plugins``."""


def built_in_modules(packages: Sequence[str] = BUILT_IN) -> list[str]:
    """Return the names of all built-in plugin modules in ``packages``."""
    found = []
    for package in packages:
        folder = plugins_folder().joinpath(*package.split(".")[1:])
        modules = (info for info in pkgutil.iter_modules([str(folder)]) if not info.ispkg)
        found += [f"{package}.{info.name}" for info in modules if not info.name.startswith("_")]
    return found


def importers(packages: Sequence[str] = BUILT_IN) -> dict[str, Callable[[], object]]:
    """Return what imports each of the modules in `built_in_modules`; it raises what its import does."""
    package = functools.cache(_package)  # found once: it takes longer than an import that was done before

    def load(module: str) -> object:
        return importlib.import_module(f"{package()}.{module.partition('.')[2]}")

    return {module: functools.partial(load, module) for module in built_in_modules(packages)}


def _package() -> str:
    """Return the name under which the built-in plugins can be imported.

    It is ``plugins``, unless a package or module of the user has that name: both can then be imported, because the
    built-in plugins import one another by relative names alone.
    """
    if ALIAS in sys.modules:
        return ALIAS
    folder = plugins_folder()
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except ValueError:  # somebody made a module of that name by hand
        spec = None
    if spec is not None and any(Path(place).resolve() == folder for place in spec.submodule_search_locations or ()):
        return PACKAGE
    spec = importlib.util.spec_from_file_location(
        ALIAS, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    _executed(spec)
    return ALIAS


@dataclass(frozen=True)
class PluginFile:
    """A plugin file as it was read: what is loaded, hashed and kept with runs is the same text."""

    path: Path
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path, door: str = "--plugin") -> PluginFile:
        """Read a plugin file.

        Args:
            path: the file.
            door: how it was named, for the message.

        Raises:
            InputError: there is no such file, it cannot be read, or its name is not UTF-8 or does not end in ``.py``.
        """
        if path.is_dir():
            raise InputError(f"{door} {path}: this is a folder: name a Python file in it")
        if not path.is_file():
            raise InputError(f"{door} {path}: there is no such file")
        if path.suffix != ".py":
            raise InputError(f"{door} {path}: a plugin is a Python file, whose name ends in .py")
        try:
            str(path).encode()
            return cls(path, path.read_bytes())
        except UnicodeEncodeError as error:
            raise InputError(f"{door} {str(path)!a}: its path is not UTF-8, as records need it: rename it") from error
        except OSError as error:
            raise InputError(f"{door} {path}: this file cannot be read: {error.strerror}") from error

    def load(self) -> object:
        """Return the file as a module of its own; raises whatever the file does.

        The module's name holds the file's place, so that files of one name do not replace each other. No byte code is
        read or written: a cached one could be another text's, and plugin folders are left as they are.
        """
        place = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        name = f"framework_plugin_{self.path.stem}_{place}"
        loader = _Loader(name, str(self.path), self.content)
        return _executed(importlib.util.spec_from_file_location(name, self.path, loader=loader))


class _Loader(SourceFileLoader):
    """Runs the given source instead of reading the file or its byte code."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(importlib.util.decode_source(self._content), self.path)


def _executed(spec: ModuleSpec | None) -> ModuleType:
    """Return the module of a spec, executed; a module that raises is forgotten."""
    if spec is None or spec.loader is None:
        raise ImportError("no loader takes this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
