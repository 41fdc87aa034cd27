"""NumPy's own inner loops: the functions that a ufunc calls for runs of evenly spaced numbers.

A compiled step that calls them has NumPy's bits by construction. Their addresses are in the struct ``PyUFuncObject`` of
NumPy's public C API (``numpy/ufuncobject.h``); its beginning is compared with what Python says before it is used.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from framework.compiler.ir import UnfusableError

CHARACTERS = "?bBhHiIlLqQfdgFDGOSUVMme"
"""Characters of dtypes in the order of NumPy's type numbers."""


class _Ufunc(ctypes.Structure):
    """The beginning of ``PyUFuncObject`` after the object's header."""

    _fields_ = (
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("types", ctypes.c_void_p),
    )


@functools.cache
def inner_loop(ufunc: np.ufunc, types: str) -> tuple[int, int]:
    """Return the addresses of the inner loop of ``ufunc`` for ``types`` and of the loop's data (0 for none).

    The loop has the signature ``void (char **args, intp *dimensions, intp *steps, void *data)``.

    Args:
        ufunc: one of NumPy's ufuncs.
        types: characters of the operands' dtypes, as in ``ufunc.types``: ``"ff->f"``.

    Raises:
        UnfusableError: there is no such loop, or the struct's layout is unknown.
    """
    if types not in ufunc.types:
        raise UnfusableError(f"NumPy has no loop {types} of {ufunc.__name__}")
    struct = _read(ufunc)
    place = ufunc.types.index(types)
    data = struct.data[place] if struct.data else 0
    return int(struct.functions[place] or 0), int(data or 0)


def _read(ufunc: np.ufunc) -> _Ufunc:
    """Return the struct of ``ufunc``, compared with the attributes that Python shows.

    Raises:
        UnfusableError: they differ, so that the layout is unknown.
    """
    unknown = UnfusableError("the layout of NumPy's ufuncs is unknown in this version of NumPy and Python")
    if ctypes.sizeof(ctypes.c_void_p) != 8 or np.ufunc.__basicsize__ < object.__basicsize__ + ctypes.sizeof(_Ufunc):
        raise unknown
    struct = _Ufunc.from_address(id(ufunc) + object.__basicsize__)
    shown = (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes)
    if (struct.nin, struct.nout, struct.nargs, struct.ntypes) != shown or struct.name != ufunc.__name__.encode():
        raise unknown
    codes = ctypes.string_at(struct.types, ufunc.ntypes * ufunc.nargs)
    if [CHARACTERS[code] for code in codes] != list("".join(ufunc.types).replace("->", "")):
        raise unknown
    return struct
