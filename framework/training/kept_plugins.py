"""Plugins that a saved model needs: their files are saved with it, checked by hash, and run only with consent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framework.config.part import Part
from framework.errors import InputError, PluginError
from framework.registry.discovery import PluginFile
from framework.registry.manager import Provider, Registered, Registry, current
from framework.registry.sources import files

if TYPE_CHECKING:
    from framework.base.layer import Layer

FOLDER = "plugins"
"""Name of the folder of plugin files inside a saved model."""


@dataclass(frozen=True)
class Needed:
    """A plugin outside of this package that provides layers of a saved model. Plain data, stored as JSON.

    Attributes:
        name: name of the plugin.
        layers: names of its layers in the model.
        file: name of the saved plugin file, or "" for an installed package.
        sha256: SHA-256 of the file's content, in hex.
        requirement: pip requirement, such as ``"my-layers==1.0"``, or "" for a file.
    """

    name: str
    layers: tuple[str, ...]
    file: str = ""
    sha256: str = ""
    requirement: str = ""

    def layer_classes(self, folder: Path, *, consent: bool) -> dict[str, type[Layer]]:
        """Return the classes of the layers by name.

        Classes in this process's registry are used if their source is the same. Otherwise the saved file is run.

        Args:
            folder: folder of the saved model.
            consent: whether the saved file may be run.

        Raises:
            InputError: the saved file would have to be run without consent, or is missing, changed or broken, or the
                package is not installed.
        """
        registered = [current().entries.get(("layer", name)) for name in self.layers]
        if not self.file:
            return {name: self._installed(name, entry) for name, entry in zip(self.layers, registered, strict=True)}
        if all(entry is not None and _hash(entry.provider.source) == self.sha256 for entry in registered):
            return {entry.name: entry.cls for entry in registered if entry is not None}
        path = folder / FOLDER / Path(self.file).name
        if not consent:
            layers = f"{'layer' if len(self.layers) == 1 else 'layers'} {', '.join(self.layers)}"
            raise InputError(
                f"{path}: the model needs the {layers} of this file: framework.load(RUN, plugins=True) runs its code; "
                "or name the same file with --plugin or FRAMEWORK_PLUGINS"
            )
        return self._run(PluginFile.read(path, "the model's plugin"))

    def _installed(self, name: str, entry: Registered | None) -> type[Layer]:
        if entry is None:
            origin = (
                f"package {self.requirement}: install it"
                if self.requirement
                else f"plugin {self.name}, which was not saved with it"
            )
            raise InputError(f"the model needs the layer {name} of {origin}")
        return entry.cls

    def _run(self, file: PluginFile) -> dict[str, type[Layer]]:
        if _hash(file.content) != self.sha256:
            raise InputError(f"{file.path}: this file has changed since the model was saved, so its code is not run")
        apart = Registry(strict=True)
        try:
            apart.add(Provider(self.name, "file", path=file.path, source=file.content), file.load)
            return {name: apart.find("layer", name).cls for name in self.layers}
        except (PluginError, InputError) as error:
            raise InputError(f"{file.path}: {error}") from error


def needed(layers: Iterable[Part]) -> tuple[list[Needed], dict[str, bytes]]:
    """Return the plugins that provide ``layers``, except built-in ones, and the contents of their files by name."""
    used: dict[Provider, dict[str, None]] = {}
    for layer in layers:
        if layer.provider.origin != "built-in":
            used.setdefault(layer.provider, {})[layer.name] = None
    kept = files(used)
    plugins = [
        Needed(provider.name, tuple(used[provider]), file, _hash(provider.source)) for file, provider in kept.items()
    ]
    for provider in used:
        if provider.source:
            continue
        requirement = f"{provider.distribution}=={provider.version}" if provider.distribution else ""
        plugins.append(Needed(provider.name, tuple(used[provider]), requirement=requirement))
    return plugins, {file: provider.source for file, provider in kept.items()}


def save(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write plugin files into a saved model's folder; ``contents`` maps file names to bytes."""
    for name, content in contents.items():
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / name).write_bytes(content)


def requirements(plugins: Sequence[Needed]) -> list[str]:
    """Return the pip requirements of a model, this package excluded."""
    return [plugin.requirement for plugin in plugins if plugin.requirement]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
