"""Reads arrays from .npz files without trusting what their headers claim."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError)
"""What a damaged archive, or one that memory cannot hold, makes the functions of this module raise."""
DEFLATE_RATIO = 1032
"""Deflate expands no byte to more than so many: https://zlib.net/zlib_tech.html."""


def read_array(path: Path, name: str) -> np.ndarray:
    """Return one array of an .npz file; sizes are compared with the file before memory is taken.

    Args:
        path: the archive.
        name: the array's name, without ``.npy``.

    Raises:
        UNREADABLE: the archive is damaged, holds pickled objects, or claims more numbers than it has.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        _check_member(member, path.stat().st_size)
        with archive.open(member) as file:
            _check_header(file, member.file_size)
        with archive.open(member) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file; errors as `read_array`."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Refuse a directory entry whose sizes cannot be true."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is compressed by another method than numpy.savez_compressed uses")
    packed = member.compress_size
    most = packed if member.compress_type == zipfile.ZIP_STORED else packed * DEFLATE_RATIO
    if packed > size or member.file_size > most:
        raise ValueError(f"its directory claims {member.file_size:,} bytes, more than the file can hold")


def _check_header(file: IO[bytes], size: int) -> None:
    """Refuse a header that claims another number of bytes than follow it."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its header is of the unknown version {version[0]}.{version[1]}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    claimed, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed != held:
        raise ValueError(f"its header claims {claimed:,} bytes of numbers; {held:,} follow it")
