"""Words of a sweep that stand for several values: ``search:N`` for a field, and sets of problems."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from omegaconf import OmegaConf

from framework.base.fields import Field
from framework.config.check import MEMBERS
from framework.config.resolved import RunConfig
from framework.errors import InputError

_SEARCH = re.compile(r"([\w./]+)=search\\?:(.*)")
"""Hydra writes a backslash before a colon in the overrides of a job."""

MOST_VALUES = 1000


def searched(
    jobs: Sequence[Sequence[str]], config_of: Callable[[tuple[str, ...]], RunConfig]
) -> Iterator[Sequence[str]]:
    """Yield the overrides of each job, with each ``KEY=search:N`` replaced by N values.

    The values are spread over the range that the field of the job's own plugin declares for tuners, according to its
    prior: ``optimizer.lr=search:5`` gives each optimizer of a sweep five learning rates of its own range.

    Args:
        jobs: the overrides of each job.
        config_of: composes overrides and checks them.

    Raises:
        InputError: N is no whole number, or the field declares no range.
    """
    for words in jobs:
        found = [_SEARCH.fullmatch(word) for word in words]
        if not any(found):
            yield words
            continue
        config = config_of(tuple(word for word, match in zip(words, found, strict=True) if match is None))
        axes = [
            [word] if match is None else _values(config, *match.groups())
            for word, match in zip(words, found, strict=True)
        ]
        yield from itertools.product(*axes)


def refuse_search(words: Sequence[str]) -> None:
    """Raise `InputError` if an override of a single run is a ``KEY=search:N``.

    Raises:
        InputError: one is.
    """
    for word in words:
        if _SEARCH.fullmatch(word):
            raise InputError(f"{word}: it stands for several values, which only a sweep can train: add -m")


def _values(config: RunConfig, key: str, count: str) -> list[str]:
    word = f"{key}=search:{count}"
    if not count.isdecimal() or not 1 <= int(count) <= MOST_VALUES:
        raise InputError(f"{word}: write search:N with a whole number N from 1 to {MOST_VALUES}")
    section, _, name = key.rpartition(".")
    field = _field(config, section, name)
    if field is None or field.search is None:
        raise InputError(f"{word}: {key} declares no range to search: list its values")
    n = int(count)
    shares = [index / (n - 1) for index in range(n)] if n > 1 else [0.5]
    return list(dict.fromkeys(f"{key}={field.at(share):.4g}" for share in shares))


def _field(config: RunConfig, section: str, name: str) -> Field | None:
    """Return the field of a part or stage of the configuration, or None if there is none."""
    parts = {**config.parts, **{f"stages.{part.name}": part for part in config.stages}}
    fields = parts[section].cls.fields if section in parts else {}
    field: Field | None = fields.get(name)
    return field


def members(name: str, content: object) -> list[str]:
    """Return the problems of a set.

    Args:
        name: the option, such as ``"set/small"``.
        content: the content of its file.

    Raises:
        InputError: the file lists no problems.
    """
    plain = OmegaConf.to_container(content) if OmegaConf.is_config(content) else content
    listed = plain.get(MEMBERS) if isinstance(plain, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        raise InputError(f"problem={name}: its file must list problems: {MEMBERS}: [digits_mlp, moons_mlp]")
    return [str(each) for each in listed]
