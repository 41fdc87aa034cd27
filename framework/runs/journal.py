"""The journal: a run's record on disk, one JSON line per entry, written before any other consumer gets the entry.

A run's folder holds ``journal.jsonl``. Each entry has a ``kind``, the unix ``time`` in seconds, and its kind's content:

- ``start``: name, experiment, params, tags, description, parent (folder of the sweep's journal relative to this one,
  or null), dataset, code (versions of the run's parts, as in `RunConfig.code`)
- ``metrics``: step, epoch, values ``{"train/loss": 0.3, …}``
- ``tags``: values
- ``description``: text, in Markdown; takes the place of the one in ``start``
- ``artifact``: path (relative and inside the folder; a file or a directory), to (sub-directory of the artifacts, or "")
- ``model``: path and input_example (likewise)
- ``end``: status FINISHED, FAILED or KILLED

NaN and infinities, which JSON lacks, are the strings "NaN", "Infinity" and "-Infinity". A journal without ``end``
belongs to a run that is still running or was killed. A sweep's journal has the same form; its runs name its folder as
their parent.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from framework.errors import InputError
from framework.runs.entry_fields import FIELDS, checked
from framework.system import strict_json
from framework.system.files import lock, read_regular, write_whole

FILE = "journal.jsonl"
KINDS = tuple(FIELDS)
LAST_BYTES = 4096
"""Bytes at the end of a journal that usually hold its last entry."""
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_HOLDS_NUMBERS = {"start": "params", "metrics": "values"}


@dataclass(frozen=True)
class Entry:
    """One line of a journal.

    Attributes:
        kind: one of `KINDS`.
        time: unix time in seconds.
        content: the fields of the kind, as in the module's docstring.
        end: offset of the line's end in the file, in bytes.
    """

    kind: str
    time: float
    content: dict[str, Any]
    end: int


class Journal:
    """Appends entries to ``<folder>/journal.jsonl``; each is passed to the operating system before `write` returns.

    The file is created together with its first entry, so that a kill leaves no empty journal. An existing journal is
    continued. An incomplete last line, left by a kill, is removed first.

    Attributes:
        begun: whether the journal has an entry.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._path = folder / FILE
        self._closed = False
        self.begun = False
        if self._path.exists():
            _cut_torn_line(self._path)
            self.begun = self._path.stat().st_size > 0

    def write(self, kind: str, **content: Any) -> None:
        """Append one entry.

        Args:
            kind: one of `KINDS`.
            **content: fields of the entry: plain values, NumPy scalars and paths, nested in dicts and lists.

        Raises:
            ValueError: an unknown kind, or the journal is closed.
            OSError: the file cannot be written, as on a full disk.
        """
        if kind not in KINDS:
            raise ValueError(f"a journal has no entries of kind {kind!r}; known: {', '.join(KINDS)}")
        if self._closed:
            raise ValueError(f"the journal in {self.folder} is closed")
        line = json.dumps({"kind": kind, "time": time.time(), **_plain(content)}, allow_nan=False) + "\n"
        data = line.encode()
        if not self.begun:
            write_whole(self._path, data)
            self.begun = True
            return
        # Open the file per entry: a population may have thousands of journals, a process about a thousand open files.
        with self._path.open("ab", buffering=0) as file:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "Only part of an entry was written", str(self._path))

    def end(self, status: str, *, error: str = "", artifact: bool = True) -> None:
        """Write the last entries, if there is a first one, and refuse further ones.

        Args:
            status: as in the ``end`` entry.
            error: the error that ended the run, for its tags.
            artifact: whether the journal itself becomes an artifact of the run.
        """
        if self.begun:
            if error:
                self.write("tags", values={"error": error})
            if artifact:
                self.write("artifact", path=FILE, to="")
            self.write("end", status=status)
        self.close()

    def close(self) -> None:
        """Refuse further entries; the journal may be continued by another object."""
        self._closed = True


def read_journal(folder: Path) -> list[Entry]:
    """Return the entries of the journal in ``folder``; an incomplete last line is left out.

    Raises:
        InputError: there is no journal, it is not a file that can be read, or a complete line of it is damaged.
    """
    return list(_entries(_content(folder), 0, folder / FILE))


