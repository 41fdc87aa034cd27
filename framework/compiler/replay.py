"""Replay of recorded calls: a table of calls with fixed operands, and a compiled loop over steps, runs and calls.

Arrays that only one run uses at a time are kept once, not once per run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from framework.compiler.fused import FusedStep
from framework.compiler.ir import UnfusableError
from framework.compiler.kernels import Kernel
from framework.compiler.llvm import load
from framework.compiler.lowering import Item, Place, address, lowered
from framework.compiler.recording import Recorder
from framework.compiler.reductions import Reduction
from framework.compiler.replay_code import (
    ALL,
    BASES,
    BY_LOOP,
    BY_RUN,
    BY_STEP,
    CALL,
    COUNTS,
    DATA,
    DIMS,
    FIRST,
    LEVELS,
    OPERANDS,
    STEPS,
    STOP,
    WORDS,
    module,
)

TAIL = 3
"""Number of rows at the end of a table for attached replays and a rule."""

ALIGNED = 64
"""Alignment of arrays that are kept once for all runs, in bytes: a cache line."""


class Replay:
    """A recorded step that runs without returning to Python, for several steps per call.

    Args:
        recorder: the recorded calls.
        runs: R.

    Attributes:
        divided: whether each run goes through the whole step before the next one; only then several steps can be taken
            in one call.

    Raises:
        UnfusableError: the calls cannot be replayed on this machine.
    """

    def __init__(self, recorder: Recorder, runs: int) -> None:
        self._runs = runs
        self._flag = np.zeros(1, np.int64)
        items, self.divided = lowered(recorder, runs, address(self._flag))
        self._code = load(module({item.function for item in items if isinstance(item.function, Kernel | Reduction)}))
        self._arena = _arena(items, runs) if self.divided else {}
        self._bound: dict[int, list[tuple[int, int, Place]]] = {}
        self._table = np.zeros((len(items) + TAIL, WORDS), np.int64)
        for row, item in enumerate(sorted(items, key=lambda item: item.divided)):  # keeps the order of each kind
            self._write(row, item)
        hoisted = sum(not item.divided for item in items)
        self._plan = np.array([address(self._table), hoisted, len(items), runs, 0], np.int64)
        self._call = self._code.call("replay")
        self._attached: tuple[FusedStep | Replay, ...] = ()
        self._keep = [place.root.array for item in items for place in item.places if id(place.root) not in self._arena]

    def _write(self, row: int, item: Item) -> None:
        if len(item.loops) > LEVELS:
            raise UnfusableError("it uses an array with too many axes")
        words = self._table[row]
        words[CALL], words[DATA] = self._function(item.function), item.data
        words[DIMS : DIMS + len(item.dims)] = item.dims
        words[STEPS : STEPS + len(item.steps)] = item.steps
        words[COUNTS : COUNTS + LEVELS] = 1
        for level, (count, by_loop) in enumerate(item.loops):
            at = LEVELS - 1 - level
            words[COUNTS + at] = count
            words[BY_LOOP + OPERANDS * at :][: len(by_loop)] = by_loop
        for at, place in enumerate(item.places):
            own = self._arena.get(id(place.root))
            words[BASES + at] = place.offset + (place.root.start if own is None else address(own))
            words[BY_RUN + at] = place.by_run if own is None else 0
            if place.root.bound:
                self._bound.setdefault(id(place.root.array), []).append((row, at, place))
        if item.limit:
            words[BY_RUN + OPERANDS - 1] = item.limit

    def _function(self, function: int | str | Kernel | Reduction) -> int:
        if isinstance(function, Kernel | Reduction):
            function = function.name
        return self._code.address(function) if isinstance(function, str) else function

    def bind(self, recorded: np.ndarray, arrays: np.ndarray) -> None:
        """Set the arrays of the next steps for one of which each step has its own.

        Args:
            recorded: the array of the recorded step, ``(R or 1, …)``.
            arrays: the arrays of T steps, one after the other for each run, ``(R or 1, T * …)``. They must exist until
                `run` returns.
        """
        if not recorded.size:
            return
        by_step = recorded.nbytes // len(recorded)
        if not arrays.flags.c_contiguous or arrays.nbytes % recorded.nbytes or len(arrays) != len(recorded):
            raise ValueError("the arrays do not have the layout of the recorded one")
        for row, at, place in self._bound.get(id(recorded), ()):
            words = self._table[row]
            words[BASES + at] = address(arrays) + place.offset
            words[BY_RUN + at] = arrays.strides[0] if place.by_run else 0
            words[BY_STEP + at] = by_step

    def choose(self, recorded: np.ndarray, samples: np.ndarray) -> None:
        """Set the samples that the indices of the next steps select from; they must exist until `run` returns.

        Args:
            recorded: the samples of the recorded step.
            samples: others with the same dtype and shape of a sample.
        """
        if not samples.flags.c_contiguous or samples[0].nbytes != recorded[0].nbytes:
            raise ValueError("the samples do not have the layout of the recorded ones")
        for row, at, _ in self._bound.get(id(recorded), ()):
            self._table[row, BASES + at] = address(samples)
            self._table[row, DIMS + 1] = len(samples)

    def attach(self, rule: FusedStep, before: Replay | None = None, after: Replay | None = None) -> None:
        """Let a rule end each step of `run` that has a row of its coefficients, with replays before and after it."""
        attached = tuple(part for part in (before, rule, after) if part is not None)
        if attached == self._attached:
            return
        self._attached, self._rule, self._plans = attached, rule, rule.per_run()
        self._rule_row = self._table[len(self._table) - TAIL + attached.index(rule)]
        for words, part in zip(self._table[-TAIL:], attached, strict=False):
            words[:], words[COUNTS : COUNTS + LEVELS] = 0, 1
            if isinstance(part, Replay):
                part.join(words)
                continue
            words[CALL], words[DATA] = self._code.address("rule"), part.code.address("fused_step")
            words[BASES], words[BY_RUN] = address(self._plans), self._plans.strides[0]
            words[BY_RUN + 1], words[BY_STEP + 1] = 1, self._runs

    def join(self, words: np.ndarray) -> None:
        """Write the call of this replay's calls to the row of another one's table; each run makes all of them."""
        words[CALL], words[DIMS] = self._code.address("part"), len(self._table) - TAIL
        words[BASES], words[BY_RUN + 1], words[BY_STEP + 2] = address(self._table), 1, 1

    def run(self, count: int = 1, row: int | None = None, parts: int = 1) -> None:
        """Take ``count`` steps.

        Args:
            count: number of steps, at most the T of the arrays that are bound.
            row: the row of the rule's coefficients for the first step; None for the gradients of one step only.
            parts: the number of calls, each for a part of the runs, at most R; above 1 only for one step of a divided
                replay.

        Raises:
            IndexError: an array was indexed with a number outside it.
        """
        self._plan[ALL] = len(self._table) - TAIL + (0 if row is None else len(self._attached))
        if row is not None:
            self._rule.point(self._plans)
            self._rule_row[BASES + 1] = row * self._runs
        for part in range(parts):
            self._plan[FIRST], self._plan[STOP] = (self._runs * at // parts for at in (part, part + 1))
            self._call(address(self._plan), count)
        if self._flag[0]:
            raise IndexError("a label or an index is out of bounds")


def _arena(items: Sequence[Item], runs: int) -> dict[int, np.ndarray]:
    """Return arrays for the allocations that are needed for one run at a time, by the allocation's id."""
    places = [(item, place) for item in items for place in item.places]
    shared = {id(place.root) for item, place in places if not item.divided or not place.owned(runs)}
    sizes = {
        id(root): -(-(root.stop - root.start) // runs // ALIGNED) * ALIGNED
        for root in (place.root for _, place in places)
        if not (root.outer or root.bound or root.constant or id(root) in shared)
    }
    roots = {id(place.root): place.root for _, place in places}
    block = np.zeros(sum(sizes.values()) + ALIGNED, np.uint8)
    at, arena = -address(block) % ALIGNED, {}
    for key, size in sizes.items():
        arena[key] = block[at : at + size]
        root = roots[key]  # what no call writes to keeps its numbers
        ctypes.memmove(address(arena[key]), root.start, (root.stop - root.start) // runs)
        at += size
    return arena
