"""Data sets from the user's own files."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import ClassVar

from framework import Dataset, DatasetSpec, InputError, Raw, choice, hookimpl, text, texts

from ._arrays import read_npz
from ._table import read_csv


class File(Dataset):
    """Your own .csv or .npz file: dataset=file dataset.path=PATH dataset.target=NAME.

    The first row of a .csv names the columns. The target column has numbers or texts, all others have numbers. A .npz
    has the inputs ``(N, …)`` in the array ``x`` (or ``X``) and the targets in the array named by ``target``; if it also
    has ``x_test`` and ``TARGET_test``, these are the test split.

    With ``task=auto``, the target decides the task. Texts are classes if there are at least two samples per distinct
    text on average, else they are refused. Numbers are classes if all are whole, at most 20 are distinct, and there are
    at least two samples per distinct number on average. All other numbers are values, as are arrays with more than one
    number per sample.

    Labels are compared as written: 01 and 1 are two classes, as are integers that differ in their last digit only.
    Spaces around a cell of a .csv are ignored, and if all labels are numbers, 1.0 equals 1 (so a .npz may have floats
    for training and texts for the test). Classes are sorted, numbers by size and texts by letters, and numbered from 0;
    their names are the texts in the file, also NA.

    Raises ``InputError`` if the file, the target or a column is missing, an input is not a finite number, or the target
    does not fit ``task``; the message names the file and the place.
    """

    path: str | None = text(None, help="a .csv or .npz file")
    target: str = text("y", help="the column (.csv) or array (.npz) to predict")
    ignore: tuple[str, ...] | None = texts(None, help="columns of a .csv to leave out: a, or [a,b]")
    task: ClassVar[str] = choice("auto", ("auto", "classification", "regression"), help="auto: from the target")

    def load(self) -> Raw:
        """Return all samples in the file's order.

        Raises:
            InputError: the file, the target or a column is missing, an input is not a finite number, or the target
                does not fit ``task``.
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
        """Return path, modification time and size of the file; () if it does not exist."""
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
