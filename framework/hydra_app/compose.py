"""Composition of many jobs' configurations: Hydra composes each structure once, and single values are set on copies.

Hydra needs a tenth of a second per job. Jobs of a sweep mostly differ in values that nothing else refers to (a learning
rate, a seed); such an override needs no new composition.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.conf import HydraConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from framework.config.check import Composed, Shared, check
from framework.config.resolved import RunConfig
from framework.errors import InputError
from framework.hydra_app.composed import plain_data
from framework.hydra_app.errors import explained
from framework.hydra_app.expansion import searched
from framework.hydra_app.setting import Compose, setting_of
from framework.hydra_app.splitting import shared_by_all
from framework.sweeps.job import Job

TAGS = "tags."
"""Beginning of the keys of tags."""

MAIN_JOB = "config"
"""Name of the primary configuration, on which problems are composed."""


@dataclass(frozen=True)
class Template:
    """A composed structure.

    Attributes:
        composed: the configuration.
        referenced: the keys to which its interpolations refer.
        shared: its sections that are checked already.
    """

    composed: Composed
    referenced: set[str]
    shared: Shared

    def takes(self, override: Override) -> bool:
        """Return whether the override only sets a number or a text to which no interpolation refers."""
        key = str(override.key_or_group)
        # The target of a relative reference depends on its position, so compose in full.
        if any(name.startswith(".") for name in self.referenced):
            return False
        if any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in self.referenced):
            return False
        value: Any = self.composed.unresolved
        if key.startswith(TAGS) and isinstance(value.get(TAGS[:-1]), Mapping):  # users may add any tag
            return key.count(".") == 1
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return False
            value = value[part]
        return not isinstance(value, Mapping | list) and "${" not in str(value)


class Composer:
    """Composes and checks the jobs of one sweep.

    Args:
        loader: Hydra's config loader.
        sweep_config: the sweep's own configuration, from which every job starts.
    """

    def __init__(self, loader: ConfigLoader, sweep_config: DictConfig) -> None:
        self._loader = loader
        self._sweep_config = sweep_config
        self._parser = OverridesParser.create(config_loader=loader)
        self._parse = functools.cache(lambda text: self._parser.parse_overrides([text])[0])
        self._compose = composing(loader, sweep_config.hydra)
        self._templates: dict[tuple[str, ...], Template] = {}
        self._is_group = functools.cache(lambda key: bool(loader.get_group_options(key)))
        self._jobs: dict[tuple[str, ...], tuple[RunConfig, Mapping[str, Any], Mapping[str, Any]]] = {}

    def jobs(self, overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
        """Return checked jobs, one per list of overrides, numbered from ``first``.

        Raises:
            InputError: a configuration is invalid, or Hydra cannot compose it.
        """
        shared = shared_by_all(overrides)
        jobs = []
        for number, words in enumerate(overrides, start=first):
            with explained(words):
                config, unresolved, choices = self._known(tuple(words))
                folder, dirname = self.folder(number, words), self._dirname(words)
            distinguishing = tuple(word for word in words if word not in shared)
            setting = setting_of(config, choices, self._compose)
            jobs.append(
                Job(number, tuple(words), config, unresolved, folder, dirname, choices, distinguishing, setting)
            )
        return jobs

    def searched(self, overrides: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Return the overrides of each job with every ``KEY=search:N`` replaced by values; errors as `searched`."""
        return list(searched(overrides, lambda words: self._known(words)[0]))

    def _known(self, overrides: tuple[str, ...]) -> tuple[RunConfig, Mapping[str, Any], Mapping[str, Any]]:
        if overrides not in self._jobs:
            self._jobs[overrides] = self._composed(overrides)
        return self._jobs[overrides]

    def _dirname(self, overrides: Sequence[str]) -> str:
        style = self._sweep_config.hydra.job.config.override_dirname
        parsed = [self._parse(text) for text in overrides]
        return get_overrides_dirname(parsed, list(style.exclude_keys), style.item_sep, style.kv_sep)

    @functools.cached_property
    def _place(self) -> tuple[Path, str]:
        """The sweep's folder, and the name of a job's folder in it as Hydra's configuration has it."""
        sweep = cast(dict[str, Any], OmegaConf.to_container(self._sweep_config.hydra.sweep, resolve=False))
        return Path(self._sweep_config.hydra.sweep.dir).resolve(), str(sweep["subdir"])

    def folder(self, number: int, overrides: Sequence[str]) -> Path:
        """Return the folder of a job, for its number and its overrides."""
        top, subdir = self._place
        if subdir == "${hydra.job.num}":
            return top / str(number)
        config = self._loader.load_sweep_config(self._sweep_config, list(overrides))
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, str(number)
        with seen_by_hydra(config):  # ${hydra:…} in a folder's name refers to this config
            return top / str(config.hydra.sweep.subdir)

    def _composed(self, overrides: tuple[str, ...]) -> tuple[RunConfig, Mapping[str, Any], Mapping[str, Any]]:
        parsed = [self._parse(text) for text in overrides]
        structural = [item for item in parsed if not self._is_simple(item)]
        simple = [item for item in parsed if self._is_simple(item) and not self._is_below(item, structural)]
        template = self._template([str(item.input_line) for item in parsed if item not in simple])
        if not all(template.takes(item) for item in simple):
            slow = [str(item.input_line) for item in parsed if item not in simple or not template.takes(item)]
            template = self._template(slow)
            simple = [item for item in simple if str(item.input_line) not in slow]
        values = {str(item.key_or_group): item.value() for item in simple}
        raw = with_values(template.composed.raw, values)
        unresolved = with_values(template.composed.unresolved, values)
        config = check(Composed(raw, unresolved), template.referenced, template.shared)
        return config, unresolved, template.composed.choices

    def _is_simple(self, override: Override) -> bool:
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and not self._is_group(str(override.key_or_group))
            and not str(override.key_or_group).startswith("hydra.")
            and isinstance(override.value(), int | float | bool | str)
            and "${" not in str(override.value())
        )

    def _is_below(self, override: Override, others: Sequence[Override]) -> bool:
        """Return whether another override sets a section that contains this one's key: then their order matters."""
        keys = [str(other.key_or_group) for other in others]
        above = [key for key in keys if not self._is_group(key)]
        key = str(override.key_or_group)
        return any(key == name or key.startswith(f"{name}.") for name in above)

    def _template(self, overrides: Sequence[str]) -> Template:
        key = tuple(overrides)
        if key not in self._templates:
            composed = plain_data(self._loader.load_sweep_config(self._sweep_config, list(overrides)))
            self._templates[key] = Template(composed, composed.referenced(), Shared(composed.raw))
        return self._templates[key]


