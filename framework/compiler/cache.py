"""Disk cache of compiled loops: plain machine code, never a pickle; the file name is a hash of the inputs.

The hash covers the loop's LLVM text (hence the rule's operations, constants, flags and dtype), the compiler's version
and the processor. An edited rule has a different hash, so its old loop is never used. A file begins with a hash of its
name and its code; damaged, cut and exchanged files are compiled again.

That hash is no signature: who can write a file can write its hash too. So nothing is read or written if another user
could: the directory and its files must belong to this user, and neither they nor a folder above them may be writable
by others. In a sticky folder such as ``/tmp``, others cannot replace what is ours.
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
"""Maximum number of files, about 4 kB each; the oldest are deleted first."""

DIGEST = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Return this user's cache directory, or None if the user has no home directory.

    It is ``$XDG_CACHE_HOME/framework/kernels``, or ``~/.cache/framework/kernels`` if the variable is not set.
    """
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(chosen) if chosen else Path.home() / ".cache"
    except RuntimeError as error:  # the user has no passwd entry, as in some containers
        LOG.debug("compiled loops are not cached: %s", error)
        return None
    return cache / "framework" / "kernels"


def get(key: str) -> bytes | None:
    """Return the machine code stored under ``key``, or None if it is missing, damaged or not trusted."""
    if (directory := folder()) is None:
        return None
    path = directory / key
    try:
        if not _private(directory):
            return None
        content = _own_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.debug("%s was not read: %s", path, error)
        return None
    code = content[DIGEST:]
    return code if content[:DIGEST] == _digest(key, code) else None


def put(key: str, code: bytes) -> None:
    """Store machine code under ``key``; do nothing if it cannot be stored.

    The file is written atomically, so that several processes may store the same key at once.
    """
    if (directory := folder()) is None:
        return
    path = directory / key
    try:
        for new in (directory.parent, directory):
            new.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(directory):
            LOG.debug("other users can write to %s: compiled loops are not cached there", directory)
            return
        write_whole(path, _digest(key, code) + code, mode=0o600)
        _prune(directory)
    except OSError as error:  # not fatal: the loop is compiled again next time
        LOG.debug("%s was not cached: %s", path, error)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _own_file(path: Path) -> bytes:
    """Return the content of a file that only this user can write to.

    Raises:
        OSError: it is a link, or no regular file, or other users can write to it.
    """
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not (stat.S_ISREG(status.st_mode) and _own(status)):
            raise PermissionError("other users can write to it")
        return file.read()


def _private(path: Path) -> bool:
    """Return whether ``path`` is a directory that only this user can write to or replace.

    Owner and mode are not checked on systems without user ids; there the home directory's protection must suffice.
    """
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or not _own(status):
        return False
    above = {*path.absolute().parents, *path.resolve().parents}  # a link on the way may be replaced, and its target too
    return all(_own(folder.stat(), above=True) for folder in above)


def _own(status: os.stat_result, *, above: bool = False) -> bool:
    """Return whether only this user can change what has this status; a folder ``above`` may be the system's."""
    if not hasattr(os, "getuid"):
        return True
    if above:
        shared = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        return status.st_uid in (0, os.getuid()) and not shared
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _prune(path: Path) -> None:
    files = sorted(path.iterdir(), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - MOST)]:
        file.unlink(missing_ok=True)
