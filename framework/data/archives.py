"""Reading of arrays from .npz files, with validation of the sizes that their headers claim."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from framework.system.files import open_regular
from framework.system.resources import memory_limit

UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError)
"""Exceptions that this module's functions raise for an archive that is damaged or does not fit into memory."""
DEFLATE_RATIO = 1032
"""Upper bound on the bytes that one compressed byte can expand to: https://zlib.net/zlib_tech.html."""


def read_array(path: Path, name: str) -> np.ndarray:
    """Return one array of an .npz file; sizes are compared with the file before memory is allocated.

    Args:
        path: the archive.
        name: the array's name, without ``.npy``.

    Raises:
        UNREADABLE: the archive is damaged, contains pickled objects, or claims more numbers than it has.
        KeyError: the archive has no array of this name.
    """
    with opened(path) as archive:
        member = _member(archive, f"{name}.npy")
        _check_member(member, path.stat().st_size)
        with archive.open(member) as file:
            _check_header(file, member.file_size)
        with archive.open(member) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file; errors as `read_array`."""
    with opened(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive inside a ``with`` block.

    Raises:
        UNREADABLE: it cannot be opened, or the block raised one of the many errors of NumPy and `zipfile` for
            damaged content.
        KeyError: as raised inside the block.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (*UNREADABLE, KeyError):
        raise
    except Exception as error:  # the readers of zip files, headers and dtypes may raise anything
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the only member of a name; raise `ValueError` if there are several."""
    if archive.namelist().count(name) > 1:
        raise ValueError(f"it has several members of the name {name}")
    return archive.getinfo(name)


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Raise `ValueError` for a directory entry whose sizes are impossible."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("its compression method is not that of numpy.savez_compressed")
    packed = member.compress_size
    most = packed if member.compress_type == zipfile.ZIP_STORED else packed * DEFLATE_RATIO
    if packed > size or member.file_size > most:
        raise ValueError(f"its directory claims {member.file_size:,} bytes, more than the file can hold")


def _check_header(file: IO[bytes], size: int) -> None:
    """Raise `ValueError` for a header that claims a different number of bytes than follow it."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its header has the unknown version {version[0]}.{version[1]}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it contains Python objects")
    claimed, present = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed != present:
        raise ValueError(f"its header claims {claimed:,} bytes of numbers; {present:,} follow it")
    limit = memory_limit()
    if limit is not None and claimed > limit:
        raise MemoryError(f"it has {claimed / 2**30:,.1f} GiB, but {limit / 2**30:,.1f} GiB are free")
