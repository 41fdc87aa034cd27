"""What an optimizer plugin subclasses; the core owns the loop."""

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
"""A slot's start: where the parameters are before the first step."""


class Optimizer(Configurable, ABC):
    """An update of the parameters from their gradients.

    All state lives outside the object, in a plain dict of arrays with a leading runs axis, so that a checkpoint is
    a dict of arrays. One object serves any number of steps.

    Traits (class attributes that the rest of the project reads instead of asking for names):
        elementwise: each parameter's update depends on that parameter's own numbers only.
        own_step_size: the rule finds its step size itself; a schedule has little or nothing to act on.
        needs_closure: the rule evaluates the loss again within a step.
        needs_loss: the rule reads the loss's value, which recorded gradients do not have.
        vectorized: several runs can step together as one population.
        couples_tensors: the update couples all of a run's tensors, as one number estimated for the whole run does.
        converges: what the conformance kit holds the rule to on its problems: ``"minimises"`` them, ``"descends"``
            (gets near), or "" for no promise.
        still_at_zero: with no weight decay, a gradient of zero moves nothing from the start.
        external: the library whose own code makes the update, or "": its bits are not ours to promise.
        warning: a line to show when this optimizer is used, or "".

    Attributes:
        seeds: the runs' seeds, one a run, or one for all: with the step, all that a rule's noise may depend on.
        first_factor: what the schedule multiplies lr with at the first step, a number or ``(R or 1, 1)``. A slot that
            starts at ``lr`` starts at that step's lr. Whoever runs the optimizer sets it.
        scalars: per-run numbers in float64 that `coefficients` carries from step to step, by name, with their start.
        reference: an author's own plain loop to check the rule against, or None: ``reference(x0, gradients, **fields)``
            takes one tensor of one run in float64, its gradients ``(steps, *shape)`` and every field by name, and
            returns the tensor after each step.
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
    seeds: Sequence[int] = (0,)
    first_factor: float | np.ndarray = 1.0
    scalars: ClassVar[Mapping[str, float]] = {}
    reference: ClassVar[Callable[..., Any] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("coefficients", "rule", "reference"):  # authors write them as plain functions, without self
            if isinstance(vars(cls).get(name), FunctionType):
                setattr(cls, name, staticmethod(vars(cls)[name]))

    @staticmethod
    def coefficients(h: Any, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the update needs of the hyperparameters at steps ``t``, in float64.

        Args:
            h: the hyperparameters by name, shape ``(T, R, 1)`` each; ``h.lr`` already includes the schedule and has
                shape ``(T, R, 1)``; ``h.schedule`` is the schedule's factor alone, as wide. Each of ``scalars`` is
                there too, ``(R, 1)``, as it was before the first of ``t``.
            t: step numbers from 1, shape ``(T, R, 1)``.

        Returns:
            Arrays that broadcast to ``(T, R, 1)``. By default, each hyperparameter under its own name. Each of
            ``scalars`` must be among them, as it is after each step.
        """
        return {name: value for name, value in vars(h).items() if name != "schedule"}

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return the coefficients of many steps at once by name, ``(T, R, 1)`` each, in float64.

        Args:
            steps: step numbers from 1, shape ``(T,)``.
            factors: what the schedule multiplies lr with, shape ``(T, R, 1)`` or ``(T, 1, 1)``.
            state: as before the first of the steps; only ``scalars`` are read.
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
        made = type(self).coefficients(h, pad_for_pow(steps.reshape(-1, 1, 1), shape))
        wide = (max(2, len(steps)), runs, 1)
        return {name: np.broadcast_to(value, wide)[: len(steps)] for name, value in made.items()}

    def first_act(self) -> int:
        """Return the step, from 1, at which the rule first moves the parameters.

        A budget that ends earlier is refused before the start.
        """
        return 1

    def initial_scalars(self, runs: int) -> State:
        """Return the start of ``scalars``, shape ``(R, 1)`` each."""
        return {name: np.full((runs, 1), start, dtype=np.float64) for name, start in self.scalars.items()}

    @abstractmethod
    def initial_state(self, parameters: Parameters) -> State:
        """Return the state before the first step, `initial_scalars` aside: arrays with a leading runs axis."""

    @abstractmethod
    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Move ``parameters.flat`` in place; leave ``gradients`` as they are.

        Args:
            parameters: values of the R runs, ``flat`` of shape ``(R, size)``.
            gradients: as ``parameters``.
            state: this optimizer's own arrays, changed in place.
            columns: this step's coefficients by name, shape ``(R, 1)`` each, in the parameters' dtype.
            objective: the batch's losses, and the way to evaluate again (which writes the gradients anew).
        """

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the parameters to evaluate and to keep, ``(R, size)``, or None if they are the trained ones.

        The model's buffers are then recomputed for them, as `framework.base.stage.Stage.evaluation_point` says.
        """
        return None


class Objective(Protocol):
    """The training loss of R runs on the present batch."""

    @property
    def losses(self) -> np.ndarray:
        """The losses before the step, shape ``(R,)``."""

    def evaluate(self) -> np.ndarray:
        """Evaluate at the parameters as they are now; return losses ``(R,)`` and write the gradients anew."""


@dataclass(frozen=True)
class Recorded:
    """Gradients that were recorded: there is no loss to evaluate."""

    losses: np.ndarray

    def evaluate(self) -> np.ndarray:
        """Refuse.

        Raises:
            InputError: always.
        """
        raise InputError("this optimizer evaluates the loss within a step; recorded gradients cannot answer it")


def starting(optimizer: Optimizer, start: float | str, here: np.ndarray) -> Any:
    """Return what a slot starts with: ``here``, the column ``(R or 1, 1)`` of a hyperparameter, or a number.

    The column of ``lr`` is that of the first step, schedule included.
    """
    if start == HERE:
        return here
    if start == "lr":
        return optimizer.lr * optimizer.first_factor  # type: ignore[attr-defined]
    return getattr(optimizer, start) if isinstance(start, str) else start
