"""The update chain of one optimizer step: stages before the rule, the rule, stages after it, and the schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from framework.base.optimizer import Objective, Optimizer
from framework.base.parameters import Parameters
from framework.base.schedule import Schedule
from framework.base.stage import Stage
from framework.compiler.fused import FusedStep
from framework.compiler.replay import Replay
from framework.errors import InputError
from framework.training.acting import refuse_orders
from framework.training.engine import RuleEngine
from framework.training.rates import Rates
from framework.training.staging import StageChain

SHARED_FROM = 2_000_000
"""Smallest number of parameters of all runs for which several threads take the rule's step.

With fewer, steps of the whole network that are taken in one call, by one thread, are faster (measured with two threads
and a batch of 128): the threads of BLAS and those of the rule would wait for each other.
"""

TABLE = 512
"""Steps whose coefficients are computed at once: enough to make their cost negligible, in little memory."""


class Several(NamedTuple):
    """What is needed to take several steps without their `Update`.

    Attributes:
        rule: the compiled rule.
        row: the row of its coefficients for the first step.
        left: the number of rows from there.
        before: the replay of the stages before the rule, or None if they do nothing there.
        after: the replay of those after it, likewise.
    """

    rule: FusedStep
    row: int
    left: int
    before: Replay | None
    after: Replay | None


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
        replays: whether the stages may be replayed.

    Raises:
        InputError: a stage or the schedule needs a learning rate and the optimizer has none, or the order of the
            chain is not allowed (`framework.training.acting.refuse_orders`).

    Attributes:
        state: every array that the chain carries from step to step, by name, each with a leading runs axis. A
            checkpoint needs it and the step number, nothing else of the chain.
        stages: the stages around the rule.
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
        replays: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.parameters = parameters
        self.gradients = gradients
        self._total = total
        self._rates = Rates(optimizer, schedule, total, parameters.runs)
        self._refuse_unused_rate(stages)
        refuse_orders(optimizer, stages)
        self.stages = StageChain(stages, parameters, gradients, replays=replays)
        self._rule_state = optimizer.start(parameters, self._rates.first_factor(self.stages.every))
        rule_steps = None if total is None else total // self.stages.every
        self._engine = RuleEngine(
            optimizer, parameters, gradients, self._rule_state, total=rule_steps, kernel=kernel, threads=threads
        )
        self._first = 0
        self._length = 0

    def _refuse_unused_rate(self, stages: Sequence[Stage]) -> None:
        if "lr" in self.optimizer.fields:
            return
        name = self.optimizer.label()
        for stage in stages:
            if stage.needs_lr:
                raise InputError(f"stages: {stage.label()} needs a learning rate, but optimizer {name} has none")
        if not self._rates.constant:
            raise InputError(f"schedule: optimizer {name} has no learning rate for a schedule to change")

    @property
    def compiled(self) -> FusedStep | None:
        """The compiled step in use, or None while the rule runs in NumPy."""
        return self._engine.compiled

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The arrays of the chain by name (no copies): changing one in place changes the chain."""
        named = {f"rule/{name}": array for name, array in self._rule_state.items()}
        for index, state in enumerate(self.stages.states):
            named |= {f"stage{index}/{name}": array for name, array in state.items()}
        named |= {f"schedule/{name}": array for name, array in self._rates.state.items()}
        return {**named, "schedule_scale": self._rates.scale}

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
                found, needed = (f"{each.dtype} of shape {each.shape}" for each in (given, array))
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
        at = self._at(t)
        if self.stages and not self.stages.before(t, self._lr[at]):
            return
        self._engine.step(t // self.stages.every, objective)
        if self.stages:
            self.stages.after(self._lr[at])

    def _at(self, t: int) -> int:
        """Return the row of step ``t`` in the tables, which are filled if necessary."""
        if not 0 <= t - self._first < self._length:
            self._fill(t)
        return t - self._first

    def several(self, t: int) -> Several | None:
        """Return what is needed to take steps from ``t`` on without this object, or None if that is impossible."""
        left, rule, acts = self._length - self._at(t), self.compiled, self.stages.replayed()
        if rule is None or acts is None:
            return None
        if rule.shared and self.parameters.flat.size >= SHARED_FROM:
            return None
        return Several(rule, self._engine.row(t), left, *acts)

    def bind(self, t: int, count: int) -> None:
        """Set the stages' learning rates for the replay of ``count`` steps from ``t`` on, which `several` allows."""
        if self.stages:
            at = self._at(t)
            self.stages.bind(self._lr[at : at + count])

    def passed(self, t: int) -> None:
        """Continue after step ``t``, which was taken as `several` allows."""
        self._engine.passed(t)

    def observe(self, val_loss: np.ndarray) -> None:
        """Pass the validation losses ``(R,)`` of an epoch to the schedule; apply the scale it returns, if any."""
        if self._rates.observe(val_loss):
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
        for stage, state in reversed(list(self.stages)):
            point = stage.evaluation_point(self.parameters, state)
            if point is not None:
                return point
        return self.optimizer.evaluation_point(self.parameters, self._rule_state)

    def lr(self, t: int) -> np.ndarray | None:
        """Return the learning rates ``(R,)`` at step ``t``, schedule included; None if the optimizer has none."""
        return self._rates.at(t)

    def _fill(self, t: int) -> None:
        length = TABLE if self._total is None else max(1, min(TABLE, self._total - t + 1))
        steps = np.arange(t, t + length)
        factors = self._rates.factors(steps)
        if self.stages:
            self._lr = self._rates.table(factors, self.parameters.dtype)
        self._first, self._length = t, length
        every = self.stages.every
        acting = slice(-t % every, None, every)
        if len(steps[acting]):
            self._engine.fill(steps[acting] // every, factors[acting])
