"""Compiled steps of elementwise optimizers: a loop is bound to its buffers once and then called once per step.

The optimizer's rule is read as a formula (`framework.compiler.ir`), written as LLVM code
(`framework.compiler.codegen`) and compiled or loaded from disk (`framework.compiler.llvm`). The loop gives the same
bits as NumPy, so a run can switch to it at any step.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.base.elementwise_optimizer import ElementwiseOptimizer, inspect_keywords
from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters, State
from framework.compiler.codegen import CHUNK as PIECE
from framework.compiler.codegen import COUNTER, FIRST, RUNS, TABLE, lower
from framework.compiler.ir import Formula, UnfusableError, read
from framework.compiler.llvm import load
from framework.compiler.threads import team

LOG = logging.getLogger("framework")

SHARED_FROM = 200_000
"""Smallest number of elements over all runs for which threads are used.

Waking a thread takes about as long as stepping this many elements in one thread: 30 µs.
"""

CHUNK = 32_768
"""Elements per piece of work of a thread."""

PRICE = 0.03
"""Assumed cost of a compiled loop in seconds.

Measured: 60 ms for the first loop of a process (it imports llvmlite), 25 ms for later ones, 1 ms from disk.
"""

STEP, OPERATION, BYTE = 7e-6, 5e-7, 6e-11
"""Seconds that NumPy takes per step, per operation in it, and per byte of an operation's result.

