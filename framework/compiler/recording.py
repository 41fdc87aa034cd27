"""Recording of NumPy calls: a list of what layers and losses compute in one training step, made while NumPy computes.

The step's arrays are `Recorded` arrays, a subclass of ``ndarray``. NumPy computes with them as always, and each call
that writes numbers is appended to a list; views need no entry, since operands are recorded as they lie in memory. What
cannot be recorded, such as a decision that depends on a number, raises `UnfusableError`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from framework.compiler.ir import UnfusableError

FLOATS = "fd"
"""Characters of the dtypes that networks compute in."""

DEFAULTS = {"initial": np._NoValue, "where": True}
"""Arguments of a reduction that the methods of arrays pass on although they were not given."""

OWN = frozenset({"copy", "cast", "fill", "mask", "rows", "where", "take", "put"})
"""Operations that are no ufuncs, which the replay implements itself."""


@dataclass(frozen=True)
class Call:
    """One recorded call.

    Attributes:
        op: one of `OWN`, or the name of the ufunc.
        ufunc: the ufunc, or None for one of `OWN`.
        types: the characters of the operands' dtypes, as in ``"ff->f"``.
        operands: views of the operands, the written one last. For ``matmul`` with its own axes, for ``take`` and
            ``put`` the flat source or target, the indices and the numbers; otherwise broadcast to one shape.
        roots: the operands' allocations.
    """

    op: str
    ufunc: np.ufunc | None
    types: str
    operands: tuple[np.ndarray, ...]
    roots: tuple[Root, ...]


@dataclass
class Root:
    """An allocation that operands are views of.

    Attributes:
        array: the array that owns it.
        start: its first address.
        stop: the address after its last byte.
        outer: whether it is used outside the step too, such as parameters and gradients.
        bound: whether each step has its own, such as the indices of its batch.
        whole: whether every run may read all of it, such as the samples.
        writers: the operations that write to it.
    """

    array: np.ndarray
    start: int
    stop: int
    outer: bool = False
    bound: bool = False
    whole: bool = False
    writers: list[str] = field(default_factory=list)

    @property
    def constant(self) -> bool:
        """Whether each step finds the same numbers in it."""
        return not self.outer and not self.bound and all(op == "fill" for op in self.writers)


REFUSED = (
    *("__bool__", "__complex__", "__contains__", "__float__", "__index__", "__int__", "argmax", "argmin", "argsort"),
    *("argpartition", "byteswap", "choose", "compress", "conj", "conjugate", "cumprod", "cumsum", "dot", "flatten"),
    *("item", "nonzero", "partition", "put", "ravel", "repeat", "resize", "round", "searchsorted", "sort", "take"),
    *("data", "flat", "tobytes", "tofile", "tolist", "trace", "view"),
)
"""Methods and attributes that read or write numbers in a way that is not recorded, or return them outside arrays."""


class Recorded(np.ndarray):
    """An array whose calls are recorded."""

    recorder: Recorder

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Recorded):
            self.recorder = source.recorder

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.recorder.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](self.recorder, *args, **kwargs)
        if function in TRANSPARENT:
            return super().__array_function__(function, types, args, kwargs)
        raise UnfusableError(f"it uses numpy.{function.__name__}")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray):
            return self.recorder.take(self, key)
        return self._view(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, np.ndarray):
            self.recorder.put(self, key, value)
        else:
            self.recorder.copy(self._view(key), value)

    def _view(self, key: Any) -> Any:
        """Return the view at ``key``; refuse a scalar, which would be a constant in the replay, and a copy."""
        found = super().__getitem__(key)
        if not isinstance(found, np.ndarray):
            raise UnfusableError("it takes single numbers out of an array")
        if found.size and not np.may_share_memory(_plain(found), _plain(self)):
            raise UnfusableError("it indexes with a list, or with arrays other than a flat array's whole numbers")
        return found

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Return a view in another shape, or a recorded copy if there is no such view."""
        if kwargs.get("order", "C") != "C":
            raise UnfusableError(f"it reshapes in the order {kwargs['order']}")
        view = super().reshape(*shape)
        if self.size and not np.may_share_memory(_plain(view), _plain(self)):
            return self.copy().reshape(*shape)
        return view

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: Any = True, copy: Any = True) -> Any:
        """Return a copy in another dtype, or the array itself."""
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        return self.recorder.new(self, np.dtype(dtype))

    def copy(self, order: Any = "C") -> Any:
        """Return a copy."""
        return self.recorder.new(self, self.dtype)

    def fill(self, value: Any) -> None:
        """Fill the array with a constant."""
        self.recorder.fill(self, value)

    def _refuse(self, *_args: Any, **_kwargs: Any) -> Any:
        raise UnfusableError("it uses a number of the step as a Python number, or a method that is not recorded")


