"""Checks of docstring summary and declared fields, for every kind of plugin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from framework.base.fields import Configurable, Field
from framework.checks.results import Figure, Skip, worst
from framework.errors import InputError

NUMBERS = ("number", "integer")
PRIORS = ("log", "log 1-x", "linear")


def defaults_in_range(subject: Any) -> Figure:
    """Check that every default and every tuning range lies within the field's bounds."""
    cls: type[Configurable] = subject.cls
    findings = []
    for name, field in cls.fields.items():
        for value in [field.default, *(field.search or ())]:
            refused = _out_of_range(field, name, value)
            findings.append((float(refused is not None), f"the declared {name}={value} is rejected: {refused}"))
    return worst(findings, 0)


def bounds_enforced(subject: Any) -> Figure:
    """Check that values outside a field's bounds raise `InputError` with the field, the value and the range."""
    cls: type[Configurable] = subject.cls
    findings = []
    for name, field in cls.fields.items():
        for value in _outside(field):
            refused = _refusal(cls, name, value)
            findings.append((float(not _names(refused, name, field, value)), _complaint(name, field, value, refused)))
    if not findings:
        raise Skip("no field has a bound")
    return worst(findings, 0)


def ranges_fit_priors(subject: Any) -> Figure:
    """Check that every tuning range ascends and that its prior can space it: a range in log scale is above 0."""
    cls: type[Configurable] = subject.cls
    declared = {name: field for name, field in cls.fields.items() if field.search or field.prior}
    if not declared:
        raise Skip("no field declares a range to search")
    wrong = {name: _misfit(field) for name, field in declared.items()}
    return worst([(float(bool(says)), f"{name}: {says}") for name, says in wrong.items()], 0)


def has_summary(subject: Any) -> Figure:
    """Check that the class has a docstring: lists show its first line."""
    summary = subject.cls.summary()
    return Figure(float(not summary), 0, "there is no docstring: lists show its first line")


def _misfit(field: Field) -> str:
    """Return why a tuner cannot search a field's range, or ""."""
    if field.prior is not None and field.prior not in PRIORS:
        return f"prior={field.prior!r} is not one of {', '.join(PRIORS)}"
    low, high = field.search or (0.5, 0.6)  # a range that fits every prior
    if not low < high:
        return f"search={field.search}: its low end must be below its high end"
    if field.prior == "log" and low <= 0:
        return f"search={field.search} starts at {low:g}: the prior log needs a low end above 0"
    if field.prior == "log 1-x" and high >= 1:
        return f"search={field.search} ends at {high:g}: the prior log 1-x needs a high end below 1"
    return ""


def _refusal(cls: type[Configurable], name: str, value: Any) -> str | None:
    try:
        cls.stack([{name: value}])
    except InputError as error:
        return str(error)
    return None


def _out_of_range(field: Field, name: str, value: float) -> str | None:
    try:
        field.check(value, name)
    except InputError as error:
        return str(error)
    return None


def _outside(field: Field) -> Iterator[Any]:
    if field.kind not in NUMBERS:
        if field.choices:
            yield "no_such_choice"
        return
    step = 1 if field.kind == "integer" else 1e-3
    if field.above is not None:
        yield from (field.above, field.above - step)
    if field.at_least is not None:
        yield field.at_least - step
    if field.below is not None:
        yield from (field.below, field.below + step)
    if field.at_most is not None:
        yield field.at_most + step
    if field.kind == "number":
        yield from (math.nan, math.inf)


def _names(refused: str | None, name: str, field: Field, value: Any) -> bool:
    if refused is None or name not in refused:
        return False
    if field.kind not in NUMBERS:
        return value in refused
    return f"{value:g}" in refused and field.range() in refused


def _complaint(name: str, field: Field, value: Any, refused: str | None) -> str:
    if refused is None:
        return f"{name}={value} is accepted, but it must be {field.range()}"
    return f"{name}={value} is rejected with {refused!r}, which must name the field, the value and {field.range()!r}"
