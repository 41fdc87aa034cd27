"""Reads and writes IDX, the file format of MNIST: a big-endian header, then bytes.

Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as an unsigned 32-bit
number, the items. LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from framework.errors import InputError

_UNSIGNED_BYTE = 8
_GZIP = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes in ``path`` as a read-only uint8 array with so many ``dimensions``.

    Whether the file is gzipped is read from its first bytes, not from its name.

    Raises:
        InputError: the file cannot be read, is not IDX, or has fewer or more bytes than its header says.
    """
    content = _content(path)
    wanted = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if content[:4] != wanted:
        found = content[:4].hex(" ") or "nothing"
        raise InputError(f"{path} starts with {found}, an IDX file of these starts with {wanted.hex(' ')}: wrong file?")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise InputError(f"{path} is cut off within its header: fetch it again")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - header != math.prod(shape):
        raise InputError(
            f"{path} holds {len(content) - header} bytes, its header says {math.prod(shape)} "
            f"({' x '.join(map(str, shape))}): fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 ``array`` to ``path``."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + np.ascontiguousarray(array, np.uint8).tobytes())


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}): fetch it again or check its permissions") from error