for _name in REFUSED:
    setattr(Recorded, _name, property(Recorded._refuse, Recorded._refuse))


class Recorder:
    """Records the calls of one step.

    Attributes:
        calls: the recorded calls in their order.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._starts: list[int] = []
        self._roots: list[Root] = []

    def forget(self) -> None:
        """Drop all calls and arrays; to be called at the end.

        The arrays' memory would never be freed otherwise: they refer to each other in cycles, and Python's garbage
        collector does not look into arrays.
        """
        for kept in (self.calls, self._starts, self._roots):
            kept.clear()

    def outer(self, array: np.ndarray) -> Recorded:
        """Return a recorded view of an array that the step shares with its surroundings."""
        self.root(array).outer = True
        return self.watch(array)

    def bound(self, array: np.ndarray) -> Recorded:
        """Return a recorded view of an array, which owns its memory, of which each step has its own."""
        self._bind(array)
        return self.watch(array)

    def _bind(self, array: np.ndarray) -> None:
        if array.base is not None:
            raise ValueError("a bound array must own its memory")
        self.root(array).bound = True

    def rows(self, source: np.ndarray, index: np.ndarray) -> Recorded:
        """Return ``source[index]`` for indices ``(R or 1, B)`` along the first axis of samples, and record it."""
        self._bind(source)
        self._bind(index)
        self.root(source).whole = True
        made = source[index]
        self._add("rows", None, made.dtype.char, source, index, made)
        return self.watch(made)

    def watch(self, array: np.ndarray) -> Recorded:
        """Return a recorded view of ``array``."""
        view = array.view(Recorded)
        view.recorder = self
        return view

    def empty(self, shape: Any, dtype: Any) -> Recorded:
        """Return a new recorded array with undefined contents."""
        return self.watch(np.empty(shape, dtype))

    def root(self, array: np.ndarray) -> Root:
        """Return the allocation that ``array`` is a view of."""
        low, high = byte_bounds(array)
        place = bisect_right(self._starts, low) - 1
        if place >= 0 and high <= self._roots[place].stop:
            return self._roots[place]
        owner = _owner(array)
        start, stop = byte_bounds(owner)
        if not start <= low <= high <= stop:
            raise UnfusableError("it uses an array whose memory is not known")
        root = Root(owner, start, stop)
        place = bisect_right(self._starts, start)
        self._starts.insert(place, start)
        self._roots.insert(place, root)
        return root

    def follows(self, array: np.ndarray) -> bool:
        """Return whether recorded calls write the numbers of ``array``, or each step is given its own."""
        if isinstance(array, Recorded):
            return True
        low, high = byte_bounds(array)
        place = bisect_right(self._starts, low) - 1
        return place >= 0 and high <= self._roots[place].stop and not self._roots[place].constant

    def ufunc(self, ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call ``ufunc`` and record it; return its result."""
        outs = kwargs.get("out")
        out = None if outs is None else _plain(outs[0])
        given = {name: value for name, value in kwargs.items() if name not in ("out", "subok", "casting")}
        if method == "reduce":
            return self._reduce(ufunc, _plain(inputs[0]), out, **given)
        if ufunc is np.multiply and self._masked(inputs, kwargs):
            return self._mask(_plain(inputs[0]), _plain(inputs[1]), out)
        typed, where = given.pop("dtype", None), given.pop("where", True)
        if method != "__call__" or given or ufunc.nout != 1 or (ufunc.signature and ufunc is not np.matmul):
            raise UnfusableError(f"it uses numpy.{ufunc.__name__} in a form that is not recorded")
        if where is not True and out is None:
            raise UnfusableError("it leaves numbers undefined")
        plain = [_plain(each) if isinstance(each, np.ndarray) else each for each in inputs]
        operands, made = self._operands(ufunc, plain, typed)  # before the call, which may change them
        kwargs = {**kwargs, "out": out, "where": _plain(where)} if ufunc is not np.matmul else {**kwargs, "out": out}
        result = ufunc(*plain, **kwargs)
        if not isinstance(result, np.ndarray):
            raise UnfusableError("it computes single numbers instead of arrays")
        for operand in operands:
            if np.may_share_memory(operand, result) and not _same(operand, result):
                raise UnfusableError("it writes to an array that overlaps an operand")
        self._loop(ufunc, operands, made, result, where)
        return self.watch(result)

    def _masked(self, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Return whether a product is that of floats and booleans that change from step to step."""
        numbers, truths = inputs
        return (
            set(kwargs) <= {"out"}
            and isinstance(numbers, np.ndarray)
            and isinstance(truths, np.ndarray)
            and (numbers.dtype.char in FLOATS, truths.dtype == bool) == (True, True)
            and not self.root(truths).constant
        )

    def _mask(self, numbers: np.ndarray, truths: np.ndarray, out: np.ndarray | None) -> Recorded:
        """Return floats times booleans, and record it as one call: NumPy would convert the booleans first."""
        overlapping = out is not None and np.may_share_memory(numbers, out) and not _same(numbers, out)
        if overlapping or (out is not None and out.dtype != numbers.dtype):
            raise UnfusableError("it writes a product of booleans to an array that does not fit")
        result = np.multiply(numbers, truths, out=out)
        self._add("mask", None, f"{numbers.dtype.char}?->{numbers.dtype.char}", numbers, truths, result)
        return self.watch(result)

    def _operands(self, ufunc: np.ufunc, inputs: Sequence[Any], typed: Any) -> tuple[list[np.ndarray], np.dtype]:
        """Return the inputs in the dtypes of the loop that NumPy chooses for them, and the dtype of its result."""
        kinds = tuple(each.dtype if isinstance(each, np.ndarray | np.generic) else type(each) for each in inputs)
        chosen: dict[str, Any] = {} if typed is None else {"signature": (*[None] * ufunc.nin, np.dtype(typed))}
        *wanted, made = ufunc.resolve_dtypes((*kinds, None), **chosen)
        return [self._cast(each, dtype) for each, dtype in zip(inputs, wanted, strict=True)], made

    def _loop(
        self, ufunc: np.ufunc, operands: Sequence[np.ndarray], made: np.dtype, result: np.ndarray, where: Any
    ) -> None:
        """Record a call of a loop whose result has the dtype ``made``, its conversion and its selection."""
        types = "".join(operand.dtype.char for operand in operands) + "->" + made.char
        target = result if made == result.dtype and where is True else np.empty(result.shape, made)
        self._add(ufunc.__name__, ufunc, types, *operands, target)
        if made != result.dtype:
            converted = result if where is True else np.empty(result.shape, result.dtype)
            self._copied(converted, target)
            target = converted
        if where is not True:
            char = result.dtype.char
            self._add("where", None, f"?{char * 2}->{char}", _plain(where), target, result, result)

    def _add(self, op: str, ufunc: np.ufunc | None, types: str, *operands: np.ndarray) -> None:
        roots = tuple(map(self.root, operands))  # they keep the memory from being used for other arrays
        roots[-1].writers.append(op)
        if op not in ("matmul", "rows", "take", "put"):
            shape = np.broadcast_shapes(*(operand.shape for operand in operands))
            # broadcast_to would give the stride 0 to an axis of one number that has a stride
            operands = tuple(each if each.shape == shape else np.broadcast_to(each, shape) for each in operands)
        self.calls.append(Call(op, ufunc, types, operands, roots))

    def _cast(self, value: Any, dtype: np.dtype) -> np.ndarray:
        """Return ``value`` as an array of ``dtype``; a conversion of numbers that change is recorded."""
        if not isinstance(value, np.ndarray) or self.root(value).constant:
            return np.array(value, dtype)
        if value.dtype == dtype:
            return value
        made = np.empty(value.shape, dtype)
        self.copy(made, value)
        return made

    def _reduce(
        self, ufunc: np.ufunc, x: np.ndarray, out: np.ndarray | None, axis: Any = 0, dtype: Any = None, **kwargs: Any
    ) -> Any:
        """Call ``ufunc.reduce`` over one axis and record it: a start value, and a loop that adds to it."""
        keepdims = kwargs.pop("keepdims", False)
        kwargs = {name: value for name, value in kwargs.items() if value is not DEFAULTS.get(name, kwargs)}
        if isinstance(axis, tuple) and len(axis) == 1:
            axis = axis[0]
        if not isinstance(axis, int) or dtype is not None or kwargs or ufunc.nin != 2 or x.dtype.char not in FLOATS:
            raise UnfusableError(f"it uses numpy.{ufunc.__name__}.reduce in a form that is not recorded")
        steps = [stride for stride, length in zip(x.strides, x.shape, strict=True) if length > 1]
        if min(x.shape) == 0 or steps != sorted(steps, reverse=True):
            raise UnfusableError("it reduces a transposed array")
        result = ufunc.reduce(x, axis=axis, keepdims=keepdims, out=out)
        if not isinstance(result, np.ndarray) or result.dtype != x.dtype or np.may_share_memory(x, result):
            raise UnfusableError("it reduces to single numbers or in place")
        total = result if keepdims else np.expand_dims(result, axis)
        if ufunc.identity is None:
            first, x = np.split(x, [1], axis=axis)
            self._copied(total, first)
        else:
            self._copied(total, np.asarray(ufunc.identity, x.dtype))
        if x.size:
            types = f"{x.dtype.char * 2}->{x.dtype.char}"
            self._add(ufunc.__name__, ufunc, types, np.broadcast_to(total, x.shape), x, np.broadcast_to(total, x.shape))
        return self.watch(result)

    def _copied(self, target: np.ndarray, value: np.ndarray) -> None:
        """Record a copy that NumPy has made already."""
        op = "copy" if value.dtype == target.dtype else "cast"
        self._add(op, None, f"{value.dtype.char}->{target.dtype.char}", value, target)

    def copy(self, target: np.ndarray, value: Any) -> None:
        """Copy ``value`` into ``target``, and record it."""
        target, value = _plain(target), _plain(np.asanyarray(value))
        if _same(target, value):  # Python's x[key] += y assigns the view that it has changed
            return
        if self.root(value).constant:
            value = value.astype(target.dtype)
        elif np.may_share_memory(target, value):
            raise UnfusableError("it copies between arrays that overlap")
        target[...] = value
        self._copied(target, value)

    def new(self, value: np.ndarray, dtype: np.dtype) -> Recorded:
        """Return a recorded copy of ``value`` in ``dtype``."""
        made = np.empty(value.shape, dtype)
        self.copy(made, value)
        return self.watch(made)

    def fill(self, target: np.ndarray, value: Any) -> None:
        """Fill ``target`` with a constant; it stays constant if nothing else writes to it."""
        target = _plain(target)
        target.fill(value)
        root, number = self.root(target), np.array(value, target.dtype)
        root.writers.append("fill")
        operands = np.broadcast_to(number, target.shape), target
        self.calls.append(Call("fill", None, target.dtype.char, operands, (self.root(number), root)))

    def take(self, source: np.ndarray, index: np.ndarray) -> Recorded:
        """Return ``source[index]`` for a flat source, and record it."""
        source, index = self._flat(source, index)
        made = source[index]
        self._add("take", None, made.dtype.char, source, index, made)
        return self.watch(made)

    def put(self, target: np.ndarray, index: np.ndarray, value: Any) -> None:
        """Set ``target[index] = value`` for a flat target, and record it."""
        target, index = self._flat(target, index)
        value = np.broadcast_to(self._cast(_plain(value), target.dtype), index.shape)
        target[index] = value
        self._add("put", None, target.dtype.char, value, index, target)

    def _flat(self, array: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        array, index = _plain(array), _plain(index)
        if array.ndim != 1 or not array.flags.c_contiguous or index.dtype != np.intp:
            raise UnfusableError("it indexes with a list, or with arrays other than a flat array's whole numbers")
        return array, index

    def where(self, condition: Any, x: Any, y: Any) -> Recorded:
        """Return ``np.where(condition, x, y)``, and record it."""
        plain = [_plain(each) if isinstance(each, np.ndarray) else each for each in (condition, x, y)]
        made = np.where(*plain)
        if made.dtype.char not in FLOATS or np.asarray(plain[0]).dtype != bool:
            raise UnfusableError("it uses numpy.where of other numbers than floats")
        kinds = (np.dtype(bool), made.dtype, made.dtype)
        operands = [self._cast(each, dtype) for each, dtype in zip(plain, kinds, strict=True)]
        self._add("where", None, f"?{made.dtype.char * 2}->{made.dtype.char}", *operands, made)
        return self.watch(made)

    def tile(self, array: np.ndarray, times: int) -> Recorded:
        """Return ``np.tile(array, times)``, and record it."""
        plain = _plain(array)
        made = np.empty((*plain.shape[:-1], times, plain.shape[-1]), plain.dtype)
        self.copy(made, plain[..., None, :])
        return self.watch(made.reshape(*plain.shape[:-1], -1))

    def stack(self, arrays: Sequence[np.ndarray], axis: int = 0) -> Recorded:
        """Return ``np.stack(arrays, axis)`` of arrays of one dtype, and record it."""
        made = np.stack([_plain(array) for array in arrays], axis)
        for place, array in enumerate(arrays):
            self.copy(np.moveaxis(made, axis, 0)[place], array)
        return self.watch(made)

    def like(self, array: np.ndarray, value: Any = None, dtype: Any = None, shape: Any = None) -> Recorded:
        """Return a recorded array like ``array``, filled with ``value`` if it is not None."""
        made = self.empty(array.shape if shape is None else shape, array.dtype if dtype is None else dtype)
        if value is not None:
            made.fill(value)
        return made


def _plain(array: Any) -> np.ndarray:
    return np.asarray(array).view(np.ndarray)


def _owner(array: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of ``array``."""
    base = array.base
    while base is not None and not isinstance(base, np.ndarray):
        base = getattr(base, "base", None)
    return array if base is None else _owner(base)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.__array_interface__["data"] == b.__array_interface__["data"] and (a.shape, a.strides) == (
        b.shape,
        b.strides,
    )


FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    np.broadcast_to: lambda recorder, array, shape: recorder.watch(np.broadcast_to(_plain(array), shape)),
    np.stack: Recorder.stack,
    np.where: Recorder.where,
    np.copyto: Recorder.copy,
    np.tile: Recorder.tile,
    np.copy: lambda recorder, array: recorder.new(array, array.dtype),
    np.empty_like: Recorder.like,
    np.zeros_like: lambda recorder, array, **given: recorder.like(array, 0, **given),
    np.ones_like: lambda recorder, array, **given: recorder.like(array, 1, **given),
}
"""Functions that write numbers and are recorded."""

TRANSPARENT = frozenset(
    {np.expand_dims, np.moveaxis, np.reshape, np.squeeze, np.swapaxes, np.transpose}
    | {np.clip, np.sum, np.mean, np.max, np.min, np.amax, np.amin}
)
"""Functions that return views, or call ufuncs, which are recorded."""