def first_entry(folder: Path) -> Entry | None:
    """Return the first entry of the journal in ``folder``, or None if the journal has no complete line.

    Raises:
        InputError: as for `read_journal`, as to the first line.
    """
    line, end, _ = _content(folder).partition(b"\n")
    return next(_entries(line + end, 0, folder / FILE), None)


def _content(folder: Path) -> bytes:
    path = folder / FILE
    try:
        return read_regular(path)
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {FILE}: give the folder of a run or of a sweep") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def whole_size(folder: Path) -> int:
    """Return the size of the complete lines of the journal in ``folder``, in bytes; 0 if there is no journal.

    Raises:
        OSError: it is not a file that can be read.
    """
    try:
        return read_regular(folder / FILE).rfind(b"\n") + 1
    except FileNotFoundError:
        return 0


def sweep_of(folder: Path, start: Entry | None) -> Path | None:
    """Return the folder of the sweep to which a run belongs, or None.

    Args:
        folder: the run's folder.
        start: the first entry of its journal, or None.
    """
    parent = start.content.get("parent") if start is not None else None
    return Path(os.path.normpath(folder.absolute() / parent)) if parent else None


def last_entry(folder: Path) -> Entry | None:
    """Return the last complete entry of the journal in ``folder`` without reading the others; None if there is none.

    Raises:
        InputError: the entry is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for length in (LAST_BYTES, size):
            start = max(size - length, 0)
            file.seek(start)
            data = file.read()
            lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
            if len(lines) > 1 or (lines and start == 0):
                return next(_entries(lines[-1], start + data.rfind(lines[-1]), path))
    return None


class Tail:
    """Reads new entries of a journal, for the one process that delivers it.

    Args:
        folder: folder of the journal.
        offset: bytes of the journal that were read before.

    Attributes:
        offset: bytes of the journal that were read so far.
    """

    def __init__(self, folder: Path, offset: int = 0) -> None:
        self.offset = offset
        self._path = folder / FILE
        self._file: BinaryIO | None = None

    def claim(self) -> bool:
        """Lock the journal for delivery by this process; return False if another process has it or no file exists yet.

        The lock ends with `close` or with the process, however it ends.

        Raises:
            OSError: it is not a file that can be read.
        """
        if self._file is not None:
            return True
        if self._path.exists() and not self._path.is_file():
            raise OSError(f"{self._path} is not a regular file")
        try:
            file = self._path.open("r+b")  # writable, because locks on network file systems require it
        except FileNotFoundError:
            return False
        if not lock(file):
            file.close()
            return False
        self._file = file
        return True

    def read(self) -> list[Entry]:
        """Return the complete entries since the last call.

        Raises:
            RuntimeError: `claim` was not called, or did not succeed.
            InputError: a complete line is damaged, or the file is shorter than at the last call.
        """
        if self._file is None:
            raise RuntimeError("claim the journal first")
        size = os.fstat(self._file.fileno()).st_size
        if size == self.offset:
            return []
        if size < self.offset:
            raise InputError(
                f"{self._path} is shorter than at the last read: it was replaced; remove mlflow.json to deliver it anew"
            )
        self._file.seek(self.offset)
        entries = list(_entries(self._file.read(), self.offset, self._path))
        if entries:
            self.offset = entries[-1].end
        return entries

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _entries(data: bytes, offset: int, path: Path) -> Iterator[Entry]:
    *lines, _ = data.split(b"\n")  # the last one is empty or not complete yet
    for line in lines:
        start, offset = offset, offset + len(line) + 1
        try:
            yield _entry(line, offset)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = f": {error}" if type(error) is ValueError else f" ({type(error).__name__})"
            raise InputError(f"{path} is damaged at byte {start}{why}; restore it, or remove that line") from error


def _entry(line: bytes, end: int) -> Entry:
    content = strict_json.loads(line)
    kind, when = content.pop("kind"), content.pop("time")
    field = _HOLDS_NUMBERS.get(kind) if isinstance(kind, str) else None
    if field is not None and isinstance(content.get(field), dict):
        content[field] = {name: _NUMBERS.get(v, v) if isinstance(v, str) else v for name, v in content[field].items()}
    return Entry(kind, float(when), checked(kind, when, content), end)


def _plain(value: Any) -> Any:
    """Return ``value`` as data that JSON can represent."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value) if isinstance(value, Path) else value


def _cut_torn_line(path: Path) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
