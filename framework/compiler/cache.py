"""Compiled loops on disk: plain machine code under the hash of all that it was made from, never a pickle.

The hash covers the loop's text, hence the rule's operations, constants, flags and dtype, and the compiler's version and
the processor: a rule that was edited has another name, so an old loop is never run for it. What is broken is compiled
anew; where the directory could be written by others, nothing is read or kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from pathlib import Path

from framework.system.files import write_whole

LOG = logging.getLogger("framework")

MOST = 1_000
"""Files that are kept, about 4 kB each; the oldest go first."""

DIGEST = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Return this user's directory: ``$XDG_CACHE_HOME/framework/kernels``, else below ``~/.cache``; None without."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(chosen) if chosen else Path.home() / ".cache"
    except RuntimeError as error:  # a user without an entry, as in some containers
        LOG.debug("no compiled loops are kept: %s", error)
        return None
    return cache / "framework" / "kernels"


def get(key: str) -> bytes | None:
    """Return the machine code that was kept under ``key``, or None where there is none, or none to be trusted."""
    if (place := folder()) is None:
        return None
    path = place / key
    try:
        if not _private(place):
            return None
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.debug("%s was not read: %s", path, error)
        return None
    code = content[DIGEST:]
    return code if content[:DIGEST] == _digest(key, code) else None


def put(key: str, code: bytes) -> None:
    """Keep machine code under ``key``. Processes may do so at once: a file appears whole or not at all."""
    if (place := folder()) is None:
        return
    path = place / key
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(place):
            LOG.debug("%s can be written by others: no compiled loops are kept there", place)
            return
        write_whole(path, _digest(key, code) + code)
        _prune(place)
    except OSError as error:  # a full disk or a read-only home costs a compilation the next time, no more
        LOG.debug("%s was not kept: %s", path, error)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _private(path: Path) -> bool:
    """Return whether only this user can put files there; systems without owners leave that to the home directory."""
    found = path.lstat()
    if not hasattr(os, "getuid"):
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _prune(path: Path) -> None:
    files = sorted(path.iterdir(), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - MOST)]:
        file.unlink(missing_ok=True)
