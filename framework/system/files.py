"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file in one step: a kill leaves the old content or the new one, and readers see no other.

    Args:
        path: the file; its folder exists.
        content: all of it.
        durable: whether the content must also survive a crash of the machine; this waits for the disk.

    Raises:
        OSError: the file cannot be written; the old content is kept.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            _flush_folder(path.parent)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system allows to open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
