"""Read and write IDX, the file format of MNIST: a big-endian header, then bytes.

Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as an unsigned 32-bit
number, the items. Source: LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np

from framework import DEFLATE_RATIO, InputError

_UNSIGNED_BYTE = 8
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 24
"""The number of bytes that are read at once."""


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes in ``path`` as a read-only uint8 array with ``dimensions`` axes.

    The file may be gzipped; this is detected from its first bytes, not from its name.

    Raises:
        InputError: the file cannot be read, is not IDX, or has fewer or more bytes than its header states.
    """
    start, header = bytes([0, 0, _UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    try:
        with _opened(path) as file:
            head = file.read(header)
            if head[:4] != start:
                found = head[:4].hex(" ") or "nothing"
                raise InputError(
                    f"{path} starts with {found}, but must start with {start.hex(' ')} to be this IDX file: wrong file?"
                )
            if len(head) < header:
                raise InputError(f"{path} is cut off within its header: fetch it again")
            shape = tuple(int(n) for n in np.frombuffer(head, ">u4", dimensions, offset=4))
            content = _exactly(file, shape, path)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}): fetch it again or check its permissions") from error
    return np.frombuffer(content, np.uint8).reshape(shape)


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    if path.exists() and not path.is_file():
        raise OSError("It is not a regular file")  # opening a pipe would wait for its other end
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path) if packed else path.open("rb")


def _exactly(file: gzip.GzipFile | BufferedReader, shape: tuple[int, ...], path: Path) -> bytes:
    """Return the rest of a file, which must have as many bytes as ``shape``, from its header, states.

    Memory is allocated as bytes are read, never in advance for the stated number. At most one byte beyond that number
    is read.

    Raises:
        InputError: the file has fewer or more bytes, or cannot contain that many.
    """
    claimed, parts, held = math.prod(shape), [], 0
    sides = " x ".join(map(str, shape))
    if claimed > path.stat().st_size * DEFLATE_RATIO:
        raise InputError(f"{path}: its header says {claimed} bytes ({sides}), more than it can hold: fetch it again")
    while held <= claimed and (part := file.read(min(_PIECE, claimed + 1 - held))):
        parts.append(part)
        held += len(part)
    if held != claimed:
        found = f"more than {claimed}" if held > claimed else str(held)
        raise InputError(f"{path} holds {found} bytes, its header says {claimed} ({sides}): fetch it again")
    return b"".join(parts)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 ``array`` to ``path``."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + np.ascontiguousarray(array, np.uint8).tobytes())
