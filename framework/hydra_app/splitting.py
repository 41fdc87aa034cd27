"""Split the arguments after ``-m`` into the overrides of each job."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, ValueType
from hydra.errors import HydraException
from hydra.types import RunMode

from framework.config.check import SETS
from framework.errors import InputError, nearest
from framework.hydra_app.expansion import members
from framework.runs.provenance import outside

MOST_JOBS = 1_000_000
"""Maximum number of jobs of one sweep; more are treated as a mistake, and their list would fill the memory."""


def split(arguments: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job of a sweep, in Hydra's order.

    Args:
        arguments: the overrides after ``-m``.

    Raises:
        InputError: an argument has no value, its values cannot be listed, or there are more than `MOST_JOBS` jobs.
    """
    parsed = [_with_sets(_chosen(each)) for each in OverridesParser.create().parse_overrides(list(arguments))]
    count = 1
    for override in parsed:
        if override.is_sweep_override():
            count *= _values(override)
    if count > MOST_JOBS:
        raise InputError(f"the sweep has more than {MOST_JOBS:,} runs: sweep over fewer values")
    batches = BasicSweeper.split_arguments(parsed, None)
    return [job for batch in batches for job in batch]


def united(arguments: Sequence[str], added: Sequence[str]) -> list[str]:
    """Return the arguments of a sweep with further values: those of an axis are appended to the ones it has.

    Args:
        arguments: the overrides after ``-m``.
        added: overrides of axes, or of settings that do not affect results; the latter replace what is set.

    Raises:
        InputError: a setting in ``added`` affects results and is no axis of the sweep.
    """
    parser = OverridesParser.create()
    parsed = parser.parse_overrides(list(arguments))
    by_key = {override.key_or_group: word for override, word in zip(parsed, arguments, strict=True)}
    axes = {override.key_or_group for override in parsed if override.is_sweep_override()}
    for override, word in zip(parser.parse_overrides(list(added)), added, strict=True):
        key = override.key_or_group
        if outside(key):
            by_key[key] = word
        elif key in axes and not word.startswith("~"):
            values = [value for argument in (by_key[key], word) for value in _texts(argument)]
            by_key[key] = f"{by_key[key].partition('=')[0]}={','.join(dict.fromkeys(values))}"
        else:
            raise InputError(f"{word}: {key} is no axis of this sweep: only values of its axes can be added")
    return list(by_key.values())


def _texts(argument: str) -> list[str]:
    """Return the values of one argument as they are written for a single job."""
    return [words[-1].partition("=")[2] for words in split([argument])]


def _values(override: Override) -> int:
    """Return the number of values of a sweep override, counted up to `MOST_JOBS` + 1.

    Raises:
        InputError: it has no value, or its values cannot be listed.
    """
    if not override.is_discrete_sweep():
        raise InputError(f"{override.input_line}: its values cannot be listed: write range(…) or choice(…)")
    try:
        values = len(list(itertools.islice(override.sweep_iterator(), MOST_JOBS + 1)))
    except (ValueError, HydraException) as error:  # such as a step of 0
        raise InputError(f"{override.input_line}: {error}") from error
    if values == 0:
        raise InputError(f"{override.input_line}: it has no value: a sweep needs at least one")
    return values


def _chosen(override: Override) -> Override:
    """Return the override with a ``glob(…)`` over a group's options replaced by the matching options.

    Raises:
        InputError: no option matches.
    """
    glob = override.value()
    if not isinstance(glob, Glob):
        return override
    options = GlobalHydra.instance().config_loader().get_group_options(override.key_or_group)
    names = [name for name in options if _matches(name, glob.include) and not _matches(name, glob.exclude)]
    if not names:
        raise InputError(f"{override.input_line}: no option of {override.key_or_group} matches{nearest('', options)}")
    return replace(override, value_type=ValueType.CHOICE_SWEEP, _value=ChoiceSweep(list=list(names)))


def _with_sets(override: Override) -> Override:
    """Return an override of ``problem`` with each set replaced by its problems, without repetition.

    Raises:
        InputError: there is no such set, or its file lists no problems.
    """
    if override.key_or_group != "problem" or override.package is not None:
        return override
    value = override.value()
    names = list(map(str, value.list)) if isinstance(value, ChoiceSweep) else [str(value)]
    if not any(name.startswith(SETS) for name in names):
        return override
    chosen = [each for name in names for each in (_problems(name) if name.startswith(SETS) else [name])]
    return replace(override, value_type=ValueType.CHOICE_SWEEP, _value=ChoiceSweep(list=list(dict.fromkeys(chosen))))


def _problems(name: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    known = loader.get_group_options("problem/set")
    if name.removeprefix(SETS) not in known:
        raise InputError(f"problem={name}: there is no such set{nearest(name, [SETS + each for each in known])}")
    return members(name, loader.load_configuration(f"problem/{name}", [], run_mode=RunMode.RUN))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches as in a shell: ``*`` does not match a slash, so it excludes ``blog/adam``."""
    parts = name.split("/")
    return any(
        len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))
        for wanted in (pattern.split("/") for pattern in patterns)
    )


def shared_by_all(jobs: Sequence[Sequence[str]]) -> set[str]:
    """Return the overrides that all jobs of a sweep have, which therefore do not distinguish runs."""
    return set[str].intersection(*map(set, jobs)) if jobs else set()
