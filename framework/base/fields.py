"""Typed, range-checked fields of plugin classes.

A plugin declares a field once: ``lr: float = hyper(1e-3, above=0)``. The constructor's keyword, the Hydra option with
its default, the range check with its message, the entry in ``plugins`` and the tuning range are derived from it.

There are two families of fields. *Columns* (`hyper`) are numbers that may differ between the runs of one
population: on an instance they are float64 arrays of shape ``(R, 1)``. *Structure* (everything else) is the same
for all runs of a population: on an instance it is a plain Python value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from framework.errors import InputError, nearest, short

_LARGEST = sys.float_info.max
_ANY = {
    "flag": "true or false",
    "integers": "a list of whole numbers",
    "numbers": "a list of numbers",
    "texts": "a list, as in [a,b]",
}
"""Descriptions of the accepted values of the kinds of fields that have no bounds."""


@dataclass(frozen=True)
class Field:
    """One declared setting: its default, its type and the values it accepts.

    Attributes:
        default: the value if nothing is set.
        kind: the type: ``"number"``, ``"integer"``, ``"flag"``, ``"text"``, ``"integers"``, ``"numbers"`` or
            ``"texts"``.
        column: whether the value may differ between the runs of a population.
        optional: whether None is accepted.
        above, below: exclusive bounds of a number, or None for no bound.
        at_least, at_most: inclusive bounds of a number, or None for no bound.
        choices: the accepted texts; empty accepts any.
        words: texts that are accepted in place of a value of this kind.
        prior, search: as in `hyper`.
        help: one line for help pages.
    """

    default: Any
    kind: str
    column: bool = False
    optional: bool = False
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    prior: str | None = None
    search: tuple[float, float] | None = None
    help: str = ""

    @property
    def takes_list(self) -> bool:
        """Whether a value of this field is a list."""
        return self.kind in ("integers", "numbers", "texts")

    def at(self, share: float) -> float:
        """Return the value at a share of the range that a tuner searches, from 0 for its low end to 1 for its high end.

        With the prior ``"log"`` equal steps of the share multiply the value by equal factors, with ``"log 1-x"`` its
        distance from 1; otherwise they add equal amounts. Both ends are exact.

        Raises:
            ValueError: the field declares no ``search``.
        """
        if self.search is None:
            raise ValueError("this field declares no range to search")
        low, high = self.search
        if share in (0, 1):
            return high if share else low
        if self.prior == "log":
            return float(low * (high / low) ** share)
        if self.prior == "log 1-x":
            return float(1 - (1 - low) * ((1 - high) / (1 - low)) ** share)
        return low + (high - low) * share

    def range(self) -> str:
        """Return a description of the accepted values, such as ``"> 0"`` or ``"in [0, 1)"``."""
        if self.choices:
            return "one of " + ", ".join(self.choices) + (", or null" if self.optional else "")
        low = self.above if self.above is not None else self.at_least
        high = self.below if self.below is not None else self.at_most
        if low is None and high is None:
            text = _ANY.get(self.kind, "any " + self.kind)
        elif high is None:
            text = f"{'>' if self.above is not None else '>='} {low:g}"
        elif low is None:
            text = f"{'<' if self.below is not None else '<='} {high:g}"
        else:
            left = "(" if self.above is not None else "["
            right = ")" if self.below is not None else "]"
            text = f"in {left}{low:g}, {high:g}{right}"
        for word in self.words:
            text += f", or {word}"
        return text + (", or null" if self.optional else "")

    def check(self, value: Any, where: str) -> Any:
        """Return ``value`` converted to this field's type.

        Args:
            value: a value of any type.
            where: the name of the field in messages, such as ``"optimizer.lr"``.

        Raises:
            InputError: a wrong type or a value out of range; the message names ``where``, value and range.
        """
        if value is None and self.optional:
            return None
        if isinstance(value, str) and value in self.words:
            return value
        return _CHECKS[self.kind](self, value, where)

    def check_bounds(self, value: float, where: str) -> None:
        """Raise `InputError` if ``value`` is not finite or is outside the declared range."""
        good = (
            abs(value) <= _LARGEST  # false for NaN, and for integers too large for a float
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )
        if not good:
            shown = f"{value:g}" if abs(value) <= _LARGEST else short(value)
            finite = f", and at most {_LARGEST:.1e}" if abs(value) > _LARGEST else ""
            raise InputError(f"{where}={shown} is out of range: it must be {self.range()}{finite}")


def _refuse(field: Field, value: Any, where: str, expected: str) -> InputError:
    also = "".join(f" or {word}" for word in field.words) + (" or null" if field.optional else "")
    return InputError(f"{where}={short(value)} is not {expected}{also}: it must be {field.range()}")


def _check_number(field: Field, value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise _refuse(field, value, where, "a number")
    field.check_bounds(value if isinstance(value, int) else float(value), where)
    return float(value)


def _check_integer(field: Field, value: Any, where: str) -> int:
    whole = isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise _refuse(field, value, where, "a whole number")
    field.check_bounds(int(value), where)
    return int(value)


def _check_flag(field: Field, value: Any, where: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise _refuse(field, value, where, "true or false")
    return bool(value)


def _check_text(field: Field, value: Any, where: str) -> str:
    if isinstance(value, int | float) and not field.choices:
        also = " or null" if field.optional else ""
        raise InputError(f"{where}={short(value)} is not a text{also}: write it in quotes")
    if not isinstance(value, str):
        raise _refuse(field, value, where, "a text")
    if field.choices and value not in field.choices:
        raise InputError(f"{where}={short(value)} is not known{nearest(value, field.choices)}")
    return value


def _check_integers(field: Field, value: Any, where: str) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refuse(field, value, where, "a list of whole numbers")
    return tuple(_check_integer(field, item, f"{where}[{i}]") for i, item in enumerate(value))


def _check_numbers(field: Field, value: Any, where: str) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refuse(field, value, where, "a list of numbers")
    return tuple(_check_number(field, item, f"{where}[{i}]") for i, item in enumerate(value))


def _check_texts(field: Field, value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    if not isinstance(value, Sequence):
        raise _refuse(field, value, where, "a list of texts")
    return tuple(_check_text(field, item, f"{where}[{i}]") for i, item in enumerate(value))


_CHECKS: dict[str, Callable[[Field, Any, str], Any]] = {
    "number": _check_number,
    "integer": _check_integer,
    "flag": _check_flag,
    "text": _check_text,
    "integers": _check_integers,
    "numbers": _check_numbers,
    "texts": _check_texts,
}


def hyper(default: float, *, prior: str | None = None, search: tuple[float, float] | None = None, **bounds: Any) -> Any:
    """Declare a hyperparameter: a finite number that may differ between the runs of a population.

    Args:
        default: the value if nothing is set.
        prior: how a tuner spaces values: ``"log"``, ``"log 1-x"`` or ``"linear"``.
        search: the range that a tuner searches, ``(low, high)``.
        **bounds: any of ``above``, ``at_least``, ``below``, ``at_most`` and ``help``.
    """
    return Field(float(default), "number", column=True, prior=prior, search=search, **bounds)


def number(default: float | None, **rules: Any) -> Any:
    """Declare a finite number that all runs of a population share; None is accepted if it is the default."""
    return Field(None if default is None else float(default), "number", optional=default is None, **rules)


def integer(default: int | str | None, *, words: tuple[str, ...] = (), **rules: Any) -> Any:
    """Declare a whole number; each of ``words`` is accepted too and stands for a number determined later."""
    return Field(default, "integer", optional=default is None, words=words, **rules)


def flag(default: bool, **rules: Any) -> Any:
    """Declare a boolean; in an update rule it is a compile-time constant."""
    return Field(default, "flag", **rules)


def choice(default: str | None, choices: Sequence[str], **rules: Any) -> Any:
    """Declare a text that must be one of ``choices``; None is accepted if it is the default."""
    return Field(default, "text", choices=tuple(choices), optional=default is None, **rules)


def text(default: str | None, **rules: Any) -> Any:
    """Declare a free text, such as a path; None is accepted if it is the default."""
    return Field(default, "text", optional=default is None, **rules)


def integers(default: Sequence[int], *, words: tuple[str, ...] = (), **rules: Any) -> Any:
    """Declare a list of whole numbers, each within the bounds; each of ``words`` is accepted in place of a list."""
    return Field(tuple(default), "integers", words=words, **rules)


def numbers(default: Sequence[float], **rules: Any) -> Any:
    """Declare a list of finite numbers, each within the bounds."""
    return Field(tuple(map(float, default)), "numbers", **rules)


def texts(default: Sequence[str] | None, **rules: Any) -> Any:
    """Declare a list of texts, such as column names; one comma-separated text is accepted as a list."""
    return Field(None if default is None else tuple(default), "texts", optional=default is None, **rules)


class Configurable:
    """A class with declared fields: the base class of everything that a plugin can provide.

    ``Adam(lr=0.01)`` is Adam for one run; ``Adam(lr=[0.01, 0.1])`` is Adam for a population of two. Columns with one
    value broadcast over any number of runs.

    Attributes:
        fields: the declared fields by name, inherited ones included.
        registered_name: the name under which the class is registered, or "".
        rows: on an instance, the checked values of each run by field name.

    Raises:
        InputError: a field that is not declared, a value of the wrong type or out of range, or columns of different
            lengths.
    """

    fields: ClassVar[Mapping[str, Field]] = MappingProxyType({})
    registered_name: ClassVar[str] = ""
    absent: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that users may expect but that do not exist here; each value gives the reason and an alternative."""
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Settings that the conformance kit checks besides the defaults, or instead of them if they do not work alone."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls.fields = MappingProxyType({**cls.fields, **own})

    def __init__(self, **values: Any) -> None:
        columns = {
            name: _as_column(cls_field, values[name])
            for name, cls_field in self.fields.items()
            if name in values and cls_field.column
        }
        runs = max((len(column) for column in columns.values()), default=1)
        for name, column in columns.items():
            if len(column) not in (1, runs) or not column:
                raise InputError(f"{self.label()}: {name} has {len(column)} values for {runs} runs: give 1 or {runs}")
        rows = [
            {**values, **{name: column[row % len(column)] for name, column in columns.items()}} for row in range(runs)
        ]
        self._settle([self.resolve(row) for row in rows])

    def _settle(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = tuple(dict(row) for row in rows)
        for name, spec in self.fields.items():
            if spec.column:
                setattr(self, name, np.array([[row[name]] for row in rows], dtype=np.float64))
            else:
                setattr(self, name, rows[0][name])

    @classmethod
    def resolve(cls, values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Return the checked value of every field; fields that are not set get their defaults.

        Args:
            values: the user's settings by field name.
            where: the section's name, such as ``"optimizer"``; every message starts with it.

        Raises:
            InputError: an undeclared field, a wrong type, a value out of range, or a violation of `constraints`.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"{where}={short(values)} must be a mapping: write {where}.FIELD=VALUE")
        prefix = f"{where}." if where else ""
        for name in values:
            if name in cls.absent:
                raise InputError(f"{prefix}{name}: {cls.absent[name]}")
            if name not in cls.fields:
                raise InputError(f"{prefix}{name}: {cls.label()} has no such field{nearest(name, cls.fields)}")
        resolved = {
            name: spec.check(values[name], prefix + name) if name in values else spec.default
            for name, spec in cls.fields.items()
        }
        complaint = cls.constraints(resolved)
        if complaint:
            raise InputError(f"{prefix.rstrip('.') or cls.label()}: {complaint}")
        return resolved

    @classmethod
    def stack(cls, rows: Sequence[Mapping[str, Any]], where: str = "", **given: Any) -> Self:
        """Return one instance for R runs; their columns may differ, their structure must not.

        Args:
            rows: the settings of each run by field name.
            where: as in `resolve`.
            **given: values of attributes that are not fields, such as ``seeds``.

        Raises:
            InputError: as `resolve`, or the structure differs between runs.
            TypeError: the class has no attribute of a name in ``given``.
        """
        return cls.of_checked([cls.resolve(row, where) for row in rows], where, **given)

    @classmethod
    def of_checked(cls, rows: Sequence[Mapping[str, Any]], where: str = "", **given: Any) -> Self:
        """Return one instance for R runs from values that `resolve` returned; they are not checked again.

        Args:
            rows: the checked value of every field, for each run.
            where: as in `resolve`.
            **given: as in `stack`.

        Raises:
            InputError: the structure differs between runs.
            TypeError: the class has no attribute of a name in ``given``.
        """
        for name, spec in cls.fields.items():
            if not spec.column and any(row[name] != rows[0][name] for row in rows):
                raise InputError(f"{where or cls.label()}.{name} differs between runs: they must share it")
        instance = cls.__new__(cls)
        for name, value in given.items():
            if not hasattr(cls, name):
                raise TypeError(f"{cls.__name__} has no attribute {name}")
            setattr(instance, name, value)
        instance._settle(rows)
        return instance

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return a message if the values contradict each other, or None."""
        return None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the defaults by field name."""
        return {name: spec.default for name, spec in cls.fields.items()}

    @classmethod
    def label(cls) -> str:
        """Return the name used in messages: the registered name, or the class's if there is none."""
        return cls.registered_name or cls.__name__

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0].rstrip()


def _as_column(spec: Field, value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return list(value.reshape(-1).tolist())
    if isinstance(value, list | tuple):
        return list(value)
    return [value]
