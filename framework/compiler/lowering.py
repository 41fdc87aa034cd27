"""Lowering of recorded calls to items of a replay's table: addresses of loops, their dimensions and operands' places.

Each run goes through the whole step before the next one, so that its numbers stay in the processor's cache. Calls
without a runs axis come first; if a later one writes to memory that a run has read before, all of them are made again
for each run, in the recorded order. If the calls depend on each other across runs, or cannot be divided by run, every
call is made for all runs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.array_utils import byte_bounds

from framework.compiler.ir import UnfusableError
from framework.compiler.kernels import FLOATS, KINDS, OPERATIONS, ROW_STEPS, Kernel, joined, own
from framework.compiler.loops import inner_loop
from framework.compiler.recording import Call, Recorder, Root
from framework.compiler.reductions import Reduction, reduction
from framework.compiler.replay_code import LEVELS

WIDENED = 65_536
"""Largest number of elements to which a constant operand is repeated, so that NumPy's loop runs over all of them."""

EXACT = frozenset({np.add, np.subtract, np.multiply, np.divide, np.greater, np.greater_equal, np.less, np.less_equal})
"""Ufuncs whose loops have the same bits for a constant that is read again and again as for a repeated one."""


class UndividedError(UnfusableError):
    """The calls cannot be divided by run."""


@dataclass
class Place:
    """The memory of one operand, per run and step.

    Attributes:
        root: the allocation that it was recorded in.
        offset: bytes from the start of the allocation, for the first run.
        low: the first byte that the first run uses.
        high: the byte after the last one that the first run uses.
        by_run: bytes from one run to the next; 0 if all runs share it.
    """

    root: Root
    offset: int
    low: int
    high: int
    by_run: int

    def owned(self, runs: int) -> bool:
        """Return whether each run has its own part of the allocation, one after the other."""
        part = self.by_run
        return runs == 1 or (part * runs == self.root.stop - self.root.start and self.low >= 0 and self.high <= part)


@dataclass
class Item:
    """A call that is ready for the table: an address, loops around it, and its operands' places.

    Attributes:
        function: address of the inner loop, or the kernel or name of a loop of the module.
        data: its last argument.
        dims: its dimensions.
        steps: its steps.
        loops: the loops around it: a count and bytes per operand.
        places: its operands.
        target: the place that it writes to.
        divided: whether the call is made once per run.
        limit: for ``take`` and ``put`` the increment of the first valid index per run.
    """

    function: int | str | Kernel | Reduction
    data: int
    dims: Sequence[int]
    steps: Sequence[int]
    loops: Sequence[tuple[int, Sequence[int]]]
    places: list[Place]
    target: int
    divided: bool
    limit: int = 0


