"""The user's own file."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import ClassVar

from framework import Dataset, DatasetSpec, InputError, Raw, choice, hookimpl, text, texts

from ._arrays import read_npz
from ._table import read_csv


class File(Dataset):
    """Your own .csv or .npz file: dataset=file dataset.path=PATH dataset.target=NAME.

    A .csv has a first row of column names; the target's column holds numbers or texts, all others numbers. A .npz
    has the inputs ``(N, …)`` in the array ``x`` (or ``X``) and the targets in the array named by ``target``; with
    ``x_test`` and ``TARGET_test`` beside them these are the test split.

    What is learned, when ``task=auto``: texts are classes, if at least two samples share one on average. Numbers are
    classes, if all are whole, no more than 20 differ, and at least two samples share one on average. All else are
    values, as are arrays with more than one number a sample.

    Labels are compared as written: 01 and 1 are two classes, as are integers that differ in their last digit only.
    Spaces around a cell of a .csv do not count, and where all labels are numbers, 1.0 is 1 (so a .npz may have floats
    for training and texts for the test). Classes are sorted, numbers by size and texts by letters, and counted from
    0; their names are what stood in the file, also NA.
    """

    path: str | None = text(None, help="a .csv or .npz file")
    target: str = text("y", help="the column (.csv) or array (.npz) to predict")
    ignore: tuple[str, ...] | None = texts(None, help="columns of a .csv to leave out: a, or [a,b]")
    task: ClassVar[str] = choice("auto", ("auto", "classification", "regression"), help="auto: from the target")

    def load(self) -> Raw:
        """Return all samples in the file's order.

        Raises:
            InputError: no such file, target or column, or cells that are not finite numbers.
        """
        path = self._path()
        if not path.is_file():
            raise InputError(f"dataset.path={self.path} is not a file: correct the path (seen from {Path.cwd()})")
        if path.suffix.lower() == ".csv":
            return read_csv(path, self.target, self.ignore or (), self.task)
        if path.suffix.lower() != ".npz":
            raise InputError(f"dataset.path={self.path} must end in .csv or .npz: convert it to one of these")
        if self.ignore is not None:
            raise InputError(
                f"dataset.ignore={','.join(self.ignore)} is for columns of a .csv; {path.name} is a .npz: drop it"
            )
        return read_npz(path, self.target, self.task)

    def stamp(self) -> Hashable:
        """Return path, time and size of the file."""
        path = self._path()
        if not path.is_file():
            return ()
        return str(path.resolve()), path.stat().st_mtime_ns, path.stat().st_size

    def _path(self) -> Path:
        if self.path is None:
            raise InputError("dataset.path is not set: dataset=file needs dataset.path=FILE.csv or FILE.npz")
        return Path(self.path).expanduser()


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=file``."""
    yield DatasetSpec("file", File)
