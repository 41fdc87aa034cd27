"""Reads a data set from a .npz file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from framework.dataset import Raw, Samples
from framework.errors import InputError, nearest
from plugins.datasets._targets import Target, from_numbers, from_texts


def read_npz(path: Path, target: str, task: str) -> Raw:
    """Return the samples in ``path``: inputs in array ``x`` or ``X``, targets in array ``target``.

    Raises:
        InputError: not a .npz file, an array is missing, holds Python objects or NaN, or lengths differ.
    """
    arrays = _Arrays(path)
    inputs_name = "X" if "X" in arrays.names and "x" not in arrays.names else "x"
    inputs, answers = arrays.inputs(inputs_name), arrays.answers(target, inputs_name)
    held = [name for name in (f"{inputs_name}_test", f"{target}_test") if name in arrays.names]
    if not held:
        learned = _learn(answers, task, f"{path.name}: array {target!r}")
        return Raw(Samples(inputs, learned.values), None, learned.class_names, str(path.resolve()), task=learned.task)
    test_inputs = arrays.inputs(f"{inputs_name}_test")
    test_answers = arrays.answers(f"{target}_test", f"{inputs_name}_test")
    if test_answers.shape[1:] != answers.shape[1:] or test_inputs.shape[1:] != inputs.shape[1:]:
        raise InputError(
            f"{path.name}: the arrays {held[0]!r} and {held[-1]!r} differ in shape from those for training"
        )
    learned = _learn(np.concatenate([answers, test_answers]), task, f"{path.name}: array {target!r}")
    return Raw(
        samples=Samples(inputs, learned.values[: len(inputs)]),
        official_test=Samples(test_inputs, learned.values[len(inputs) :]),
        class_names=learned.class_names,
        source=str(path.resolve()),
        task=learned.task,
    )


def _learn(answers: np.ndarray, task: str, where: str) -> Target:
    if answers.dtype.kind == "U":
        return from_texts(answers.reshape(-1).tolist(), task, where)
    return from_numbers(answers, task, where)


class _Arrays:
    """The arrays of one .npz file, checked as they are taken out."""

    def __init__(self, path: Path) -> None:
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} is not a .npz file (or is cut off): write it with numpy.savez")
        self._path = path
        with np.load(path, allow_pickle=False) as held:
            self.names: list[str] = list(held.files)

    def inputs(self, name: str) -> np.ndarray:
        """Return inputs ``(N, *shape)``; a flat array is one feature."""
        array = self._numbers(self._take(name, "the inputs"), name)
        return array[:, None] if array.ndim == 1 else array

    def answers(self, name: str, inputs_name: str) -> np.ndarray:
        """Return targets, numbers or texts, as many as there are inputs in array ``inputs_name``."""
        array = self._take(name, "the targets (dataset.target)")
        inputs = self._take(inputs_name, "the inputs")
        if len(array) != len(inputs):
            raise InputError(
                f"{self._path.name}: array {inputs_name!r} has {len(inputs)} samples, {name!r} has {len(array)}: "
                "they must be as long"
            )
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        if array.dtype.kind == "U" and array.size == len(array):
            return array
        return self._numbers(array, name)

    def _take(self, name: str, role: str) -> np.ndarray:
        if name not in self.names:
            raise InputError(f"{self._path.name} has no array {name!r} for {role}{nearest(name, self.names)}")
        try:
            with np.load(self._path, allow_pickle=False) as held:
                array = np.asarray(held[name])
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
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