class Lowering:
    """Turns recorded calls into items of the table.

    Args:
        recorder: the recorded calls.
        runs: R.
        flag: the address that is set to 1 if an index does not exist.
        divided: whether each run goes through the whole step before the next one.
    """

    def __init__(self, recorder: Recorder, runs: int, flag: int, *, divided: bool) -> None:
        self._recorder = recorder
        self._runs = runs
        self._flag = flag
        self._divided = divided

    def items(self) -> list[Item]:
        """Return the items of all recorded calls.

        Raises:
            UndividedError: the calls cannot be divided by run.
            UnfusableError: a call has no form in the table.
        """
        calls = [call for call in self._recorder.calls if call.operands[-1].size and not self._idle(call)]
        last = {id(root): at for at, call in enumerate(calls) for root in call.roots}
        items: list[Item] = []
        at = 0
        while at < len(calls):
            needless = at + 1 < len(calls) and last[id(calls[at].roots[-1])] == at + 1
            pair = self._joined(calls[at], calls[at + 1]) if needless else None
            items += self._of(calls[at]) if pair is None else [pair]
            at += 1 if pair is None else 2
        return items

    def _joined(self, first: Call, second: Call) -> Item | None:
        """Return an item for two elementwise calls, or None if they do not allow that.

        Only the second one uses the result of the first one, which is not stored then.
        """
        if not OPERATIONS.keys() >= {first.op, second.op}:
            return None
        (*inputs, made), (*others, target) = first.operands, second.operands
        places = [at for at, other in enumerate(others) if _same(other, made)]
        root = first.roots[-1]
        if len(inputs) != 2 or len(others) != 2 or len(places) != 1 or root.outer or root.bound:
            return None
        if any(step == 0 and length > 1 for step, length in zip(made.strides, made.shape, strict=True)):
            return None  # a reduction
        at = 1 - places[0]
        other, roots = others[at], [*first.roots[:-1], second.roots[at], second.roots[-1]]
        if any(each is root for each in roots[2:]):
            return None
        if any(np.may_share_memory(each, target) and not _same(each, target) for each in inputs):
            return None
        operands = [*inputs, other, target]
        divided, parts, positions = self._parts(operands, roots, target.shape)
        counts, strides = _nest(parts[0].shape, [part.strides for part in parts])
        if len(counts) > 1 + LEVELS:
            return None
        layout = _layout(operands, counts, strides)
        kernel = joined(first.op, first.types, second.op, second.types, places[0], layout)
        return None if kernel is None else _rows_item(kernel, counts, strides, positions, divided=divided)

    def _idle(self, call: Call) -> bool:
        """Return whether the call writes the same numbers at each step."""
        return call.op == "fill" and call.roots[-1].constant

    def _of(self, call: Call) -> list[Item]:
        """Return the items of a call: several, one after the other, if it needs more loops than the table has."""
        if call.op in ("take", "put"):
            return [self._indexed(call)]
        if call.op == "rows":
            return [self._rows(call)]
        if call.op == "matmul":
            return [self._product(call)]
        divided, parts, _ = self._parts(call.operands, call.roots, call.operands[0].shape)
        counts, _ = _nest(parts[0].shape, [part.strides for part in parts])
        if len(counts) <= 1 + LEVELS:
            return [self._elementwise(call)]
        shape = list(call.operands[0].shape)
        first = int(divided)
        axis = min((axis for axis in range(first, len(shape) - 1) if shape[axis] > 1), key=shape.__getitem__)
        pieces = [np.split(operand, shape[axis], axis=axis) for operand in call.operands]
        return [item for part in zip(*pieces, strict=True) for item in self._of(replace(call, operands=part))]

    def _elementwise(self, call: Call) -> Item:
        divided, parts, places = self._parts(call.operands, call.roots, call.operands[0].shape)
        if call.ufunc in EXACT:
            parts, places = self._widened(parts, places)
        counts, strides = _nest(parts[0].shape, [part.strides for part in parts])
        kernel = _kernel(call, counts, strides)
        around = list(zip(counts, strides, strict=True))
        if kernel is None and call.ufunc is not None:
            function, data = inner_loop(call.ufunc, call.types)
            return Item(function, data, counts[:1], strides[0], around[1:], places, len(places) - 1, divided)
        if kernel is None:
            raise UnfusableError(f"it uses {call.op}")
        return _rows_item(kernel, counts, strides, places, divided=divided)

    def _parts(
        self, operands: Sequence[np.ndarray], roots: Sequence[Root], shape: Sequence[int]
    ) -> tuple[bool, list[np.ndarray], list[Place]]:
        """Return whether a call is divided by run, its operands for the first run, and their places.

        Args:
            operands: the operands, each with the axes of ``shape`` first.
            roots: their allocations.
            shape: the axes that the call loops over.
        """
        if not self._divided or self._runs == 1:
            return self._divided, list(operands), [_place(*each, 0) for each in zip(operands, roots, strict=True)]
        if not shape or shape[0] not in (1, self._runs):
            raise UndividedError("it has arrays without a runs axis")
        if shape[0] == 1:
            return False, list(operands), [_place(*each, 0) for each in zip(operands, roots, strict=True)]
        parts = [operand[0, ...] for operand in operands]
        by_run = [operand.strides[0] for operand in operands]
        return True, parts, [_place(*each) for each in zip(parts, roots, by_run, strict=True)]

    def _widened(self, parts: list[np.ndarray], places: list[Place]) -> tuple[list[np.ndarray], list[Place]]:
        """Replace constants that the loop would read again and again by arrays of the loop's shape."""
        for at, (part, place) in enumerate(zip(parts, places, strict=True)):
            if place.root.constant and not place.by_run and part.size <= WIDENED and not part.flags.c_contiguous:
                parts[at] = np.ascontiguousarray(part)
                places[at] = _place(parts[at], self._recorder.root(parts[at]), 0)
        return parts, places

    def _indexed(self, call: Call) -> Item:
        flat, index, numbers = call.operands if call.op == "take" else call.operands[::-1]
        roots = call.roots if call.op == "take" else call.roots[::-1]
        divided, parts, places = self._parts([index, numbers], roots[1:], index.shape)
        if (index < 0).any():
            raise UnfusableError("it uses indices from the end")
        limit = flat.size
        if divided:
            limit //= self._runs
            first = np.arange(self._runs).reshape(-1, *[1] * (index.ndim - 1)) * limit
            if limit * self._runs != flat.size or (index < first).any() or (index >= first + limit).any():
                raise UndividedError("it selects numbers of other runs")
        (count, *loops), strides = _nest(parts[0].shape, [part.strides for part in parts])
        part = flat[:limit]
        place = _place(part, roots[0], part.nbytes if divided else 0)
        if flat.dtype.char not in FLOATS:
            raise UnfusableError(f"it selects numbers of dtype {flat.dtype}")
        return Item(
            f"{call.op}_{flat.dtype.char}",
            self._flag,
            [count, limit, flat.itemsize],
            [0, *strides[0]],
            [(n, [0, *steps]) for n, steps in zip(loops, strides[1:], strict=True)],
            [place, *places],
            target=2 if call.op == "take" else 0,
            divided=divided,
            limit=limit if divided else 0,
        )

    def _rows(self, call: Call) -> Item:
        source, index, made = call.operands
        size = made[0, 0].nbytes
        starts = made.view(np.uint8).reshape(*index.shape, size)[:, :, 0]
        divided, parts, places = self._parts([index, starts], call.roots[1:], index.shape)
        places[1].high += size - 1
        (count, *loops), strides = _nest(parts[0].shape, [part.strides for part in parts])
        around = [(n, [0, *steps]) for n, steps in zip(loops, strides[1:], strict=True)]
        places = [_place(source, call.roots[0], 0), *places]
        return Item("rows", self._flag, [count, len(source), size], [0, *strides[0]], around, places, 2, divided)

    def _product(self, call: Call) -> Item:
        if any(each.ndim < 2 for each in call.operands):
            raise UnfusableError("it multiplies vectors")
        batch = call.operands[2].shape[:-2]
        operands = [np.broadcast_to(each, (*batch, *each.shape[-2:])) for each in call.operands]
        divided, parts, places = self._parts(operands, call.roots, batch)
        (count, *loops), strides = _nest(parts[2].shape[:-2], [part.strides[:-2] for part in parts])
        rows, inner = parts[0].shape[-2:]
        function, data = inner_loop(np.matmul, call.types)
        core = [stride for each in parts for stride in each.strides[-2:]]
        return Item(
            function,
            data,
            [count, rows, inner, parts[2].shape[-1]],
            [*strides[0], *core],
            list(zip(loops, strides[1:], strict=True)),
            places,
            target=2,
            divided=divided,
        )


