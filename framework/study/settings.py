"""The settings of a study. Their defaults, those of the preset ``fair``, are defined only here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framework.base.fields import Field, choice, flag, integer, texts
from framework.config.settings import Section
from framework.errors import InputError

SEARCH = "search"
"""Key of the ranges that replace those of the optimizers' classes: ``search.NAME.FIELD=[low,high]``."""

FIELDS = "fields"
"""Key of the names of the fields to tune, ``fields=[lr,beta1]``; by default those that each optimizer's class names."""

ARGUMENTS = "arguments"
"""Key of a preset's own overrides, such as its optimizers and problems; the user's replace those of equal keys."""

MOST_SEEDS = 500
"""Largest number of seeds of one phase: those of the two phases are disjoint below it."""


TUNED: Field = texts(None, help="fields to tune; null: those that each optimizer's class names")
"""The type of `FIELDS`, which cannot be a field of `Study`: a class's own fields have that name."""


class Study(Section):
    """The settings of a study."""

    registered_name = "study"
    affects_result = False
    tuner: str = choice(
        "sobol", ("sobol", "grid", "tpe", "none"), help="how settings are chosen; tpe needs the extra tpe"
    )
    trials: int = integer(25, at_least=1, at_most=100_000, help="settings tried for each optimizer and problem")
    tuning_seeds: int = integer(2, at_least=1, at_most=MOST_SEEDS, help="seeds with which each setting is tried")
    seeds: int | None = integer(
        None, at_least=1, at_most=MOST_SEEDS, help="reporting seeds; null: the fewest that can tell differences"
    )
    least_seeds: int = integer(1, at_least=1, at_most=MOST_SEEDS, help="with seeds=null: at least so many")
    extensions: int = integer(2, at_least=0, at_most=2, help="extensions of a range whose edge is best, at most")
    reuse: bool = flag(True, help="take results of the experiment's finished runs; train the rest")
    with_defaults: bool = flag(False, help="compare each tuned optimizer with its own defaults, too")
    seed: int = integer(0, at_least=0, at_most=1_000_000, help="seed of the study: of its trials and of all seeds")


Key = tuple[str, str]
"""Names of an optimizer and of one of its fields."""

Range = tuple[float, float]
"""The ends of a range, the low one first."""


def ranges_of(search: Any) -> dict[Key, Range]:
    """Return the user's ranges by optimizer and field.

    Args:
        search: the section ``study.search`` as plain data: fields by the optimizer's name, whose slashes are nested
            sections, as in ``{"torch": {"adamw": {"lr": [1e-4, 1e-1]}}}``.

    Raises:
        InputError: a value is not a list of two numbers.
    """
    if not isinstance(search, Mapping):
        raise InputError(f"study.search={search}: write study.search.OPTIMIZER.FIELD=[low,high]")
    return dict(_ranges(search, ()))


def _ranges(
    section: Mapping[Any, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    for key, value in section.items():
        path = (*above, str(key))
        if isinstance(value, Mapping):
            yield from _ranges(value, path)
            continue
        word = f"study.search.{'.'.join(path)}={value}"
        if len(path) < 2:
            raise InputError(f"{word}: write study.search.OPTIMIZER.FIELD=[low,high]")
        if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
            raise InputError(f"{word}: a range is a list of two numbers, as in [1e-4,1e-1]")
        yield ("/".join(path[:-1]), path[-1]), (float(value[0]), float(value[1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
