"""Plugins that a saved model needs: their files are kept with it, checked by hash, and run only with consent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import InputError, PluginError
from framework.registry.discovery import PluginFile
from framework.registry.manager import Provider, Registered, Registry, current, find, numbered

if TYPE_CHECKING:
    from framework.base.layer import Layer

FOLDER = "plugins"
"""Folder of the kept files inside a saved model."""


@dataclass(frozen=True)
class Needed:
    """A plugin outside of this package whose layers a saved model has. Plain data, stored as JSON.

    Attributes:
        name: of the plugin.
        layers: the names of its layers in the model.
        file: name of the kept file, or "" for an installed package.
        sha256: of the file's content.
        requirement: what pip installs, such as ``"my-layers==1.0"``, or "" for a file.
    """

    name: str
    layers: tuple[str, ...]
    file: str = ""
    sha256: str = ""
    requirement: str = ""

    def layer_classes(self, folder: Path, *, consent: bool) -> dict[str, type[Layer]]:
        """Return the classes of the layers by name.

        Those of this process's registry are taken if they come from the same source. Else the kept file is run.

        Args:
            folder: of the saved model.
            consent: the kept file may be run.

        Raises:
            InputError: it may not, it is missing, changed or broken, or the package is not installed.
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
            origin = f"package {self.requirement}: install it" if self.requirement else f"{self.name}, not kept with it"
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


def needed(layers: Iterable[str]) -> tuple[list[Needed], dict[str, bytes]]:
    """Return the plugins that provide ``layers``, apart from the built-in ones, and the files to keep, by name."""
    used: dict[Provider, list[str]] = {}
    for name in dict.fromkeys(layers):
        provider = find("layer", name).provider
        if provider.door != "built-in":
            used.setdefault(provider, []).append(name)
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


def files(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Return the plugins whose source is kept with runs and models, by the names of the kept files."""
    named: dict[str, Provider] = {}
    for provider in providers:
        if provider.source:
            stem = numbered(Path(file_name(provider)).stem, {Path(name).stem for name in named})
            named[f"{stem}.py"] = provider
    return named


def file_name(provider: Provider) -> str:
    """Return the name of the file that keeps a plugin's source, if no other plugin's file has that name."""
    return f"{provider.name.removeprefix('inline ')}.py"


def save(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write the kept files, by name, into a saved model's folder."""
    for name, content in contents.items():
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / name).write_bytes(content)


def requirements(plugins: Sequence[Needed]) -> list[str]:
    """Return what pip has to install for a model beside this package."""
    return [plugin.requirement for plugin in plugins if plugin.requirement]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