def _place(part: np.ndarray, root: Root, by_run: int) -> Place:
    offset = address(part) - root.start
    if part.flags.c_contiguous:
        return Place(root, offset, offset, offset + part.nbytes, by_run)
    low, high = (at - root.start for at in byte_bounds(part))
    return Place(root, offset, low, high, by_run)


def _rows_item(
    kernel: Kernel | Reduction,
    counts: Sequence[int],
    strides: Sequence[Sequence[int]],
    places: list[Place],
    *,
    divided: bool,
) -> Item:
    """Return the item of a kernel, which loops over rows of elements."""
    around = list(zip(counts, strides, strict=True))
    rows, by_row = around[1] if len(around) > 1 else (1, [0] * len(places))
    steps = [*strides[0], *[0] * (ROW_STEPS - len(places)), *by_row]
    return Item(kernel, 0, [counts[0], rows], steps, around[2:], places, len(places) - 1, divided)


def _layout(operands: Sequence[np.ndarray], counts: Sequence[int], strides: Sequence[Sequence[int]]) -> str:
    """Return the layout of a kernel's operands."""
    return "".join(
        "c" if counts[0] == 1 or step == operand.itemsize else "s" if step == 0 else "v"
        for step, operand in zip(strides[0], operands, strict=True)
    )


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are the same view."""
    return (address(a), a.shape, a.strides, a.dtype) == (address(b), b.shape, b.strides, b.dtype)


def _kernel(call: Call, counts: Sequence[int], strides: Sequence[Sequence[int]]) -> Kernel | Reduction | None:
    """Return the kernel of a call, or None if NumPy's loop is to be called: always for a single row of a ufunc.

    Raises:
        UnfusableError: neither exists.
    """
    layout = _layout(call.operands, counts, strides)
    if call.ufunc is not None and len(counts) == 1:
        return None
    if call.ufunc is not None and layout == "scs" and address(call.operands[0]) == address(call.operands[2]):
        return reduction(call.ufunc, call.types[0], counts[0])
    if call.ufunc is not None:
        return own(call.op, call.types, layout)
    if call.op in ("copy", "fill"):
        return Kernel("copy", str(call.operands[-1].itemsize), layout)
    if call.op == "cast" and (call.types[-1] not in FLOATS or call.types[0] not in KINDS):
        raise UnfusableError(f"it converts {np.dtype(call.types[0])} to {np.dtype(call.types[-1])}")
    return Kernel(call.op, call.types, layout)


def address(array: np.ndarray) -> int:
    """Return the address of an array's first number."""
    return int(array.__array_interface__["data"][0])


