"""The search space of one optimizer: the fields that a study tunes, with their ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from framework.base.fields import Field
from framework.errors import InputError
from framework.study.settings import Key, Range

DECADE = 10.0
"""Factor by which a range is extended at an edge."""

DIGITS = 3
"""Significant digits of a tried value, so that settings are short to read and to repeat."""


@dataclass(frozen=True)
class Axis:
    """A tuned field with the range that is searched.

    Attributes:
        name: the field's name.
        field: the field; its ``search`` is the range as it is now.
    """

    name: str
    field: Field

    @property
    def low(self) -> float:
        """The low end of the range."""
        return self._search[0]

    @property
    def high(self) -> float:
        """The high end of the range."""
        return self._search[1]

    @property
    def _search(self) -> tuple[float, float]:
        if self.field.search is None:
            raise ValueError(f"{self.name} declares no range")
        return self.field.search

    def value(self, share: float) -> float:
        """Return the value at a share of the range, as in `Field.at`, rounded to `DIGITS` digits, inside the range."""
        exact = self.field.at(share)
        near_one = self.field.prior == "log 1-x"
        rounded = float(f"{1 - _rounded(1 - exact):.12g}") if near_one else _rounded(exact)
        return min(max(rounded, self.low), self.high)

    def extended(self, *, up: bool) -> Axis | None:
        """Return the axis with its range extended at one end, or None if the field's bounds permit no extension.

        With the prior ``"log"`` the end moves by the factor `DECADE`; with ``"log 1-x"`` its distance from 1 does;
        otherwise the range doubles.
        """
        low, high = self.low, self.high
        if self.field.prior == "log":
            low, high = (low, high * DECADE) if up else (low / DECADE, high)
        elif self.field.prior == "log 1-x":
            low, high = (low, 1 - (1 - high) / DECADE) if up else (1 - (1 - low) * DECADE, high)
        else:
            low, high = (low, high + (high - low)) if up else (low - (high - low), high)
        low, high = _bounded(self.field, low, high)
        if (low, high) == (self.low, self.high):
            return None
        return replace(self, field=replace(self.field, search=(low, high)))

    def text(self) -> str:
        """Return name, range and prior, such as ``"lr in [0.0001, 0.1], log"``."""
        return f"{self.name} in [{self.low:g}, {self.high:g}], {self.field.prior or 'linear'}"


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _bounded(field: Field, low: float, high: float) -> tuple[float, float]:
    """Return a range cut to the field's bounds; an exclusive bound is no value, so that end stays as it was."""
    was = field.search or (low, high)
    if (field.above is not None and low <= field.above) or (field.prior == "log" and low <= 0):
        low = was[0]
    if field.below is not None and high >= field.below:
        high = was[1]
    low = low if field.at_least is None else max(low, field.at_least)
    high = high if field.at_most is None else min(high, field.at_most)
    return low, high


def axes_of(
    optimizer: str,
    fields: Mapping[str, Field],
    tuned: Sequence[str],
    fixed: Sequence[str],
    ranges: Mapping[Key, Range],
) -> tuple[Axis, ...]:
    """Return the axes of an optimizer's search space.

    Args:
        optimizer: its name.
        fields: its fields.
        tuned: the names of the fields to tune; those that the optimizer does not have are left out.
        fixed: names of fields that the user gave a value.
        ranges: the user's ranges, by optimizer and field.

    Raises:
        InputError: a field declares no range and the user gives none, or a range of the user is not inside the field's
            bounds.
    """
    found = []
    for name in tuned:
        field = fields.get(name)
        if field is None or name in fixed:
            continue
        own = ranges.get((optimizer, name))
        if own is None and field.search is None:
            word = f"study.search.{optimizer.replace('/', '.')}.{name}"
            raise InputError(f"{optimizer} declares no range for {name}: give one with {word}=[low,high]")
        found.append(Axis(name, field if own is None else with_range(optimizer, name, field, own)))
    return tuple(found)


def with_range(optimizer: str, name: str, field: Field, own: Range) -> Field:
    """Return a field with the range that the user gives.

    Raises:
        InputError: the field is no number, or the range is empty or not inside the field's bounds.
    """
    word = f"study.search.{optimizer.replace('/', '.')}.{name}"
    low, high = own
    if not field.column:
        raise InputError(f"{word}: only numbers that may differ between runs are tuned")
    for end in own:
        field.check_bounds(end, word)
    prior = field.prior or ("log" if low > 0 and high / low >= DECADE else "linear")
    if low >= high or (prior == "log" and low <= 0) or (prior == "log 1-x" and high >= 1):
        raise InputError(f"{word}=[{low:g},{high:g}]: the range of prior {prior!r} is empty or leaves its domain")
    return replace(field, search=own, prior=prior)


def at_edge(share: float, trials: int) -> int:
    """Return 1 if a share is in the last 1/``trials`` of its range, -1 in the first, else 0.

    Each of these parts holds one of ``trials`` points that are spread evenly along the axis. A range with less than
    three parts has no inside.
    """
    if trials < 3 or not math.isfinite(share):
        return 0
    return int(share >= 1 - 1 / trials) - int(share <= 1 / trials)


def shares_of(axes: Sequence[Axis], values: Sequence[float]) -> np.ndarray:
    """Return the share of each value on its axis, shape ``(axes,)``: the inverse of `Field.at`."""
    return np.array([_share(axis, value) for axis, value in zip(axes, values, strict=True)])


def _share(axis: Axis, value: float) -> float:
    low, high = axis.low, axis.high
    if axis.field.prior == "log":
        return math.log(value / low) / math.log(high / low)
    if axis.field.prior == "log 1-x":
        return math.log((1 - value) / (1 - low)) / math.log((1 - high) / (1 - low))
    return (value - low) / (high - low)
