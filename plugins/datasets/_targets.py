"""Decides whether a target column is classes or values; the rule is told in the class `File`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.errors import InputError

MOST_WHOLE_NUMBERS = 20
"""So many different whole numbers are still taken for classes."""


@dataclass(frozen=True)
class Target:
    """Targets as a data set delivers them: labels ``(N,)`` with names, or values ``(N, *shape)`` without."""

    values: np.ndarray
    task: str
    class_names: tuple[str, ...] = ()


def from_numbers(numbers: np.ndarray, task: str, where: str) -> Target:
    """Return the target for finite ``numbers``, shape ``(N,)`` or ``(N, *shape)``.

    Args:
        numbers: what the file holds.
        task: ``"auto"``, ``"classification"`` or ``"regression"``.
        where: file and column, for messages.

    Raises:
        InputError: classes were asked for and these cannot be classes.
    """
    flat = numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers
    whole = flat.ndim == 1 and bool((flat == np.floor(flat)).all())
    if task == "classification" and not whole:
        raise InputError(f"{where} holds numbers that are not whole: for values set dataset.task=regression")
    if task == "regression" or not whole:
        return _values(flat)
    distinct, labels = np.unique(flat, return_inverse=True)
    if task == "auto" and (len(distinct) > MOST_WHOLE_NUMBERS or 2 * len(distinct) > len(flat)):
        return _values(flat)
    return _classes([str(int(number)) for number in distinct], labels, where)


def from_texts(texts: Sequence[str], task: str, where: str) -> Target:
    """Return the target for ``texts``; arguments and errors as `from_numbers`."""
    if task == "regression":
        raise InputError(f"{where} holds texts such as {texts[0]!r}: values must be numbers, or take the task auto")
    distinct, labels = np.unique(np.asarray(texts, dtype=np.str_), return_inverse=True)
    if task == "auto" and 2 * len(distinct) > len(texts):
        raise InputError(
            f"{where} holds {len(distinct)} different texts in {len(texts)} samples, too many for classes: "
            "name another target, or set dataset.task=classification if they are classes"
        )
    return _classes([str(text) for text in distinct], labels, where)


def _values(numbers: np.ndarray) -> Target:
    values = numbers.astype(np.float64)
    return Target(values[:, None] if values.ndim == 1 else values, "regression")


def _classes(names: list[str], labels: np.ndarray, where: str) -> Target:
    if len(names) < 2:
        raise InputError(f"{where} holds {names[0]!r} for every sample: there is nothing to learn; name another target")
    return Target(labels.reshape(-1).astype(np.intp), "classification", tuple(names))
