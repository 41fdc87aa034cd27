"""The plugin manager: loads plugins from three sources into one registry and records the provider of each name.

The sources, in this order: the built-in packages, entry points of group ``framework.plugins``, and files named by
``--plugin`` or ``FRAMEWORK_PLUGINS``. All of them use the same hooks; built-in plugins have no privilege. If a
third-party plugin fails to load, the command issues one warning line and continues.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pluggy

from framework import errors, hookspecs
from framework.errors import InputError, PluginError, format_error, nearest, short
from framework.registry.autoregister import ImplicitPlugin
from framework.registry.discovery import BUILT_IN, PluginFile, importers
from framework.specs import HOOKS, SPECS, Spec

ENTRY_POINTS = "framework.plugins"

LONGEST_ERROR = 500
"""Most characters shown of a plugin's error message: a library's message may fill pages."""

VARIABLES = ("FRAMEWORK_PLUGINS", "FRAMEWORK_DISABLE_PLUGINS", "FRAMEWORK_STRICT_PLUGINS", "FRAMEWORK_NO_PLUGINS")
"""Environment variables that determine the plugins; with them a worker process loads the same ones."""


@dataclass(frozen=True)
class Provider:
    """A plugin: its origin and whether it was loaded.

    Attributes:
        name: entry point, file stem or module name; numbered (``my_rule_2``) if another plugin has that name.
        origin: kind of origin: ``"built-in"``, ``"entry point"``, ``"file"`` or ``"inline"``.
        distribution: name of the installed distribution, or "".
        version: version of the distribution, or "".
        path: the plugin file, which is saved with every run that uses it; None for other plugins.
        status: ``"ok"``, ``"failed"`` or ``"disabled"``.
        error: error message of a plugin that failed, or "".
        source: text of a file or an inline plugin as a plugin file; empty for other plugins or if it is unknown.
    """

    name: str
    origin: str
    distribution: str = ""
    version: str = ""
    path: Path | None = None
    status: str = "ok"
    error: str = ""
    source: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        location = self.path or f"{self.distribution} {self.version}".strip()
        return f"plugin {self.name}" + (f" ({location})" if location else "")


@dataclass(frozen=True)
class Registered:
    """An entry of the registry: a name of one kind, its class and the plugin that provides it."""

    kind: str
    name: str
    cls: Any
    provider: Provider


class _Manager(pluggy.PluginManager):
    """pluggy's manager with a faster test for the attributes of a module that are not hooks.

    pluggy's own test of each attribute (3,000 in the built-in modules) would take half the time of loading all plugins.
    """

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(plugin, ModuleType) and not _is_hook(vars(plugin).get(name)):
            return None
        return super().parse_hookimpl_opts(plugin, name)


@dataclass
class Registry:
    """All registered names, and all plugins that were found.

    Attributes:
        strict: whether a plugin that fails to load raises an error instead of a warning.
        disabled: names of plugins to leave out.
        warn: called with one line per plugin that failed.
        providers: all plugins, in the order of loading; failed and disabled ones included.
        entries: registered entries by kind and name.
    """

    strict: bool = False
    disabled: frozenset[str] = frozenset()
    warn: Callable[[str], object] = errors.warn
    providers: list[Provider] = field(default_factory=list)
    entries: dict[tuple[str, str], Registered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manager = _Manager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)

    def add(self, provider: Provider, load: Callable[[], object]) -> None:
        """Load a plugin and add its entries to the registry.

        Args:
            provider: the plugin; its name is numbered if another plugin has it.
            load: function that returns the plugin object or module.

        Raises:
            PluginError: two plugins provide one name; or the plugin is broken and is built in or inline, or ``strict``
                is set.
        """
        named = numbered(provider.name, {other.name for other in self.providers})
        disabled = {provider.name, named} & self.disabled
        provider = replace(provider, name=named)
        if disabled:
            self.providers.append(replace(provider, status="disabled"))
            return
        try:
            with redirect_stdout(sys.stderr):  # standard output is for the command's results
                entries = self._register(provider, load())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - no exception of a plugin, sys.exit included, ends the command
            self._fail(provider, error)
            return
        for entry in entries:
            self._refuse_duplicate(entry)
            self.entries[entry.kind, entry.name] = entry
        self.providers.append(provider)

    def add_file(self, path: Path, named_by: str = "--plugin") -> None:
        """Load a plugin file.

        Args:
            path: the file.
            named_by: option or variable that named the file, for the message.

        Raises:
            InputError: as in `PluginFile.read`.
            PluginError: as in `add`.
        """
        file = PluginFile.read(path, named_by)
        self.add(Provider(file.path.stem, "file", path=file.path, source=file.content), file.load)

    def _fail(self, provider: Provider, error: BaseException) -> None:
        words = short(format_error(error), LONGEST_ERROR)
        if self.strict or provider.origin in ("built-in", "inline"):
            raise PluginError(f"{provider} was not loaded: {words}") from error
        self.warn(f"{provider} was not loaded: {words} (FRAMEWORK_DISABLE_PLUGINS={provider.name} silences this)")
        self.providers.append(replace(provider, status="failed", error=words))

    def _register(self, provider: Provider, plugin: object) -> list[Registered]:
        wanted = getattr(plugin, "framework_api", hookspecs.API_VERSION)
        if wanted != hookspecs.API_VERSION:
            raise PluginError(f"it was written for plugin API {wanted}; this version has {hookspecs.API_VERSION}")
        if isinstance(plugin, ModuleType) and not any(map(_is_hook, vars(plugin).values())):
            plugin = ImplicitPlugin(plugin)
        if self.manager.is_registered(plugin):
            raise PluginError(f"it is the same module as plugin {self.manager.get_name(plugin)}")
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
                    specs = impl.function()
                    if not isinstance(specs, Iterable):
                        raise PluginError(f"{hook} must yield {SPECS[kind].__name__} or return a list, not {specs!r}")
                    for spec in specs:
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
        """Return the entry of ``kind`` that is registered under ``name``.

        Raises:
            InputError: there is none; the message lists the nearest names.
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
            raise InputError(f"there is no kind of plugin {kind}{nearest(kind, HOOKS)}")
        return sorted(name for of_kind, name in self.entries if of_kind == kind)

    def lifecycle(self, hook: str) -> Callable[..., list[Any]] | None:
        """Return the caller of a lifecycle hook, or None if no plugin implements it, so that it can be skipped."""
        caller = getattr(self.manager.hook, hook)
        return caller if caller.get_hookimpls() else None

    def lifecycle_by_plugin(self, hook: str) -> dict[str, Callable[..., list[Any]]]:
        """Return a caller of a lifecycle hook per plugin that implements it, by the plugin's name."""
        plugins = self.manager.get_plugins()
        return {
            impl.plugin_name: self.manager.subset_hook_caller(hook, plugins - {impl.plugin})
            for impl in getattr(self.manager.hook, hook).get_hookimpls()
        }


