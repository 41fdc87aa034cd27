"""Discovery and loading of built-in plugin modules and of plugin files."""

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
"""Packages whose modules are plugins; modules whose names start with an underscore are helpers."""

PACKAGE = "plugins"
ALIAS = "framework_built_in_plugins"
"""Name under which the built-in plugins are imported if another package is called ``plugins``."""


def built_in_modules(packages: Sequence[str] = BUILT_IN) -> list[str]:
    """Return the names of all built-in plugin modules in ``packages``."""
    names = []
    for package in packages:
        folder = plugins_folder().joinpath(*package.split(".")[1:])
        modules = (info for info in pkgutil.iter_modules([str(folder)]) if not info.ispkg)
        names += [f"{package}.{info.name}" for info in modules if not info.name.startswith("_")]
    return names


def importers(packages: Sequence[str] = BUILT_IN) -> dict[str, Callable[[], object]]:
    """Return a function per built-in module that imports it, by the module's name; it raises the import's error."""
    package = functools.cache(_package)  # finding it takes longer than repeating an import

    def load(module: str) -> object:
        return importlib.import_module(f"{package()}.{module.partition('.')[2]}")

    return {module: functools.partial(load, module) for module in built_in_modules(packages)}


def _package() -> str:
    """Return the name under which the built-in plugins can be imported.

    It is ``plugins``, or `ALIAS` if another package or module has that name. Both can then be imported, because the
    built-in plugins import each other only by relative names.
    """
    if ALIAS in sys.modules:
        return ALIAS
    folder = plugins_folder()
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except ValueError:  # sys.modules has a module of that name without a spec
        spec = None
    if spec is not None and any(
        Path(location).resolve() == folder for location in spec.submodule_search_locations or ()
    ):
        return PACKAGE
    spec = importlib.util.spec_from_file_location(
        ALIAS, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    _executed(spec)
    return ALIAS


@dataclass(frozen=True)
class PluginFile:
    """A plugin file, read once, so that the same text is loaded, hashed and saved with runs.

    Attributes:
        path: the file.
        content: its bytes.
    """

    path: Path
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path, named_by: str = "--plugin") -> PluginFile:
        """Read a plugin file.

        Args:
            path: the file.
            named_by: option or variable that named the file, for the message.

        Raises:
            InputError: there is no such file, it cannot be read, its path is not UTF-8, or its name does not end in
                ``.py``.
        """
        if path.is_dir():
            raise InputError(f"{named_by} {path}: this is a folder: name a Python file in it")
        if not path.is_file():
            raise InputError(f"{named_by} {path}: there is no such file")
        if path.suffix != ".py":
            raise InputError(f"{named_by} {path}: a plugin is a Python file: its name must end in .py")
        try:
            str(path).encode()
            return cls(path, path.read_bytes())
        except UnicodeEncodeError as error:
            raise InputError(
                f"{named_by} {str(path)!a}: its path is not UTF-8, which run records need: rename it"
            ) from error
        except OSError as error:
            raise InputError(f"{named_by} {path}: this file cannot be read: {error.strerror}") from error

    def load(self) -> object:
        """Execute the file and return it as a module; raises any exception that the file raises.

        The module's name includes a hash of the path, so that files of the same name do not replace each other. Byte
        code is neither read nor written: cached byte code might belong to another text, and plugin folders stay
        unchanged.
        """
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        name = f"framework_plugin_{self.path.stem}_{digest}"
        loader = _Loader(name, str(self.path), self.content)
        return _executed(importlib.util.spec_from_file_location(name, self.path, loader=loader))


class _Loader(SourceFileLoader):
    """Loads the given source instead of the file or its byte code."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(importlib.util.decode_source(self._content), self.path)


def _executed(spec: ModuleSpec | None) -> ModuleType:
    """Execute the module of a spec and return it; if it raises, remove it from ``sys.modules``."""
    if spec is None or spec.loader is None:
        raise ImportError("no loader supports this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