Fitted to all built-in rules in both dtypes with 100 to 600,000 elements: accurate within a factor of 2 as long as the
arrays fit into the cache. They are constants and not measured at run time, so that the same run uses the same engine
on any machine under any load.
"""


class FusedStep:
    """The compiled step of one optimizer on the buffers of R runs.

    Args:
        formula: the operations of the rule.
        arrays: the buffers in the order of ``formula.elements``, shape ``(R, size)`` each.
        threads: the maximum number of threads; small populations use one.

    Raises:
        UnfusableError: llvmlite is missing or cannot compile the loop.
    """

    def __init__(self, formula: Formula, arrays: list[np.ndarray], threads: int) -> None:
        self.code = load(lower(formula))
        runs, size = arrays[0].shape
        self.formula = formula
        self._threads = threads if runs * size >= SHARED_FROM else 1
        self._call = self.code.call("fused_share" if self._threads > 1 else "fused_step")
        self._arguments = np.zeros(FIRST + len(arrays), dtype=np.int64)
        self._arguments[:FIRST] = 0, 0, runs, size, CHUNK if self._threads > 1 else max(size, 1)
        self._arguments[FIRST:] = [array.ctypes.data for array in arrays]
        self._address = self._arguments.ctypes.data
        self._table = np.empty(0, dtype=formula.dtype)
        self.arrays = arrays
        self._keep = (self.code, arrays, self._arguments)

    def fill(self, table: Mapping[str, np.ndarray]) -> None:
        """Set the coefficients of the next steps.

        Args:
            table: arrays ``(T, R, 1)`` by name, as `framework.base.optimizer.Optimizer.table` returns them.
        """
        names = self.formula.columns
        shape = (max((len(rows) for rows in table.values()), default=0), int(self._arguments[RUNS]), len(names))
        if self._table.shape != shape:
            self._table = np.empty(shape, dtype=self.formula.dtype)
            self._arguments[TABLE] = self._table.ctypes.data
        for column, name in enumerate(names):
            self._table[:, :, column] = table[name][:, :, 0]

    def per_run(self) -> np.ndarray:
        """Return a plan for each run alone, shape ``(R, …)``; call its ``fused_step`` with ``row * R + run``."""
        runs, size = self.arrays[0].shape
        plans = np.tile(self._arguments, (runs, 1))
        plans[:, RUNS], plans[:, PIECE] = 1, max(size, 1)
        plans[:, FIRST:] += np.arange(runs)[:, None] * size * self.formula.dtype.itemsize
        return plans

    def point(self, plans: np.ndarray) -> None:
        """Set the address of the coefficients in the plans of `per_run`; `fill` may have moved them."""
        plans[:, TABLE] = self._arguments[TABLE]

    @property
    def shared(self) -> bool:
        """Whether several threads share a step."""
        return self._threads > 1

    def step(self, row: int) -> None:
        """Update parameters and slots in place with row ``row`` of the coefficients; bounds are not checked."""
        if self._threads == 1:
            self._call(self._address, row)
        else:
            self._arguments[COUNTER] = 0
            team(self._threads).run(self._call, self._address, row, (self._keep, self._table))


def fuse(
    optimizer: Optimizer,
    parameters: Parameters,
    gradients: Parameters,
    state: State,
    table: Mapping[str, np.ndarray],
    threads: int = 1,
) -> FusedStep | None:
    """Return the compiled step, or None if the rule cannot be compiled; the reason is then logged once.

    Args:
        optimizer: the optimizer.
        parameters: buffers that must not be reallocated as long as the step is used.
        gradients: as ``parameters``; only read.
        state: the optimizer's own arrays, which must not be reallocated either.
        table: coefficients by name; only the names are used here.
        threads: the maximum number of threads; the bits do not depend on it.
    """
    try:
        formula, arrays = _bind(optimizer, parameters, gradients, state, table)
        return FusedStep(formula, arrays, threads)
    except UnfusableError as error:
        _log_once(optimizer.label(), str(error))
        return None


def numpy_steps(
    optimizer: Optimizer,
    parameters: Parameters,
    gradients: Parameters,
    state: State,
    table: Mapping[str, np.ndarray],
) -> float:
    """Return the number of NumPy steps that take as long as compiling the loop; infinity if it cannot be compiled.

    With operations ``n`` and bytes ``b`` it is ``PRICE / (STEP + n (OPERATION + BYTE b))``. Shorter runs should use
    NumPy, longer ones the compiled loop.

    Args:
        optimizer: as in `fuse`.
        parameters: as in `fuse`; not altered.
        gradients: as in `fuse`; not altered.
        state: as in `fuse`; not altered.
        table: coefficients by name.
    """
    try:
        formula, _ = _bind(optimizer, parameters, gradients, state, table)
    except UnfusableError as error:
        _log_once(optimizer.label(), str(error))
        return math.inf
    return PRICE / (STEP + formula.operations * (OPERATION + BYTE * parameters.flat.nbytes))


@functools.cache
def _log_once(label: str, reason: str) -> None:
    LOG.warning("optimizer %s runs in NumPy because its rule cannot be compiled: %s", label, reason)


def fusable(optimizer: Optimizer) -> bool:
    """Return whether compilation can be tried: the step is the elementwise rule, and the rule is declared exact."""
    return isinstance(optimizer, ElementwiseOptimizer) and optimizer.exact and plain(type(optimizer))


def plain(cls: type[ElementwiseOptimizer]) -> bool:
    """Return whether a class inherits `ElementwiseOptimizer.step`."""
    return cls.step is ElementwiseOptimizer.step


def _bind(
    optimizer: Optimizer,
    parameters: Parameters,
    gradients: Parameters,
    state: State,
    table: Mapping[str, np.ndarray],
) -> tuple[Formula, list[np.ndarray]]:
    if not isinstance(optimizer, ElementwiseOptimizer) or not plain(type(optimizer)):
        raise UnfusableError("its step is more than an elementwise rule")
    if not optimizer.exact:
        raise UnfusableError("its class sets exact = False")
    rule = type(optimizer).rule
    wanted = inspect_keywords(rule)
    formula = read(
        rule,
        {name: name in state for name in optimizer.slots},
        [name for name in wanted if name in table],
        optimizer.constants(table),
        parameters.dtype,
    )
    buffers: dict[str, Any] = {**state, "p": parameters.flat, "g": gradients.flat}
    arrays = [buffers[name] for name in formula.elements]
    for name, array in zip(formula.elements, arrays, strict=True):
        flags = array.flags
        if array.shape != arrays[0].shape or array.dtype != formula.dtype or not (flags.c_contiguous and flags.aligned):
            raise UnfusableError(f"{name} does not have the layout of the parameters")
        if name in formula.stores and not flags.writeable:
            raise UnfusableError(f"{name} cannot be written to")
    return formula, arrays
