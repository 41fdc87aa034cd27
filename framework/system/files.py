"""Files that are written whole or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: a kill leaves the old content or the new one, and readers see no other.

    Args:
        path: the file; its folder exists.
        content: all of it.

    Raises:
        OSError: the file cannot be written; the old content is kept.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
