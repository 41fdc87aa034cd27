"""Read data sets from .npz files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from framework import UNREADABLE, InputError, Raw, Samples, array_names, read_array
from framework.errors import nearest

from ._targets import from_arrays


def read_npz(path: Path, target: str, task: str) -> Raw:
    """Return the samples in ``path``: inputs from array ``x`` or ``X``, targets from array ``target``.

    Args:
        path: a .npz file. Its arrays ``x_test`` (or ``X_test``) and ``TARGET_test``, if present, are the official test
            set.
        target: the name of the array to predict.
        task: ``"auto"``, ``"classification"`` or ``"regression"``.

    Raises:
        InputError: the file is not .npz, or an array is missing, has no samples, contains Python objects or numbers
            that are not finite, or the lengths or shapes of two arrays do not match.
    """
    arrays = _Arrays(path)
    inputs_name = "X" if "X" in arrays.names and "x" not in arrays.names else "x"
    parts = [arrays.samples(inputs_name, target)]
    held = [name for name in (f"{inputs_name}_test", f"{target}_test") if name in arrays.names]
    if held:
        parts.append(arrays.samples(f"{inputs_name}_test", f"{target}_test"))
        if any(first.shape[1:] != second.shape[1:] for first, second in zip(*parts, strict=True)):
            raise InputError(
                f"{path.name}: the arrays {held[0]!r} and {held[-1]!r} differ in shape from those for training"
            )
    learned = from_arrays([answers for _, answers in parts], task, f"{path.name}: array {target!r}")
    ends = np.cumsum([len(inputs) for inputs, _ in parts])[:-1]
    samples = [
        Samples(inputs, values) for (inputs, _), values in zip(parts, np.split(learned.values, ends), strict=True)
    ]
    return Raw(
        samples=samples[0],
        official_test=samples[1] if held else None,
        class_names=learned.class_names,
        source=str(path.resolve()),
        task=learned.task,
        guessed=learned.guessed,
    )


class _Arrays:
    """The arrays of one .npz file, validated when they are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.names = array_names(path)
        except UNREADABLE as error:
            raise InputError(
                f"{path} is not a .npz file (or is cut off): write it with numpy.savez ({error})"
            ) from error

    def samples(self, inputs_name: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs ``(N, *shape)`` and N targets, numbers or texts; one-dimensional inputs become one feature."""
        inputs = self._numbers(self._take(inputs_name, "the inputs"), inputs_name)
        answers = self._take(name, "the targets (dataset.target)")
        if len(answers) != len(inputs):
            raise InputError(
                f"{self._path.name}: array {inputs_name!r} has {len(inputs)} samples, {name!r} has {len(answers)}: "
                "they must have equal lengths"
            )
        return inputs[:, None] if inputs.ndim == 1 else inputs, self._answers(answers, name)

    def _answers(self, array: np.ndarray, name: str) -> np.ndarray:
        if array.dtype.kind == "S":
            try:
                array = np.char.decode(array, "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{self._path.name}: array {name!r} holds bytes that are not UTF-8 text ({error.object!r}): save "
                    "it as text, for instance numpy.char.decode(array, 'latin-1')"
                ) from error
        if array.dtype.kind == "U" and array.size == len(array):
            return array.reshape(-1)
        return self._numbers(array, name)

    def _take(self, name: str, role: str) -> np.ndarray:
        if name not in self.names:
            raise InputError(f"{self._path.name} has no array {name!r} for {role}{nearest(name, self.names)}")
        try:
            array = read_array(self._path, name)
        except (*UNREADABLE, KeyError) as error:
            raise InputError(
                f"{self._path.name}: array {name!r} cannot be read ({error}): save plain arrays of numbers or texts "
                "with numpy.savez; pickled objects are refused"
            ) from error
        if array.ndim == 0 or len(array) == 0:
            raise InputError(f"{self._path.name}: array {name!r} holds no samples: its first axis must be the samples")
        return array

    def _numbers(self, array: np.ndarray, name: str) -> np.ndarray:
        if array.dtype.kind not in "buif":
            raise InputError(f"{self._path.name}: array {name!r} has dtype {array.dtype}: it must hold real numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            at = ", ".join(map(str, place))
            raise InputError(f"{self._path.name}: {name}[{at}] is {array[place]}: fill it in or drop the sample")
        return array
