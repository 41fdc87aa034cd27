"""The words of a study's command line: its preset and settings, its entrants and its problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from framework.base.optimizer import Optimizer
from framework.config.resolved import RunConfig
from framework.errors import InputError, nearest
from framework.hydra_app.compose import Composer
from framework.hydra_app.splitting import split
from framework.hydra_app.words import STUDY, as_typed, as_written
from framework.registry.manager import current
from framework.study.contest import Contest
from framework.study.settings import ARGUMENTS, FIELDS, SEARCH, TUNED, Key, Range, Study, ranges_of
from framework.study.space import Axis, axes_of

DECIDED = {
    "seed": "a study chooses the seeds: study.seeds and study.tuning_seeds are their numbers, study.seed moves them",
    "evaluate_test": "a study evaluates the test set of its reporting runs only",
    "reuse": "a study reuses finished runs: study.reuse=false trains all of them",
    "failed_only": "a study needs all of its runs",
}
"""Settings that a study decides, and why."""

DEFAULTS = " (defaults)"
"""End of the name of an entrant whose fields are not tuned, beside one whose fields are."""


@dataclass(frozen=True)
class StudyWords:
    """What the command line of a study says.

    Attributes:
        settings: the study's settings.
        fields: names of the fields to tune, or None for those of each class.
        ranges: the user's search ranges.
        rest: the overrides that make the entrants and problems.
    """

    settings: Study
    fields: tuple[str, ...] | None
    ranges: Mapping[Key, Range]
    rest: tuple[str, ...]

    def tuned(self, optimizer: type[Optimizer]) -> tuple[str, ...]:
        """Return the names of the fields to tune of an optimizer, as far as it has them."""
        return optimizer.tuned_fields() if self.fields is None else self.fields


PRESET = "fair"
"""The preset of `compare` if none is given."""


def with_preset(words: Sequence[str]) -> list[str]:
    """Return the words of a study with the preset `PRESET` if they name none."""
    named = any(_key(word) == STUDY for word in words)
    return list(words) if named else [f"{STUDY}={PRESET}", *words]


def has_study(arguments: Sequence[str]) -> bool:
    """Return whether the arguments after ``-m`` are those of a study."""
    return any(_of_study(word) for word in arguments)


def _of_study(word: str) -> bool:
    key = word.lstrip("+").partition("=")[0]
    return key == STUDY or key.startswith(f"{STUDY}.")


def study_words(arguments: Sequence[str], config: DictConfig) -> StudyWords:
    """Return what the arguments after ``-m`` say of a study.

    Args:
        arguments: the overrides after ``-m``.
        config: Hydra's configuration of the sweep, in which the preset and the study's settings are composed.

    Raises:
        InputError: a setting is invalid, or it is one that a study decides.
    """
    for override in OverridesParser.create().parse_overrides([word for word in arguments if _of_study(word)]):
        if override.is_sweep_override():
            raise InputError(f"{as_written([str(override.input_line)])[0]}: a command has one study: give one value")
    given = OmegaConf.to_container(config[STUDY], resolve=True) if STUDY in config else {}
    values: dict[str, Any] = {str(key): value for key, value in cast(dict[Any, Any], given or {}).items()}
    fields = TUNED.check(values.pop(FIELDS, None), f"{STUDY}.{FIELDS}")
    if fields is not None and len(set(fields)) < len(fields):
        raise InputError(f"{STUDY}.{FIELDS}=[{','.join(fields)}]: name each field once")
    ranges = ranges_of(values.pop(SEARCH, {}))
    own = TUNED.check(values.pop(ARGUMENTS, None), f"{STUDY}.{ARGUMENTS}") or ()
    settings = Study(**Study.resolve(values, STUDY))
    _refuse_unknown(ranges)
    words = [word for word in arguments if not _of_study(word)]
    keys = {_key(word) for word in words}
    rest = [*(word for word in as_typed(own, sweep=True) if _key(word) not in keys), *words]
    for word in rest:
        reason = DECIDED.get(_key(word)) or ("a study tunes it: leave it out" if "=search" in word else "")
        if reason:
            raise InputError(f"{word}: {reason}")
    return StudyWords(settings, fields, ranges, tuple(rest))


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _refuse_unknown(ranges: Mapping[Key, Range]) -> None:
    known = current().names("optimizer")
    for optimizer, name in ranges:
        word = f"study.search.{optimizer.replace('/', '.')}.{name}"
        if optimizer not in known:
            raise InputError(f"{word}: there is no optimizer {optimizer}{nearest(optimizer, known)}")
        fields = current().entries["optimizer", optimizer].cls.fields
        if name not in fields:
            raise InputError(f"{word}: {optimizer} has no field {name}{nearest(name, fields)}")


def contests(words: StudyWords, composer: Composer) -> list[Contest]:
    """Return every entrant on every problem, problem by problem.

    Raises:
        InputError: a configuration is invalid, two entrants are the same, or a field cannot be tuned.
    """
    found: dict[tuple[str, str], Contest] = {}
    jobs = composer.jobs(split(words.rest), 0)
    for job in jobs:
        own = [word for word in job.distinguishing if _key(word) not in ("optimizer", "problem")]
        name = " ".join([job.config.optimizer.name, *(word.removeprefix("optimizer.") for word in own)])
        axes = _axes(job.config, job.overrides, words)
        contest = Contest(str(job.config.problem), name, job.overrides, job.config, axes)
        if contest.place in found:
            raise InputError(f"{name} is given twice for the problem {contest.problem}: give it once")
        found[contest.place] = contest
        if words.settings.with_defaults and contest.axes:
            place = (contest.problem, f"{name}{DEFAULTS}")
            found[place] = Contest(*place, job.overrides, job.config)
    _refuse_unused(words, found.values())
    problems = list(dict.fromkeys(problem for problem, _ in found))
    return sorted(found.values(), key=lambda contest: problems.index(contest.problem))


def _axes(config: RunConfig, overrides: Sequence[str], words: StudyWords) -> tuple[Axis, ...]:
    if words.settings.tuner == "none":
        return ()
    optimizer = config.optimizer
    tuned = words.tuned(optimizer.cls)
    fixed = [_key(word).removeprefix("optimizer.") for word in overrides if _key(word).startswith("optimizer.")]
    return axes_of(optimizer.name, optimizer.cls.fields, tuned, fixed, words.ranges)


def _refuse_unused(words: StudyWords, found: Collection[Contest]) -> None:
    """Raise `InputError` for a tuned field that no optimizer has, and for a range that is not searched."""
    optimizers = {contest.config.optimizer.name: contest.config.optimizer.cls for contest in found}
    for name in words.fields or ():
        if not any(name in cls.fields for cls in optimizers.values()):
            known = [field for cls in optimizers.values() for field in cls.fields]
            raise InputError(f"study.fields: no optimizer of this study has a field {name}{nearest(name, known)}")
    searched = {(each.config.optimizer.name, axis.name) for each in found for axis in each.axes}
    for optimizer, name in words.ranges:
        word = f"study.search.{optimizer.replace('/', '.')}.{name}"
        if optimizer not in optimizers:
            raise InputError(f"{word}: {optimizer} is not in this study")
        if (optimizer, name) not in searched:
            raise InputError(f"{word}: {name} is not tuned: {_why_untuned(words, name, optimizers[optimizer])}")


def _why_untuned(words: StudyWords, name: str, optimizer: type[Optimizer]) -> str:
    """Return why a field is not tuned, or what tunes it."""
    tuned = words.tuned(optimizer)
    if words.settings.tuner == "none":
        return f"{STUDY}.tuner=none tunes nothing"
    if name in tuned:
        return "it has a fixed value"
    return f"name it in {STUDY}.{FIELDS}=[{','.join((*tuned, name))}]"
