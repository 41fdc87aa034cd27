"""Problems and models: YAML files in the configuration folders, read without Hydra, whose import takes too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from framework.config.settings import SECTIONS, everything
from framework.errors import InputError, nearest
from framework.hydra_app.source import node
from framework.system.paths import conf_folder

GROUPS = ("problem", "model")
"""Groups whose options are files."""


@dataclass(frozen=True)
class Chosen:
    """A problem put together.

    Attributes:
        parts: the chosen option of each group.
        settings: what the problem's file sets beside them.
        config: the checked configuration.
    """

    parts: Mapping[str, str]
    settings: Mapping[str, Any]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Presets:
    """The files below ``folders``; the first folder that has an option wins, as in Hydra."""

    folders: Sequence[Path]

    @classmethod
    def of(cls, more: Sequence[str] = ()) -> Presets:
        """Return the presets of this package and of the folders that ``--config-dir`` names.

        Raises:
            InputError: a folder does not exist.
        """
        for name in more:
            if not Path(name).is_dir():
                raise InputError(f"--config-dir {name}: there is no such folder")
        return cls((conf_folder(), *(Path(name) for name in more)))

    def names(self, group: str) -> list[str]:
        """Return the sorted options of a group."""
        return sorted({path.stem for folder in self.folders for path in (folder / group).glob("*.yaml")})

    def summary(self, group: str, name: str) -> str:
        """Return the first comment of an option's file that is not Hydra's."""
        lines = self._path(group, name).read_text(encoding="utf-8").splitlines()
        comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
        return next((comment for comment in comments if comment and not comment.startswith("@package")), "")

    def content(self, group: str, name: str) -> dict[str, Any]:
        """Return an option's file as plain data.

        Raises:
            InputError: there is no such option, or its file is no mapping.
        """
        return _read(self._path(group, name))

    def defaults(self) -> dict[str, Any]:
        """Return the option that each group has when nothing is chosen."""
        entries = _read(conf_folder() / "config.yaml")["defaults"]
        chosen = [entry for entry in entries if isinstance(entry, Mapping)]
        return {key: name for entry in chosen for key, name in entry.items() if not key.startswith("override ")}

    def problem(self, name: str, **parts: str) -> Chosen:
        """Return a problem put together as Hydra would do it.

        Args:
            name: the problem.
            parts: options by group to choose in place of the problem's own.

        Raises:
            InputError: the problem has defaults that only Hydra can follow, or a value is wrong.
        """
        from framework.hydra_app.composed import checked  # OmegaConf, which other pages do without

        chosen = self.defaults() | {"problem": name}
        settings: dict[str, Any] = {}
        for content in self._inherited(name):
            chosen |= _overrides(name, content.get("defaults", []))
            settings = _merged(settings, {key: value for key, value in content.items() if key != "defaults"})
        chosen |= parts
        config = everything() | {"model": self.content("model", chosen["model"])}
        for section in SECTIONS:
            config[section] = _node(f"{section}/{chosen[section]}")
        for stage in chosen["stages"]:
            config["stages"][stage] = _node(f"stages/{stage}")
        groups = [group for group in (*GROUPS, *SECTIONS) if group != "problem"]
        return Chosen({group: str(chosen[group]) for group in groups}, settings, checked(_merged(config, settings)))

    def _inherited(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield a problem's content after that of the problems its defaults name."""
        content = self.content("problem", name)
        for entry in content.get("defaults", []):
            if isinstance(entry, str) and entry != "_self_":
                yield from self._inherited(entry)
        yield content

    def _path(self, group: str, name: str) -> Path:
        for folder in self.folders:
            path = folder / group / f"{name}.yaml"
            if path.is_file():
                return path
        raise InputError(f"no {group} is called {name}{nearest(name, self.names(group))}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no settings: it must be a YAML mapping")
    return content


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _overrides(problem: str, entries: Sequence[Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for entry in entries:
        if isinstance(entry, str):
            continue
        for key, name in entry.items():
            if not key.startswith("override /"):
                raise InputError(
                    f"problem {problem} has the default {key}: help cannot follow it; "
                    f"python -m framework problem={problem} --cfg job shows the whole configuration"
                )
            chosen[key.removeprefix("override /")] = name
    return chosen


def _node(path: str) -> dict[str, Any]:
    found = node(path)
    if found is None:
        group, _, name = path.partition("/")
        raise InputError(f"{group}={name}: there is no such {group}")
    return found[0]


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the values of ``above`` put over it, section by section."""
    merged = dict(below)
    for key, value in above.items():
        held = merged.get(key)
        merged[key] = _merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return merged
