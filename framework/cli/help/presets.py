"""Problems and models: YAML files in the configuration folders, read without Hydra because its import is slow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from framework.config.check import SETS
from framework.config.resolved import RunConfig
from framework.config.settings import SECTIONS, everything
from framework.errors import InputError, nearest
from framework.hydra_app.source import node
from framework.system.paths import conf_folder

GROUPS = ("problem", "model")
"""Groups whose options are YAML files."""


@dataclass(frozen=True)
class Chosen:
    """A composed problem.

    Attributes:
        parts: the chosen option of each group.
        settings: the other settings in the problem's file and the problems it inherits from.
        config: the complete, validated configuration.
    """

    parts: Mapping[str, str]
    settings: Mapping[str, Any]
    config: RunConfig


@dataclass(frozen=True)
class Presets:
    """The preset files below ``folders``. The first folder that has an option takes precedence, as in Hydra."""

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

    def sets(self) -> list[str]:
        """Return the sorted names of the sets of problems, such as ``"set/small"``."""
        return [SETS + name for name in self.names(f"problem/{SETS}")]

    def summary(self, group: str, name: str) -> str:
        """Return the first comment in an option's file, except Hydra's ``@package``; "" if there is none.

        Raises:
            InputError: the option does not exist.
        """
        lines = self._path(group, name).read_text(encoding="utf-8").splitlines()
        comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
        return next((comment for comment in comments if comment and not comment.startswith("@package")), "")

    def content(self, group: str, name: str) -> dict[str, Any]:
        """Return the content of an option's file as plain data.

        Raises:
            InputError: the option does not exist, or its file cannot be read or is not a mapping.
        """
        return _read(self._path(group, name))

    def defaults(self) -> dict[str, Any]:
        """Return the default option of each group."""
        entries = _read(conf_folder() / "config.yaml")["defaults"]
        chosen = [entry for entry in entries if isinstance(entry, Mapping)]
        return {key: name for entry in chosen for key, name in entry.items() if not key.startswith("override ")}

    def problem(self, name: str, **parts: str) -> Chosen:
        """Return a problem, composed as Hydra composes it.

        Args:
            name: name of the problem.
            parts: options by group that replace those of the problem.

        Raises:
            InputError: the problem or a chosen option does not exist, the problem's defaults list has entries that only
                Hydra supports, or a value is invalid.
        """
        from framework.hydra_app.composed import checked  # it imports OmegaConf, which other pages do not need

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
        """Yield the contents of the problems in a problem's defaults list, then its own."""
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
        sets = self.sets() if group == "problem" and name.startswith(SETS) else []
        raise InputError(f"no {group} is called {name}{nearest(name, sets or self.names(group))}")


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
                    f"problem {problem} has the default {key}: help does not support it; "
                    f"python -m framework problem={problem} --cfg job shows the whole configuration"
                )
            chosen[key.removeprefix("override /")] = name
    return chosen


def _node(path: str) -> dict[str, Any]:
    option = node(path)
    if option is None:
        group, _, name = path.partition("/")
        raise InputError(f"{group}={name}: there is no such {group}")
    return option[0]


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` updated with ``above``; nested mappings are merged recursively."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
