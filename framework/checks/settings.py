"""Settings that a class is checked with: defaults, flags, choices, examples, and neighbours of them for each run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from framework.base.fields import Configurable, Field
from framework.errors import InputError

Settings = dict[str, Any]
RUNS = 3


def accepted(cls: type[Configurable], values: Mapping[str, Any]) -> bool:
    """Return whether the class accepts these fields."""
    try:
        cls.resolve(values)
    except InputError:
        return False
    return True


def variants(cls: type[Configurable]) -> list[Settings]:
    """Return settings that cover every flag and choice: the defaults, the class's ``examples`` and variants of both."""
    own: list[Settings] = [dict(example) for example in cls.examples]
    found = [{}, *own] if accepted(cls, {}) else own
    for base in list(found):
        for name, field in cls.fields.items():
            for value in _others(field):
                found += _first_accepted(cls, base, {name: value})
    return found


def spread(cls: type[Configurable], base: Mapping[str, Any], runs: int = RUNS) -> list[Settings]:
    """Return one setting per run: ``base``, then neighbours that differ in every column for which a value is accepted.

    Args:
        cls: the class.
        base: the setting of the first run.
        runs: number of runs.
    """
    rows = [dict(base)]
    for row in range(1, runs):
        values = dict(base)
        for name, field in cls.fields.items():
            if field.column:
                values = next((v for v in _moved_ones(values, name, field, row) if accepted(cls, v)), values)
        rows.append(values)
    return rows


def moved(field: Field, place: int) -> list[float]:
    """Return candidate values of a column, none of them the default, the best for run ``place`` (from 1) first."""
    low, high = field.search or (math.nan, math.nan)
    share = place / RUNS
    if field.search and low > 0 and field.prior == "log":
        guesses = [low ** (1 - share) * high**share]
    elif field.search:
        guesses = [low + (high - low) * share]
    else:
        guesses = [field.default * (0.5 if place % 2 else 2.0)]
    guesses += [field.default * 0.9, field.default + 0.1 * place, field.default + 1.0, field.default - 0.1]
    return [guess for guess in guesses if guess != field.default]


def label(values: Mapping[str, Any]) -> str:
    """Return settings as text in the form of overrides, such as ``"nesterov=True momentum=0.9"``."""
    shown = (f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items())
    return " ".join(shown) or "defaults"


def _others(field: Field) -> Sequence[Any]:
    if field.kind == "flag":
        return [not field.default]
    return [choice for choice in field.choices if choice != field.default]


def _moved_ones(values: Settings, name: str, field: Field, place: int) -> Iterator[Settings]:
    return ({**values, name: number} for number in moved(field, place))


def _first_accepted(cls: type[Configurable], base: Settings, wanted: Settings) -> list[Settings]:
    """Return ``base`` with ``wanted`` in a list, or an empty list if the class does not accept it.

    One column is changed too if the class's constraints require it.
    """
    tries = [{**base, **wanted}]
    for name, field in cls.fields.items():
        if field.column:
            tries += [{**base, **wanted, name: number} for number in moved(field, 2)[:1]]
    return next(([values] for values in tries if accepted(cls, values)), [])
