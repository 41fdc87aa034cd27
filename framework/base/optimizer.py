"""Base class of optimizers; the training loop is in the core."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import Any, ClassVar, Protocol

import numpy as np

from framework.base.fields import Configurable
from framework.base.numerics import pad_for_pow
from framework.base.parameters import Parameters, State
from framework.errors import InputError

Columns = Mapping[str, np.ndarray]

HERE = "parameters"
"""A slot's start: the parameters' values before the first step."""


class Optimizer(Configurable, ABC):
    """An update of the parameters from their gradients.

    All state is kept outside the object, in a plain dict of arrays with a leading runs axis, so that a checkpoint is
    a dict of arrays. One object can be used for any number of steps.

    Traits (class attributes; the project tests them instead of optimizers' names):
        elementwise: each parameter's update depends on that parameter's own numbers only.
        own_step_size: the rule determines its step size itself; a schedule has little or no effect.
        needs_closure: the rule evaluates the loss again within a step; a rule with ``vectorized``, equally often for
            every run.
        needs_loss: the rule uses the value of the loss, which recorded gradients do not include.
        vectorized: several runs can step together as one population.
        couples_tensors: the update couples all tensors of a run, for example through one estimate for the whole run.
        converges: the requirement of the conformance kit on its problems: ``"minimises"``, ``"descends"`` (gets
            near the minimum), or "" for none.
        still_at_zero: without weight decay, gradients of zero from the first step on change no parameter.
        external: the library that computes the update, or "" for none. This project does not guarantee the bits of
            an external library.
        warning: a line to show when this optimizer is used, or "".
        tuned: the hyperparameters that a study tunes, at most three, ``lr`` first. Each declares ``search`` and
            ``prior``. The default stands for no field if the class has no ``lr``: see `tuned_fields`.

    Attributes:
        seeds: one seed per run, or one for all runs, given to `stack`. A rule's noise may depend on the seed and the
            step only.
        first_factor: the schedule's factor on lr at the first step, a number or ``(R or 1, 1)``. A slot that starts at
            ``lr`` starts at that step's lr. `start` sets it.
        scalars: start values, by name, of the float64 numbers per run that `coefficients` carries from step to step.
        reference: the author's own plain loop to check the rule against, or None. ``reference(x0, gradients,
            **fields)`` takes one tensor of one run in float64, its gradients ``(steps, *shape)`` and every field by
            name, and returns the tensor after each step.
    """

    elementwise: ClassVar[bool] = False
    own_step_size: ClassVar[bool] = False
    needs_closure: ClassVar[bool] = False
    needs_loss: ClassVar[bool] = False
    vectorized: ClassVar[bool] = True
    couples_tensors: ClassVar[bool] = False
    converges: ClassVar[str] = "minimises"
    still_at_zero: ClassVar[bool] = True
    external: ClassVar[str] = ""
    warning: ClassVar[str] = ""
    tuned: ClassVar[tuple[str, ...]] = ("lr",)
    seeds: Sequence[int] = (0,)
    first_factor: float | np.ndarray = 1.0
    scalars: ClassVar[Mapping[str, float]] = {}
    reference: ClassVar[Callable[..., Any] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("coefficients", "rule", "reference"):  # plugins define them without self
            if isinstance(vars(cls).get(name), FunctionType):
                setattr(cls, name, staticmethod(vars(cls)[name]))

    @classmethod
    def tuned_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that a study tunes: `tuned`, without ``lr`` if the class has no ``lr``."""
        return tuple(name for name in cls.tuned if name != "lr" or name in cls.fields)

    @staticmethod
    def coefficients(h: Any, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return the coefficients of the update at steps ``t``, in float64.

        Args:
            h: the hyperparameters as attributes, shape ``(T, R, 1)`` each. ``h.lr`` already includes the schedule;
                ``h.schedule`` is the schedule's factor alone, of the same shape. Each of ``scalars`` is an attribute
                too, shape ``(R, 1)``, with its value before the first of ``t``.
            t: step numbers from 1, shape ``(T, R, 1)``.

        Returns:
            Arrays by name that broadcast to ``(T, R, 1)``. By default, each hyperparameter under its own name. They
            must include each of ``scalars``, with its values after each step.
        """
        return {name: value for name, value in vars(h).items() if name != "schedule"}

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return the coefficients of T steps by name, ``(T, R, 1)`` each, in float64.

        Args:
            steps: step numbers from 1, shape ``(T,)``.
            factors: the schedule's factors on lr, shape ``(T, R, 1)`` or ``(T, 1, 1)``.
            state: the state before the first of the steps; only ``scalars`` are read.
        """
        runs = max([len(self.rows), factors.shape[1], *(len(state[name]) for name in self.scalars)])
        shape = (len(steps), runs, 1)
        columns = {name: getattr(self, name) for name, spec in self.fields.items() if spec.column}
        h = SimpleNamespace(**{name: pad_for_pow(column, shape) for name, column in columns.items()})
        h.schedule = pad_for_pow(factors, shape)
        if "lr" in self.fields:
            h.lr = h.lr * h.schedule
        for name in self.scalars:
            setattr(h, name, state[name])
        computed = type(self).coefficients(h, pad_for_pow(steps.reshape(-1, 1, 1), shape))
        wide = (max(2, len(steps)), runs, 1)
        return {name: np.broadcast_to(value, wide)[: len(steps)] for name, value in computed.items()}

    def first_act(self) -> int:
        """Return the number, from 1, of the step at which the rule first changes the parameters.

        A budget that ends earlier is rejected before training starts.
        """
        return 1

    def initial_scalars(self, runs: int) -> State:
        """Return the start values of ``scalars`` by name, shape ``(R, 1)`` each."""
        return {name: np.full((runs, 1), start, dtype=np.float64) for name, start in self.scalars.items()}

    def start(self, parameters: Parameters, first_factor: float | np.ndarray = 1.0) -> State:
        """Return the whole state before the first step: `initial_state` and `initial_scalars`.

        Args:
            parameters: the parameters' values before the first step.
            first_factor: see the attribute.
        """
        self.first_factor = first_factor
        return self.initial_state(parameters) | self.initial_scalars(parameters.runs)

    @abstractmethod
    def initial_state(self, parameters: Parameters) -> State:
        """Return the state before the first step, without `initial_scalars`: arrays with a leading runs axis."""

    @abstractmethod
    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Update ``parameters.flat`` in place; do not change ``gradients``.

        Args:
            parameters: values of the R runs, ``flat`` of shape ``(R, size)``.
            gradients: as ``parameters``.
            state: this optimizer's own arrays, changed in place.
            columns: this step's coefficients by name, shape ``(R, 1)`` each, in the parameters' dtype.
            objective: the batch's losses; its ``evaluate`` evaluates the loss again and overwrites the gradients.
        """

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the parameters to evaluate and to save, ``(R, size)``, or None for the trained ones.

        The model's buffers are recomputed for them: see `framework.base.stage.Stage.evaluation_point`.
        """
        return None


class Objective(Protocol):
    """The training loss of R runs on the current batch."""

    @property
    def losses(self) -> np.ndarray:
        """The losses before the step, shape ``(R,)``."""

    def evaluate(self) -> np.ndarray:
        """Return the losses ``(R,)`` at the current parameters and overwrite the gradients."""


@dataclass(frozen=True)
class Recorded:
    """The objective for recorded gradients: there is no loss to evaluate."""

    losses: np.ndarray

    def evaluate(self) -> np.ndarray:
        """Raise an error: recorded gradients cannot be evaluated.

        Raises:
            InputError: always.
        """
        raise InputError("this optimizer evaluates the loss within a step; recorded gradients have no loss")


def starting(optimizer: Optimizer, start: float | str, here: np.ndarray) -> Any:
    """Return a slot's start: ``here``, the column ``(R or 1, 1)`` of a hyperparameter, or a number.

    The column of ``lr`` is that of the first step, schedule included.

    Args:
        optimizer: the optimizer that has the slot.
        start: a number, the name of a hyperparameter, or `HERE`.
        here: the parameters' initial values.
    """
    if start == HERE:
        return here
    if start == "lr":
        return optimizer.lr * optimizer.first_factor  # type: ignore[attr-defined]
    return getattr(optimizer, start) if isinstance(start, str) else start