def _registered(spec: Spec, provider: Provider) -> Registered:
    spec.cls.registered_name = spec.name
    return Registered(spec.kind, spec.name, spec.cls, provider)


def numbered(name: str, taken: Container[str]) -> str:
    """Return ``name``, or the first of ``name_2``, ``name_3``, … that is not taken."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(free for free in names if free not in taken)


def _is_hook(value: object) -> bool:
    return isinstance(value, FunctionType | MethodType) and hasattr(value, f"{hookspecs.PROJECT}_impl")


def load(
    files: Iterable[str | Path] = (),
    *,
    environ: Mapping[str, str] = os.environ,
    built_in: Sequence[str] = BUILT_IN,
    warn: Callable[[str], object] = errors.warn,
) -> Registry:
    """Load all plugins and return the registry.

    Args:
        files: plugin files, in addition to those that ``FRAMEWORK_PLUGINS`` names (separated as in PATH).
        environ: mapping with the variables in `VARIABLES`, in their order: plugin files; names of plugins to leave out,
            separated by commas; 1 to raise an error for a broken plugin; 1 to load only built-in plugins.
        built_in: packages of built-in plugins; fewer packages load faster if only one kind is needed.
        warn: called with one line per plugin that failed.

    Raises:
        PluginError: two plugins provide one name, or a plugin is broken and is built in or strict mode is on, or a
            plugin calls this function while it is imported.
        InputError: a plugin file cannot be read or is not a Python file.
    """
    disabled = frozenset(
        filter(None, (name.strip() for name in environ.get("FRAMEWORK_DISABLE_PLUGINS", "").split(",")))
    )
    registry = Registry(environ.get("FRAMEWORK_STRICT_PLUGINS", "") == "1", disabled, warn)
    with _not_nested():
        _load_all(registry, files, environ, built_in)
    return registry


def _load_all(
    registry: Registry, files: Iterable[str | Path], environ: Mapping[str, str], built_in: Sequence[str]
) -> None:
    for module, load in importers(built_in).items():
        registry.add(Provider(module, "built-in", *_own_distribution()), load)
    if environ.get("FRAMEWORK_NO_PLUGINS", "") != "1":
        for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            distribution = (point.dist.name, point.dist.version) if point.dist else ("", "")
            registry.add(Provider(point.name, "entry point", *distribution), point.load)
        named = [Path(name) for name in environ.get("FRAMEWORK_PLUGINS", "").split(os.pathsep) if name]
        for path in dict.fromkeys(Path(name).resolve() for name in [*named, *files]):
            registry.add_file(path)


_loading = False


@contextmanager
def _not_nested() -> Iterator[None]:
    """Raise `PluginError` if plugins are being loaded already.

    A plugin that loads plugins while it is imported would be loaded again without end.
    """
    global _loading
    if _loading:
        raise PluginError("it starts a run or loads plugins while it is imported: put that below a main guard")
    _loading = True
    try:
        yield
    finally:
        _loading = False


def _own_distribution() -> tuple[str, str]:
    from framework import DISTRIBUTION, __version__

    return DISTRIBUTION, __version__


_current: Registry | None = None


def current(warn: Callable[[str], object] = errors.warn) -> Registry:
    """Return this process's registry; load the plugins on first use. ``warn`` is as in `load`."""
    global _current
    if _current is None:
        _current = load(warn=warn)
    return _current


def install(registry: Registry | None) -> None:
    """Make ``registry`` this process's registry; after None, the next use loads the plugins again."""
    global _current
    _current = registry


@contextmanager
def beside(registry: Registry) -> Iterator[Registry]:
    """Make a copy of ``registry`` this process's registry inside a ``with`` block, and yield it for additions.

    At the end of the block ``registry`` becomes this process's registry.
    """
    copy = Registry(registry.strict, registry.disabled, registry.warn, list(registry.providers), dict(registry.entries))
    for name, plugin in registry.manager.list_name_plugin():
        copy.manager.register(plugin, name=name)
    install(copy)
    try:
        yield copy
    finally:
        install(registry)


def find(kind: str, name: str) -> Registered:
    """Return the entry of ``kind`` and ``name`` in this process's registry.

    Raises:
        InputError: as in `Registry.find`.
    """
    return current().find(kind, name)