def _nest(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Return counts and strides of the loops over ``shape``, the innermost first, with as few loops as possible.

    A single number keeps its stride: NumPy's power squares a number if the exponent 2 has the stride 0.
    """
    counts: list[int] = []
    steps: list[list[int]] = []
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            continue
        here = [each[axis] for each in strides]
        if counts and all(outer == counts[-1] * inner for outer, inner in zip(here, steps[-1], strict=True)):
            counts[-1] *= shape[axis]
        else:
            counts.append(shape[axis])
            steps.append(here)
    return (counts, steps) if counts else ([1], [[each[-1] if each else 0 for each in strides]])


def _check_divided(items: Sequence[Item], runs: int) -> None:
    """Raise `UndividedError` if a run's calls, or calls without a runs axis, need numbers that another run writes."""
    written = {id(item.places[item.target].root) for item in items if item.divided}
    for item in items:
        for at, place in enumerate(item.places):
            key, writes = id(place.root), at == item.target
            if _surrounds(place.root, runs) and not place.owned(runs):
                raise UndividedError("a run's numbers depend on another run's")
            if item.divided and not place.root.constant and not place.owned(runs) and (writes or key in written):
                raise UndividedError("a run's numbers depend on another run's")
            if not item.divided and key in written:
                raise UndividedError("numbers that all runs share depend on a run's")


def _ordered(items: Sequence[Item]) -> list[Item]:
    """Return the items; those without a runs axis are made once per run if they cannot all come first.

    They find and write the same numbers each time: arrays that outlast the step have a runs axis.
    """
    read: set[int] = set()
    for item in items:
        if item.divided:
            read |= {id(place.root) for place in item.places}
        elif id(item.places[item.target].root) in read:
            return [replace(each, divided=True) for each in items]
    return list(items)


def _surrounds(root: Root, runs: int) -> bool:
    """Return whether the surroundings of the step give or use numbers of each run in the allocation."""
    each = root.outer or (root.bound and not root.whole)
    return runs > 1 and each and len(root.array) == runs and root.array.size > 0


def lowered(recorder: Recorder, runs: int, flag: int) -> tuple[list[Item], bool]:
    """Return the items of the recorded calls, and whether they are divided by run."""
    try:
        items = Lowering(recorder, runs, flag, divided=True).items()
        _check_divided(items, runs)
        return _ordered(items), True
    except UndividedError:
        return Lowering(recorder, runs, flag, divided=False).items(), False
