"""Base class of optimizers whose rule is a pure elementwise function.

The rule is written as in its paper::

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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework.base.optimizer import Columns, Objective, Optimizer, starting
from framework.base.parameters import Parameters, State
from framework.errors import PluginError


@dataclass(frozen=True)
class When:
    """A slot that is allocated only if a flag is true.

    Attributes:
        flag: the name of the flag.
        start: the slot's start: a number, the name of a hyperparameter, or `HERE`.
    """

    flag: str
    start: float | str = 0


def when(flag: str, start: float | str = 0) -> When:
    """Return a slot that is allocated only if ``flag`` is true; otherwise the rule gets None in its place.

    Args:
        flag: the name of a flag of the optimizer.
        start: the slot's start: a number, the name of a hyperparameter, or `HERE`.
    """
    return When(flag, start)


class ElementwiseOptimizer(Optimizer):
    """An optimizer whose rule updates each parameter from that parameter's own numbers.

    The rule is a pure function: its result depends on its arguments only.

    Attributes:
        slots: state arrays shaped like the parameters, by name. Each value is the array's start: a number, the name
            of a hyperparameter, `HERE` for the parameters' initial values, or a `when`.
        rule: ``rule(p, g, *slots, *, <coefficients and flags by name>)`` returns the new parameter and the new
            slots, in the order of its arguments. It may use `framework.elementwise` and arithmetic; ``if`` only
            on flags.
        exact: whether the rule uses only arithmetic and `framework.elementwise`, which give the same bits in every
            engine. A rule with, for example, a cube root or a logarithm sets False and runs in NumPy only.

    Raises:
        PluginError: at class creation, if the rule's positional arguments do not match ``slots``.
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
        """Return one array shaped like ``parameters.flat`` per slot in use."""
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
        """Return the rule's keyword arguments that are structure, mostly flags: the fields not in ``columns``."""
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


BLOCK = 16_384
"""Elements per block over all runs: a rule's temporaries then fit into the second-level cache."""


def apply_rule(
    rule: Callable[..., Any],
    parameters: np.ndarray,
    gradients: np.ndarray,
    slots: Sequence[np.ndarray | None],
    keywords: Mapping[str, Any],
) -> None:
    """Update ``parameters`` and ``slots`` in place with ``rule``, block by block.

    Args:
        rule: ``rule(p, g, *slots, **keywords)`` returning the new p and the new slots.
        parameters: shape ``(R, size)``.
        gradients: shape ``(R, size)``; not altered.
        slots: shape ``(R, size)`` each, or None for a slot that is not in use.
        keywords: columns ``(R, 1)`` in the parameters' dtype, and flags.

    Divisions by zero and overflows follow IEEE 754 without a warning: some rules rely on them, and they occur in
    diverging runs.
    """
    runs, size = parameters.shape
    width = max(1, BLOCK // max(1, runs))
    with np.errstate(all="ignore"):
        for start in range(0, size, width):
            block = (slice(None), slice(start, start + width))
            old = [None if slot is None else slot[block] for slot in slots]
            new = rule(parameters[block], gradients[block], *old, **keywords)
            moved, *rest = new if isinstance(new, tuple) else (new,)
            parameters[block] = moved
            for slot, value in zip(slots, rest, strict=True):
                if slot is not None:
                    slot[block] = value
