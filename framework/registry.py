"""The plugin manager: three doors, one registry, and who provided what.

Doors, in this order: the built-in packages, entry points of group ``framework.plugins``, and files named by
``--plugin`` or ``FRAMEWORK_PLUGINS``. All three end in the same hooks; built-ins have no privilege. A
third-party plugin that fails to load costs one warning line, not the command.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from framework import hookspecs
from framework.doors import BUILT_IN, built_in_modules, file_importer, importer
from framework.errors import InputError, PluginError, nearest
from framework.implicit import ImplicitPlugin
from framework.specs import HOOKS, SPECS, Spec

ENTRY_POINTS = "framework.plugins"

DOORS = ("FRAMEWORK_PLUGINS", "FRAMEWORK_DISABLE_PLUGINS", "FRAMEWORK_STRICT_PLUGINS", "FRAMEWORK_NO_PLUGINS")
"""Environment variables from which a worker process opens the same doors."""


@dataclass(frozen=True)
class Provider:
    """A plugin: where it came from and whether it loaded.

    Attributes:
        name: entry point, file stem or module name.
        door: ``"built-in"``, ``"entry point"``, ``"file"`` or ``"inline"``.
        path: the file of a ``--plugin``, which is kept with every run that uses it.
        status: ``"ok"``, ``"failed"`` or ``"disabled"``.
        text: of an inline plugin, its source as a plugin file; "" where nobody knows it.
    """

    name: str
    door: str
    distribution: str = ""
    version: str = ""
    path: Path | None = None
    status: str = "ok"
    error: str = ""
    text: str = ""

    def __str__(self) -> str:
        origin = self.path or f"{self.distribution} {self.version}".strip()
        return f"plugin {self.name}" + (f" ({origin})" if origin else "")


@dataclass(frozen=True)
class Registered:
    """A name of one kind, the class behind it and the plugin that provides it."""

    kind: str
    name: str
    cls: Any
    provider: Provider


@dataclass
class Registry:
    """All that is registered, and every plugin met on the way.

    Attributes:
        strict: a plugin that fails to load is an error instead of a warning.
        warn: takes one line for each plugin that failed.
    """

    strict: bool = False
    disabled: frozenset[str] = frozenset()
    warn: Callable[[str], object] = field(default=lambda line: sys.stderr.write(f"warning: {line}\n"))
    providers: list[Provider] = field(default_factory=list)
    entries: dict[tuple[str, str], Registered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)

    def add(self, provider: Provider, load: Callable[[], object]) -> None:
        """Load a plugin and take in what it registers.

        Raises:
            PluginError: two plugins provide one name; or, when strict or built in, the plugin is broken.
        """
        if provider.name in self.disabled:
            self.providers.append(_with(provider, "disabled"))
            return
        try:
            found = self._register(provider, load())
        except (Exception, SystemExit) as error:
            problem = f"{provider} was not loaded: {type(error).__name__}: {error}".replace("\n", " ")
            if self.strict or provider.door in ("built-in", "inline"):
                raise PluginError(problem) from error
            self.warn(f"{problem} (FRAMEWORK_DISABLE_PLUGINS={provider.name} silences this)")
            self.providers.append(_with(provider, "failed", f"{type(error).__name__}: {error}"))
            return
        for entry in found:
            self._refuse_duplicate(entry)
            self.entries[entry.kind, entry.name] = entry
        self.providers.append(provider)

    def add_file(self, path: Path) -> None:
        """Load a plugin's file; raises as `add`."""
        self.add(Provider(path.stem, "file", path=path), file_importer(path))

    def _register(self, provider: Provider, plugin: object) -> list[Registered]:
        wanted = getattr(plugin, "framework_api", hookspecs.API_VERSION)
        if wanted != hookspecs.API_VERSION:
            raise PluginError(f"it was written for plugin API {wanted}; this is {hookspecs.API_VERSION}")
        if isinstance(plugin, ModuleType) and not _has_hooks(plugin):
            plugin = ImplicitPlugin(plugin)
        self.manager.register(plugin, name=provider.name)
        try:
            self.manager.check_pending()
            return list(self._specs(provider, plugin))
        except Exception:
            self.manager.unregister(plugin)
            raise

    def _specs(self, provider: Provider, plugin: object) -> Iterator[Registered]:
        for kind, hook in HOOKS.items():
            for impl in getattr(self.manager.hook, hook).get_hookimpls():
                if impl.plugin is plugin:
                    for spec in impl.function():
                        if not isinstance(spec, SPECS[kind]):
                            raise PluginError(f"{hook} must yield {SPECS[kind].__name__}, not {spec!r}")
                        yield _registered(spec, provider)

    def _refuse_duplicate(self, entry: Registered) -> None:
        other = self.entries.get((entry.kind, entry.name))
        if other is not None:
            raise PluginError(
                f"{entry.kind} {entry.name} is provided twice, by {other.provider} and by {entry.provider}: "
                f"rename one, or set FRAMEWORK_DISABLE_PLUGINS={entry.provider.name}"
            )

    def find(self, kind: str, name: str) -> Registered:
        """Return what is registered under ``name``.

        Raises:
            InputError: nothing is; the message has the nearest names.
        """
        if (kind, name) not in self.entries:
            raise InputError(f"no {kind} is called {name}{nearest(str(name), self.names(kind))}")
        return self.entries[kind, name]

    def names(self, kind: str) -> list[str]:
        """Return the sorted names of one kind.

        Raises:
            InputError: there is no such kind.
        """
        if kind not in HOOKS:
            raise InputError(f"no plugins are of kind {kind}{nearest(kind, HOOKS)}")
        return sorted(name for of_kind, name in self.entries if of_kind == kind)

    def lifecycle(self, hook: str) -> Callable[..., list[Any]] | None:
        """Return the caller of a lifecycle hook, or None where nobody implements it (so that it costs nothing)."""
        caller = getattr(self.manager.hook, hook)
        return caller if caller.get_hookimpls() else None