def with_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested sections with some leaves replaced; sections without a replaced leaf are shared.

    Args:
        config: nested sections.
        values: new leaves by dotted key.

    Raises:
        InputError: a section of a key does not exist.
    """
    copy = dict(config)
    for key, value in values.items():
        *sections, leaf = key.split(".")
        parent = copy
        for section in sections:
            if not isinstance(parent.get(section), Mapping):
                raise InputError(f"{key}: there is no such key")
            parent[section] = dict(parent[section])
            parent = parent[section]
        parent[leaf] = value
    return copy


def composing(loader: ConfigLoader, hydra: DictConfig | HydraConf) -> Compose:
    """Return a function that composes overrides on the main job and caches the results, for `setting.setting_of`.

    Args:
        loader: Hydra's config loader.
        hydra: Hydra's section of a job; a search path that its overrides set is applied.
    """
    words = cast(list[str], OmegaConf.to_container(hydra.overrides.hydra, resolve=False))  # ${…} may refer to the job
    return _composing(loader, tuple(word for word in words if word.startswith("hydra.searchpath=")))


@functools.lru_cache(maxsize=1)  # shared by the jobs of one process
def _composing(loader: ConfigLoader, search_path: tuple[str, ...]) -> Compose:
    @functools.cache
    def composed(overrides: tuple[str, ...]) -> Composed | None:
        words = [*search_path, *overrides]
        try:
            with explained(words):
                return plain_data(loader.load_configuration(MAIN_JOB, words, run_mode=RunMode.RUN))
        except InputError:
            return None

    return lambda overrides: composed(tuple(overrides))


@contextmanager
def seen_by_hydra(config: DictConfig) -> Iterator[None]:
    """Set the configuration to which ``HydraConfig`` and ``${hydra:…}`` refer while the context is active."""
    previous = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = previous
