"""The update chain of one optimizer step: stages before the rule, the rule, stages after it, and the schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from framework.base.optimizer import Objective, Optimizer, Recorded
from framework.base.parameters import Parameters
from framework.base.schedule import Schedule
from framework.base.stage import Stage
from framework.compiler.fused import FusedStep, fusable, fuse, numpy_steps
from framework.errors import InputError
from framework.training.acting import refuse_orders, steps_to_rule

LOOKED_AHEAD = 10_000
"""Number of steps that are searched for an effect of the schedule if the optimizer has no learning rate."""

TABLE = 512
"""Steps whose coefficients are computed at once: enough to make their cost negligible, in little memory."""


class Update:
    """Moves the parameters of R runs, one step per call of `step`.

    Args:
        optimizer: the rule.
        parameters: parameters of the R runs, changed in place.
        gradients: their gradients, written by the caller before each step.
        schedule: the schedule of the learning rate, or None for a constant one.
        stages: the stages around the rule, in their order.
        total: steps in the budget, or None if only time limits it.
        kernel: ``"numpy"`` for NumPy steps, ``"fused"`` for the compiled loop, ``"auto"`` for the faster one. The bits
            are the same. A rule that cannot be compiled runs in NumPy.
        threads: threads of the compiled loop.

    Raises:
        InputError: a stage or the schedule needs a learning rate and the optimizer has none, or the order of the
            chain is not allowed (`framework.training.acting.refuse_orders`).

    Attributes:
        state: every array that the chain carries from step to step, by name, each with a leading runs axis. A
            checkpoint needs it and the step number, nothing else of the chain.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: Parameters,
        gradients: Parameters,
        *,
        schedule: Schedule | None = None,
        stages: Sequence[Stage] = (),
        total: int | None = None,
        kernel: str = "auto",
        threads: int = 1,
    ) -> None:
        self.optimizer = optimizer
        self.parameters = parameters
        self.gradients = gradients
        self._schedule = schedule
        self._stages = list(stages)
        self._total = total
        self._every = steps_to_rule(self._stages)
        self._check_lr()
        refuse_orders(optimizer, self._stages)
        runs = parameters.runs
        optimizer.first_factor = self._factors(np.array([min(self._every, total or self._every)]))[0]
        self._rule_state = optimizer.initial_state(parameters) | optimizer.initial_scalars(runs)
        self._stage_states = [stage.initial_state(parameters) for stage in self._stages]
        self._schedule_state = schedule.initial_state(runs) if schedule else {}
        self._scale = np.ones((runs, 1))
        self._first = 0
        self._length = 0
        self._origin = 0
        self._threads = threads
        self._fused: FusedStep | None = None
        self._kernel = kernel
        self._fuse_after: float | None = None

    def _check_lr(self) -> None:
        factors = self._factors(np.arange(1, min(self._total or LOOKED_AHEAD, LOOKED_AHEAD) + 1))
        if "lr" in self.optimizer.fields:
            return
        name = self.optimizer.label()
        for stage in self._stages:
            if stage.needs_lr:
                raise InputError(f"stages: {stage.label()} needs a learning rate and optimizer {name} has none")
        if self._schedule and ((factors != 1.0).any() or self._schedule.initial_state(1)):
            raise InputError(f"schedule: optimizer {name} has no learning rate that a schedule could act on")

    def _factors(self, steps: np.ndarray) -> np.ndarray:
        return self._schedule.factors(steps, self._total) if self._schedule else np.ones((len(steps), 1, 1))

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The arrays of the chain by name (no copies): changing one in place changes the chain."""
        named = {f"rule/{name}": array for name, array in self._rule_state.items()}
        for place, held in enumerate(self._stage_states):
            named |= {f"stage{place}/{name}": array for name, array in held.items()}
        named |= {f"schedule/{name}": array for name, array in self._schedule_state.items()}
        return {**named, "schedule_scale": self._scale}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Copy the values of ``state`` into this chain; it comes from `state` of a chain of the same structure.

        Raises:
            InputError: the names, shapes or dtypes differ; the chain is then unchanged.
        """
        own = self.state
        if own.keys() != state.keys():
            raise InputError(f"this state has {sorted(state)}; the chain needs {sorted(own)}")
        for name, array in own.items():
            given = state[name]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                found, needed = (f"{held.dtype} of shape {held.shape}" for held in (given, array))
                raise InputError(f"this state's {name} is {found}; the chain needs {needed}")
        for name, array in own.items():
            array[...] = state[name]
        self._length = 0

    def step(self, t: int, objective: Objective | None = None) -> None:
        """Take step ``t``: read the gradients and change the parameters in place.

        Args:
            t: step number, from 1; steps are taken in order.
            objective: the losses of the batch and a method to evaluate it again; None for recorded gradients, which
                cannot be evaluated again.

        Raises:
            InputError: the rule reads the loss and there is no objective.
        """
        at = t - self._first
        if not 0 <= at < self._length:
            self._fill(t)
            at = 0
        if self._stages and not self._reaches_rule(t, at):
            return
        row = t // self._every - self._origin
        if self._fused is not None:
            self._fused.step(row)
        else:
            self._interpret(row, objective)
        for name, rows in self._scalars.items():
            self._rule_state[name][...] = rows[row]
        if self._stages:
            for stage, held in zip(self._stages, self._stage_states, strict=True):
                stage.after(self.parameters, self.gradients, held, self._lr[at])

    def _reaches_rule(self, t: int, at: int) -> bool:
        """Call the stages' `before`; return False if a stage that joins batches ends the step before the rule."""
        every = 1
        for stage, held in zip(self._stages, self._stage_states, strict=True):
            stage.before(self.parameters, self.gradients, held, self._lr[at])
            every *= stage.every
            if t % every:
                return False
        return True

    def _interpret(self, row: int, objective: Objective | None) -> None:
        objective = self._recorded() if objective is None else objective
        columns = {name: rows[row] for name, rows in self._columns.items()}
        self.optimizer.step(self.parameters, self.gradients, self._rule_state, columns, objective)
        if self._fuse_after is not None and self._origin + row >= self._fuse_after:
            self._fuse()

    def _last_interpreted(self) -> float:
        """Return the last step of the rule that runs in NumPy before the compiled loop takes over; inf for never.

        The result has the same bits whichever step this is.
        """
        before = self._origin - 1
        if self._kernel == "fused":
            return before
        if self._kernel == "numpy" or not fusable(self.optimizer):
            return math.inf
        steps = numpy_steps(self.optimizer, self.parameters, self.gradients, self._rule_state, self._table)
        if self._total is None:  # the length of the run is unknown: expect as many more steps as were taken so far
            return before + steps
        return before if self._total // self._every - before > steps else math.inf

    def _fuse(self) -> None:
        self._fuse_after = math.inf
        held = (self.parameters, self.gradients, self._rule_state)
        self._fused = fuse(self.optimizer, *held, self._table, self._threads)
        self._use_table()

    def _recorded(self) -> Objective:
        if self.optimizer.needs_loss:
            name = self.optimizer.label()
            raise InputError(f"optimizer {name} reads the loss's value: pass an objective beside recorded gradients")
        return Recorded(np.full(self.parameters.runs, np.nan, dtype=self.parameters.dtype))

    def observe(self, val_loss: np.ndarray) -> None:
        """Pass the validation losses ``(R,)`` of an epoch to the schedule; apply the scale it returns, if any."""
        scale = self._schedule.observe(self._schedule_state, val_loss) if self._schedule else None
        if scale is not None:
            self._scale[...] = scale
            self._length = 0

    @contextmanager
    def evaluating(self) -> Iterator[bool]:
        """Replace the parameters by those to evaluate inside a ``with`` block, and restore them afterwards.

        Yield True if they were replaced, False if the trained parameters are the ones to evaluate.
        """
        point = self.evaluation_point()
        if point is None:
            yield False
            return
        trained = self.parameters.flat.copy()
        self.parameters.flat[...] = point
        try:
            yield True
        finally:
            self.parameters.flat[...] = trained

    def evaluation_point(self) -> np.ndarray | None:
        """Return the parameters to evaluate and to keep, ``(R, size)``, or None if they are the trained ones.

        The last stage with an evaluation point determines it, else the optimizer.
        """
        for stage, held in zip(reversed(self._stages), reversed(self._stage_states), strict=True):
            point = stage.evaluation_point(self.parameters, held)
            if point is not None:
                return point
        return self.optimizer.evaluation_point(self.parameters, self._rule_state)

    def lr(self, t: int) -> np.ndarray | None:
        """Return the learning rates ``(R,)`` at step ``t``, schedule included; None if the optimizer has none."""
        if "lr" not in self.optimizer.fields:
            return None
        factors = self._factors(np.array([t])) * self._scale
        return np.broadcast_to((self.optimizer.lr * factors)[0, :, 0], (self.parameters.runs,))  # type: ignore[attr-defined]

    def _fill(self, t: int) -> None:
        length = TABLE if self._total is None else max(1, min(TABLE, self._total - t + 1))
        steps = np.arange(t, t + length)
        factors = self._factors(steps) * self._scale
        if self._stages:
            lr = getattr(self.optimizer, "lr", None)
            shape = (length, self.parameters.runs, 1)
            self._lr = np.broadcast_to(np.zeros(()) if lr is None else lr * factors, shape).astype(
                self.parameters.dtype
            )
        self._first, self._length = t, length
        acting = slice(-t % self._every, None, self._every)
        if len(steps[acting]):
            self._fill_rule(steps[acting] // self._every, factors[acting])

    def _fill_rule(self, steps: np.ndarray, factors: np.ndarray) -> None:
        self._origin = int(steps[0])
        self._table = self.optimizer.table(steps, factors, self._rule_state)
        self._scalars = {name: self._table[name] for name in self.optimizer.scalars}
        if self._fuse_after is None:
            self._fuse_after = self._last_interpreted()
        if self._fuse_after < self._origin:
            self._fuse()
        else:
            self._use_table()

    def _use_table(self) -> None:
        if self._fused is not None:
            self._fused.fill(self._table)
        else:
            dtype = self.parameters.dtype
            self._columns = {name: rows.astype(dtype) for name, rows in self._table.items()}
