"""Files that are written whole or not at all, files that strangers may have written, and locks on files."""

from __future__ import annotations

import errno
import os
import stat
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MOST = 2**30
"""Most bytes of a file that is read as a whole."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; a pipe or a device, whose reading might never end, is refused.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read, or it is not a regular file.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "It is not a regular file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path, most: int = MOST) -> bytes:
    """Return the content of a file of at most ``most`` bytes; errors as for `open_regular`.

    Raises:
        OSError: as for `open_regular`, or the file is larger.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"It has more than {most:,} bytes", str(path))
        return file.read()


def write_whole(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write a file in one step: a kill leaves the old content or the new one, and readers see no other.

    Args:
        path: the file; its folder exists.
        content: all of it.
        durable: whether the content must also survive a crash of the machine; this waits for the disk.
        mode: permissions of the file, before the user's mask.

    Raises:
        OSError: the file cannot be written; the old content is kept.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            _flush_folder(path.parent)
    except BaseException:  # an interrupt leaves no draft either
        draft.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes) -> None:
    """Write a file in one step, unless it exists or the file system does not allow it; its folder exists."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        with suppress(OSError):
            draft.write_bytes(content)
            os.link(draft, path)  # unlike a rename, this does not replace a file
    finally:
        draft.unlink(missing_ok=True)


def inside(folder: Path, name: str) -> Path:
    """Return the path ``name`` in a folder, with links resolved. For names that were read from data.

    Args:
        folder: the folder.
        name: a relative path without ``..``.

    Raises:
        ValueError: it leads out of the folder, or it is a folder in which a link does, or in which something is neither
            a file nor a folder.
    """
    top = folder.resolve()
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name} is outside of the folder")
    path = (top / name).resolve()
    found = [path, *path.rglob("*")] if path.is_dir() else [path]
    for entry in found:
        if not entry.resolve().is_relative_to(top):
            raise ValueError(f"{entry if entry != path else name} is outside of the folder")
        if entry.exists() and not (entry.is_file() or entry.is_dir()):
            raise ValueError(f"{entry} is not a file")
    return path


def _flush_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system allows to open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def lock(file: BinaryIO) -> bool:
    """Lock an open file for this process without waiting; return whether that succeeded."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 40)  # a lock on Windows blocks writes to its bytes; this byte is never written
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
