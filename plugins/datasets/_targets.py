"""Decide whether a target is classes or values; the rule is documented in the class `File`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework import InputError

MOST_WHOLE_NUMBERS = 20
"""The largest number of different whole numbers that are taken for classes."""
WHOLE_DECIMAL = re.compile(r"([+-]?[0-9]+)\.0*")
"""A whole number written with a fraction, such as ``1.0``."""


@dataclass(frozen=True)
class Target:
    """The targets of a data set: labels ``(N,)`` with names, or values ``(N, *shape)`` without.

    ``guessed`` is True if whole numbers were taken for classes because ``task`` was ``"auto"``.
    """

    values: np.ndarray
    task: str
    class_names: tuple[str, ...] = ()
    guessed: bool = False


def number_of(text: str) -> float:
    """Return the number that a text represents.

    Raises:
        ValueError: the text is not a number. Python reads 1_000 as a number; here it is refused, because in a data set
            it is more likely a code.
    """
    if "_" in text:
        raise ValueError(text)
    return float(text)


def is_number(text: str) -> bool:
    """Return whether a text is a number, finite or not."""
    try:
        number_of(text)
    except ValueError:
        return False
    return True


def from_arrays(parts: Sequence[np.ndarray], task: str, where: str) -> Target:
    """Return the target of several arrays in a row, such as one for training and one for the test.

    Args:
        parts: arrays of finite numbers or of texts, shape ``(n,)`` or ``(n, *shape)``.
        task: ``"auto"``, ``"classification"`` or ``"regression"``.
        where: file and array, for messages.

    Raises:
        InputError: the targets do not fit ``task``, are all equal, or mix texts with numbers that are not whole.
    """
    parts = [part[:, 0] if part.ndim == 2 and part.shape[1] == 1 else part for part in parts]
    texts = [part.dtype.kind == "U" for part in parts]
    if not any(texts):
        labels = np.concatenate([_written(part) for part in parts]) if all(map(_whole, parts)) else None
        return from_numbers(np.concatenate([part.astype(np.float64) for part in parts]), labels, task, where)
    unlike = [part for part, text in zip(parts, texts, strict=True) if not (text or _whole(part))]
    if unlike:
        raise InputError(f"{where} and its test array hold texts and numbers that are not whole: save both in one form")
    return from_texts(np.concatenate([_written(part) for part in parts]), task, where)


def from_numbers(numbers: np.ndarray, labels: np.ndarray | None, task: str, where: str) -> Target:
    """Return the target for finite numbers; errors as `from_arrays`.

    Args:
        numbers: the numbers in the file, float64, shape ``(N,)`` or ``(N, *shape)``.
        labels: the same numbers as texts, exactly as written, shape ``(N,)``; None if they cannot be labels.
        task: as in `from_arrays`.
        where: as in `from_arrays`.
    """
    whole = labels is not None and _whole(numbers)
    if task == "classification" and not whole:
        raise InputError(f"{where} holds numbers that are not whole: for values set dataset.task=regression")
    if labels is None or task == "regression" or not whole:
        return _values(numbers, where)
    names, places = _distinct(labels)
    if task == "auto" and (len(names) > MOST_WHOLE_NUMBERS or 2 * len(names) > len(numbers)):
        return _values(numbers, where)
    return _classes(names, places, where, guessed=task == "auto")


def from_texts(texts: Sequence[str] | np.ndarray, task: str, where: str) -> Target:
    """Return the target for ``texts``; arguments and errors as `from_arrays`."""
    if task == "regression":
        first = str(texts[0])
        raise InputError(f"{where} holds texts such as {first!r}: values must be numbers, or set dataset.task=auto")
    names, places = _distinct(np.asarray(texts, dtype=np.str_))
    if task == "auto" and 2 * len(names) > len(texts):
        raise InputError(
            f"{where} holds {len(names)} different texts in {len(texts)} samples, too many for classes: "
            "name another target, or set dataset.task=classification if they are classes"
        )
    return _classes(names, places, where)


def _whole(part: np.ndarray) -> bool:
    """Return whether an array can be labels: texts, or one whole number per sample."""
    return part.ndim == 1 and (part.dtype.kind != "f" or bool((part == np.floor(part)).all()))


def _written(part: np.ndarray) -> np.ndarray:
    """Return whole numbers as texts, without rounding to float64; return texts unchanged."""
    if part.dtype.kind == "U":
        return part
    distinct, places = np.unique(part, return_inverse=True)
    return np.array([str(int(number)) for number in distinct])[places.reshape(-1)]


def _distinct(labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the distinct labels in order, and each sample's index among them.

    Labels are compared as written, with one exception: if all are numbers, 1.0 equals 1. So 01 and 1 differ.
    """
    written, places = np.unique(labels, return_inverse=True)
    texts = [str(text) for text in written]
    if not all(is_number(text) and np.isfinite(number_of(text)) for text in texts):
        return texts, places.reshape(-1)
    same = [found[1] if (found := WHOLE_DECIMAL.fullmatch(text)) else text for text in texts]
    names = sorted(set(same), key=lambda text: (_exact(text), text))
    order = np.array([names.index(name) for name in same])
    return names, order[places.reshape(-1)]


def _exact(text: str) -> int | float:
    """Return the number in a text: an int with all its digits if it is written as an integer, else a float."""
    try:
        return int(text)
    except ValueError:
        return number_of(text)


def _values(numbers: np.ndarray, where: str) -> Target:
    if (numbers == numbers[:1]).all():
        first = numbers.reshape(-1)[0]
        raise InputError(
            f"{where} holds {first:.17g} for every sample (in float64): there is nothing to learn; name another target"
        )
    return Target(numbers[:, None] if numbers.ndim == 1 else numbers, "regression")


def _classes(names: list[str], places: np.ndarray, where: str, *, guessed: bool = False) -> Target:
    if len(names) < 2:
        raise InputError(f"{where} holds {names[0]!r} for every sample: there is nothing to learn; name another target")
    return Target(places.astype(np.intp), "classification", tuple(names), guessed)
