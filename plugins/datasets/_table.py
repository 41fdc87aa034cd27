"""Read data sets from .csv files, cell by cell, so that errors can name the cell."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framework import InputError, Raw, Samples
from framework.errors import nearest

from ._targets import Target, from_numbers, from_texts, is_number, number_of

if TYPE_CHECKING:
    from _csv import Reader


_REPAIR = "correct it or drop the row"


def read_csv(path: Path, target: str, ignored: Sequence[str], task: str) -> Raw:
    """Return the samples in ``path``: inputs from all columns but ``target`` and ``ignored``.

    Args:
        path: comma-separated UTF-8 text whose first row names the columns.
        target: the column to predict.
        ignored: columns to leave out.
        task: ``"auto"``, ``"classification"`` or ``"regression"``.

    Raises:
        InputError: the file cannot be read, has no header or no rows, lacks a named column, a row has another length
            than the header, a cell is not a finite number, or the target does not fit ``task``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = _read(path.name, csv.reader(lines, skipinitialspace=True), target, ignored)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text with commas ({error}): save it as .csv again") from error
    inputs, learned = table.inputs(), table.learn(task)
    samples = Samples(inputs, learned.values)
    return Raw(
        samples,
        class_names=learned.class_names,
        source=str(path.resolve()),
        task=learned.task,
        guessed=learned.guessed,
        columns=tuple(table.columns),
    )


@dataclass(frozen=True)
class _Table:
    """The cells of a file.

    Attributes:
        file: the file's name, for messages.
        columns: the names of the input columns.
        target: the name of the target column.
        cells: the inputs, row after row.
        answers: the cells of the target column, as texts.
        lines: the line number of each row in the file, from 1.
    """

    file: str
    columns: list[str]
    target: str
    cells: array[float]
    answers: list[str]
    lines: array[int]

    def inputs(self) -> np.ndarray:
        """Return the inputs, ``(N, columns)`` float64; raise InputError if one is not finite."""
        numbers = np.frombuffer(self.cells, np.float64).reshape(-1, len(self.columns))
        self._refuse_nonfinite(numbers, self.columns)
        return numbers

    def learn(self, task: str) -> Target:
        """Return the targets as classes or values; raise InputError if they do not fit ``task``."""
        where = f"{self.file}: column {self.target!r}"
        texts = [row for row, answer in enumerate(self.answers) if not is_number(answer)]
        if not texts:
            numbers = np.array([float(answer) for answer in self.answers])
            self._refuse_nonfinite(numbers[:, None], [self.target])
            return from_numbers(numbers, np.array(self.answers), task, where)
        first = texts[0]
        empty = next((row for row in texts if not self.answers[row]), None)
        if empty is not None:
            raise _bad_cell(self.file, self.lines[empty], self.target, "")
        if task == "regression" or (task == "auto" and len(texts) < len(self.answers)):
            error = _bad_cell(self.file, self.lines[first], self.target, self.answers[first])
            raise InputError(f"{error}, or set dataset.task=classification if these are names of classes")
        return from_texts(self.answers, task, where)

    def _refuse_nonfinite(self, numbers: np.ndarray, columns: Sequence[str]) -> None:
        finite = np.isfinite(numbers)
        if not finite.all():
            row, place = (int(i) for i in np.argwhere(~finite)[0])
            raise _bad_cell(self.file, self.lines[row], columns[place], str(numbers[row, place]))


def _read(file: str, rows: Reader, target: str, ignored: Sequence[str]) -> _Table:
    header = _header(file, next(rows, []), ignored)
    for name in (target, *ignored):
        if name not in header:
            raise InputError(f"{file} has no column {name!r}{nearest(name, header)}")
    places = [place for place, name in enumerate(header) if name != target and name not in ignored]
    if not places:
        raise InputError(f"{file} has no column beside {target!r}: there is nothing to predict from")
    table = _Table(file, [header[place] for place in places], target, array("d"), [], array("q"))
    target_place = header.index(target)
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(f"{file} line {rows.line_num} has {len(row)} cells, the header {len(header)}: correct it")
        cells = [row[place] for place in places]
        try:
            table.cells.extend(map(number_of, cells))
        except ValueError as error:
            wrong = next(i for i, cell in enumerate(cells) if not is_number(cell))
            name = table.columns[wrong]
            remedy = f"{_REPAIR}, or leave the column out (dataset.ignore={name})"
            raise _bad_cell(file, rows.line_num, name, cells[wrong], remedy) from error
        table.answers.append(row[target_place].strip())
        table.lines.append(rows.line_num)
    if not table.lines:
        raise InputError(f"{file} has a header but no rows: add samples")
    return table


def _header(file: str, cells: list[str], ignored: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise InputError(f"{file}: columns must be separated by commas; the first line is {names[0]!r}")
    if not names or all(is_number(name) for name in names):
        raise InputError(f"{file}: the first line must name the columns, such as width,height,y: add a header")
    if "" in names:
        raise InputError(f"{file}: column {names.index('') + 1} has no name: name it (pandas: to_csv(…, index=False))")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{file}: two columns are named {twice!r}: rename one")
    return names


def _bad_cell(file: str, line: int, column: str, cell: str, remedy: str = _REPAIR) -> InputError:
    what = f"{cell!r} is not a finite number" if cell.strip() else "the cell is empty"
    return InputError(f"{file} line {line}, column {column!r}: {what}: {remedy}")
