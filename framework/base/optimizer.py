"""What an optimizer plugin subclasses: a formula and its hyperparameters; the core owns the loop.

An elementwise rule is a pure function of numbers, written as in its paper::

    class Momentum(ElementwiseOptimizer):
        '''Momentum. v = beta v - lr g; p = p + v.'''
        lr: float = hyper(0.01, above=0)
        beta: float = hyper(0.9, at_least=0, below=1)
        slots = dict(v=0)

        def rule(p, g, v, *, lr, beta):
            v = beta * v - lr * g
            return p + v, v
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import Any, ClassVar, Protocol

import numpy as np

from framework.base.fields import Configurable
from framework.base.kernels import apply_rule
from framework.base.numerics import widened
from framework.base.parameters import Parameters, State
from framework.errors import InputError, PluginError

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
        shares: several runs can step together as one population.
        whole: the update couples all of a run's tensors, as one number estimated for the whole run does.
        converges: what the conformance kit holds the rule to on its problems: ``"minimises"`` them, ``"descends"``
            (gets near), or "" for no promise.
        still_at_zero: with no weight decay, a gradient of zero moves nothing from the start.
        foreign: the library whose own code makes the update, or "": its bits are not ours to promise.
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
    shares: ClassVar[bool] = True
    whole: ClassVar[bool] = False
    converges: ClassVar[str] = "minimises"
    still_at_zero: ClassVar[bool] = True
    foreign: ClassVar[str] = ""
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
        h = SimpleNamespace(**{name: widened(column, shape) for name, column in columns.items()})
        h.schedule = widened(factors, shape)
        if "lr" in self.fields:
            h.lr = h.lr * h.schedule
        for name in self.scalars:
            setattr(h, name, state[name])
        made = type(self).coefficients(h, widened(steps.reshape(-1, 1, 1), shape))
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


@dataclass(frozen=True)
class When:
    """A slot that exists only where a flag is true."""

    flag: str
    start: float | str = 0


def when(flag: str, start: float | str = 0) -> When:
    """Declare a slot that is allocated only where ``flag`` is true; a rule gets None in its place otherwise."""
    return When(flag, start)


def starting(optimizer: Optimizer, start: float | str, here: np.ndarray) -> Any:
    """Return what a slot starts with: ``here``, the column ``(R or 1, 1)`` of a hyperparameter, or a number.

    The column of ``lr`` is that of the first step, schedule included.
    """
    if start == HERE:
        return here
    if start == "lr":
        return optimizer.lr * optimizer.first_factor  # type: ignore[attr-defined]
    return getattr(optimizer, start) if isinstance(start, str) else start


class ElementwiseOptimizer(Optimizer):
    """An optimizer whose rule is a pure function of one parameter's numbers.

    Attributes:
        slots: state shaped like the parameters: a starting number, the name of the hyperparameter that holds it,
            `HERE` for the parameters' own start, or `when`.
        rule: ``rule(p, g, *slots, *, <coefficients and flags by name>)`` returns the new parameter and the new
            slots, in the order of its arguments. It may use `framework.elementwise` and arithmetic; ``if`` only
            on flags.
        exact: the rule uses nothing but arithmetic and `framework.elementwise`, whose bits are the same in every
            engine. A rule with a cube root, a logarithm and the like says False and runs in NumPy only.
    """

    elementwise = True
    exact: ClassVar[bool] = True
    slots: ClassVar[Mapping[str, float | str | When]] = {}
    rule: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "rule" in vars(cls):
            _check_signature(cls)

    def initial_state(self, parameters: Parameters) -> State:
        """Return one array shaped like ``parameters.flat`` for each slot in use."""
        state = {}
        for name, declared in self.slots.items():
            start = declared.start if isinstance(declared, When) else declared
            if isinstance(declared, When) and not getattr(self, declared.flag):
                continue
            state[name] = np.empty_like(parameters.flat)
            state[name][...] = starting(self, start, parameters.flat)
        return state

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Apply the rule to every parameter of every run."""
        slots = [state.get(name) for name in self.slots]
        apply_rule(type(self).rule, parameters.flat, gradients.flat, slots, self._keywords(columns))

    def _keywords(self, columns: Columns) -> dict[str, Any]:
        wanted = inspect_keywords(type(self).rule)
        return {**{name: columns[name] for name in wanted if name in columns}, **self.constants(columns)}

    def constants(self, columns: Collection[str]) -> dict[str, Any]:
        """Return what the rule takes of this optimizer's structure, flags above all: the fields not in ``columns``."""
        wanted = inspect_keywords(type(self).rule)
        return {name: getattr(self, name) for name in wanted if name in self.fields and name not in columns}


def inspect_keywords(rule: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a rule's keyword-only arguments."""
    code = rule.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def _check_signature(cls: type[ElementwiseOptimizer]) -> None:
    names = list(inspect.signature(cls.rule).parameters.values())
    positional = [p.name for p in names if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if positional[2:] != list(cls.slots):
        raise PluginError(
            f"{cls.__name__}.rule takes the state {positional[2:]} after the parameter and its gradient, "
            f"but slots declares {list(cls.slots)}: make them the same, in the same order"
        )