def _registered(spec: Spec, provider: Provider) -> Registered:
    spec.cls.registered_name = spec.name
    return Registered(spec.kind, spec.name, spec.cls, provider)


def _with(provider: Provider, status: str, error: str = "") -> Provider:
    return Provider(provider.name, provider.door, provider.distribution, provider.version, provider.path, status, error)


def _has_hooks(module: ModuleType) -> bool:
    marker = f"{hookspecs.PROJECT}_impl"
    return any(hasattr(value, marker) for value in vars(module).values() if callable(value))


def load(
    files: Iterable[str | Path] = (),
    *,
    environ: Mapping[str, str] = os.environ,
    built_in: Sequence[str] = BUILT_IN,
) -> Registry:
    """Open the three doors and return the registry.

    Args:
        files: plugin files, beside those that ``FRAMEWORK_PLUGINS`` names (separated as in PATH).
        environ: where `DOORS` are read: plugin files; names to leave out, with commas; 1 to make a broken plugin an
            error; 1 to open the built-in door alone.
        built_in: the packages behind the built-in door; fewer load faster, where only one kind is needed.

    Raises:
        PluginError: two plugins provide one name, or a plugin is broken and strict mode is on.
        InputError: a plugin file does not exist.
    """
    disabled = frozenset(
        filter(None, (name.strip() for name in environ.get("FRAMEWORK_DISABLE_PLUGINS", "").split(",")))
    )
    registry = Registry(strict=environ.get("FRAMEWORK_STRICT_PLUGINS", "") == "1", disabled=disabled)
    for module in built_in_modules(built_in):
        registry.add(Provider(module, "built-in", *_own_distribution()), importer(module))
    if environ.get("FRAMEWORK_NO_PLUGINS", "") != "1":
        for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            origin = (point.dist.name, point.dist.version) if point.dist else ("", "")
            registry.add(Provider(point.name, "entry point", *origin), point.load)
        named = [Path(name) for name in environ.get("FRAMEWORK_PLUGINS", "").split(os.pathsep) if name]
        for path in dict.fromkeys(Path(name).resolve() for name in [*named, *files]):
            if not path.is_file():
                raise InputError(f"--plugin {path}: there is no such file")
            registry.add_file(path)
    return registry


def _own_distribution() -> tuple[str, str]:
    from framework import DISTRIBUTION, __version__

    return DISTRIBUTION, __version__


_current: Registry | None = None


def current() -> Registry:
    """Return this process's registry, opening the doors on first use."""
    global _current
    if _current is None:
        _current = load()
    return _current


def install(registry: Registry | None) -> None:
    """Make ``registry`` this process's own; None forgets it."""
    global _current
    _current = registry


@contextmanager
def beside(registry: Registry) -> Iterator[Registry]:
    """Make a copy of ``registry`` this process's own for a while, to add to it."""
    copy = Registry(registry.strict, registry.disabled, registry.warn, list(registry.providers), dict(registry.entries))
    for name, plugin in registry.manager.list_name_plugin():
        copy.manager.register(plugin, name=name)
    install(copy)
    try:
        yield copy
    finally:
        install(registry)


def find(kind: str, name: str) -> Registered:
    """Return what this process's registry holds under ``name``; raises `InputError` as `Registry.find`."""
    return current().find(kind, name)
