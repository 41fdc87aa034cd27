"""The file system that holds a path, and whether it is a local one."""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
"""Linux's table of mounted file systems."""
LOCAL = frozenset(
    {"bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "jfs", "ntfs", "ntfs3", "overlay"}
    | {"reiserfs", "tmpfs", "vfat", "xfs", "zfs"}
)
"""File systems on which processes of one machine share memory and locks."""


def is_local(path: Path) -> bool:
    """Return whether a path is known to be on a local file system; False on systems without a table of mounts."""
    return TABLE.is_file() and kind_of(path.resolve(), TABLE.read_text(errors="surrogateescape")) in LOCAL


def kind_of(path: Path, table: str) -> str:
    """Return the kind of the file system of a path, "" if no entry contains it.

    Args:
        path: an absolute path without links.
        table: lines as in Linux's ``/proc/PID/mountinfo``; of two on the same place, the later one counts.
    """
    best, kind = -1, ""
    for line in table.splitlines():
        fields, _, more = line.partition(" - ")
        place = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields.split(" ")[4]))
        if len(place.parts) >= best and path.is_relative_to(place):
            best, kind = len(place.parts), more.split(" ")[0]
    return kind
