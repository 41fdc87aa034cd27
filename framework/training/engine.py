"""The steps of the rule: in NumPy, and in the compiled loop if that is faster. The bits are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from framework.base.optimizer import Objective, Optimizer, Recorded
from framework.base.parameters import Parameters, State
from framework.compiler.fused import FusedStep, fusable, fuse, numpy_steps
from framework.errors import InputError


class RuleEngine:
    """Takes the steps of one rule.

    Args:
        optimizer: the rule.
        parameters: parameters of the R runs, changed in place.
        gradients: their gradients.
        state: the rule's arrays, scalars included, changed in place.
        total: steps of the rule in the budget, or None if only time limits it.
        kernel: ``"numpy"``, ``"fused"`` or ``"auto"``, as in `Update`.
        threads: threads of the compiled loop.

    Attributes:
        compiled: the compiled step in use, or None while the rule runs in NumPy.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: Parameters,
        gradients: Parameters,
        state: State,
        *,
        total: int | None,
        kernel: str,
        threads: int,
    ) -> None:
        self._optimizer = optimizer
        self._parameters = parameters
        self._gradients = gradients
        self._state = state
        self._total = total
        self._kernel = kernel
        self._threads = threads
        self._origin = 0
        self._table: Mapping[str, np.ndarray] = {}
        self._compile_after: float | None = None
        self.compiled: FusedStep | None = None

    def fill(self, steps: np.ndarray, factors: np.ndarray) -> None:
        """Compute the coefficients of the next steps.

        Args:
            steps: numbers of consecutive steps of the rule, shape ``(T,)``.
            factors: their factors on lr, shape ``(T, R or 1, 1)``.
        """
        self._origin = int(steps[0])
        self._table = self._optimizer.table(steps, factors, self._state)
        self._scalars = {name: self._table[name] for name in self._optimizer.scalars}
        if self._compile_after is None:
            self._compile_after = self._last_in_numpy()
        if self._compile_after < self._origin:
            self._compile()
        else:
            self._use_table()

    def step(self, t: int, objective: Objective | None) -> None:
        """Take step ``t`` of the rule, for which `fill` has computed the coefficients.

        Args:
            t: number of the step of the rule.
            objective: the batch's losses; None for recorded gradients, which cannot be evaluated again.

        Raises:
            InputError: the rule reads the loss and there is no objective.
        """
        row = self.row(t)
        if self.compiled is not None:
            self.compiled.step(row)
        else:
            self._interpret(row, objective)
        self.passed(t)

    def row(self, t: int) -> int:
        """Return the row of the coefficients of step ``t`` of the rule."""
        return t - self._origin

    def passed(self, t: int) -> None:
        """Set the rule's scalars to their values after step ``t``, which was taken."""
        for name, rows in self._scalars.items():
            self._state[name][...] = rows[t - self._origin]

    def _interpret(self, row: int, objective: Objective | None) -> None:
        objective = self._recorded() if objective is None else objective
        columns = {name: rows[row] for name, rows in self._columns.items()}
        self._optimizer.step(self._parameters, self._gradients, self._state, columns, objective)
        if self._compile_after is not None and self._origin + row >= self._compile_after:
            self._compile()

    def _recorded(self) -> Objective:
        if self._optimizer.needs_loss:
            name = self._optimizer.label()
            raise InputError(f"optimizer {name} uses the loss: pass an objective with the recorded gradients")
        return Recorded(np.full(self._parameters.runs, np.nan, dtype=self._parameters.dtype))

    def _last_in_numpy(self) -> float:
        """Return the last step of the rule that runs in NumPy before the compiled loop takes over; inf for never.

        The result has the same bits whichever step this is.
        """
        before = self._origin - 1
        if self._kernel == "fused":
            return before
        if self._kernel == "numpy" or not fusable(self._optimizer):
            return math.inf
        steps = numpy_steps(self._optimizer, self._parameters, self._gradients, self._state, self._table)
        if self._total is None:  # the length of the run is unknown: expect as many more steps as were taken so far
            return before + steps
        return before if self._total - before > steps else math.inf

    def _compile(self) -> None:
        self._compile_after = math.inf
        arrays = (self._parameters, self._gradients, self._state)
        self.compiled = fuse(self._optimizer, *arrays, self._table, self._threads)
        self._use_table()

    def _use_table(self) -> None:
        if self.compiled is not None:
            self.compiled.fill(self._table)
        else:
            dtype = self._parameters.dtype
            self._columns = {name: rows.astype(dtype) for name, rows in self._table.items()}
