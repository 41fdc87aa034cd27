"""Base class of optimizers whose rule works on whole tensors (norms, matrices, trust ratios), per run and tensor."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from framework.base.numerics import trailing
from framework.base.optimizer import HERE, Columns, Objective, Optimizer, starting
from framework.base.parameters import Parameters, Shape, State
from framework.errors import PluginError

Start = tuple[Shape, float | str]
"""A slot of one run: its shape and its start (a number, the name of a hyperparameter, or `HERE`)."""


class TensorOptimizer(Optimizer):
    """An optimizer whose rule takes one tensor of R runs at a time, as ``(R, *shape)``.

    Norms and products reduce over one tensor of one run, never over the runs axis or over several tensors: use
    `norm`, `inner` and stacked ``matmul``. With ``couples_tensors`` set, the rule gets all parameters of a run as one
    vector, ``(R, size)``, for methods that estimate one number per run.

    A scalar parameter is passed to the rule as a vector of length 1. A tensor without elements is skipped and has no
    state.

    Attributes:
        couples_tensors: whether the rule gets each run's parameters as one vector instead of tensor by tensor.

    Raises:
        PluginError: at class creation, if the rule's arguments are not ``(p, g, s, c)``.
    """

    couples_tensors: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "rule" in vars(cls):
            _check_signature(cls)

    @abstractmethod
    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return one tensor's slots by name, given its ``shape`` in one run: the shape of each slot and its start."""

    @staticmethod
    @abstractmethod
    def rule(p: np.ndarray, g: np.ndarray, s: Any, c: Any) -> np.ndarray:
        """Return the tensor's new values, shape ``(R, *shape)``. Plugins define it without ``self``.

        Args:
            p: values, ``(R, *shape)``; must not be altered.
            g: gradients, as ``p``; must not be altered.
            s: the slots as attributes, ``(R, *slot shape)``; assign new values to them.
            c: the coefficients and the flags as attributes; columns are ``(R, 1, …)`` to broadcast with ``p``. For
                rules with ``couples_tensors`` set, ``c.losses`` holds the batch's losses, ``(R, 1)``.
        """

    def _tensors(self, parameters: Parameters) -> dict[str, Shape]:
        """Return the shape of each tensor as passed to the rule; tensors without elements are left out."""
        shapes = {"all": (parameters.size,)} if self.couples_tensors else parameters.shapes
        return {name: shape or (1,) for name, shape in shapes.items() if 0 not in shape}

    def _views(self, parameters: Parameters) -> Mapping[str, np.ndarray]:
        """Return each tensor as passed to the rule, ``(R, *shape)``."""
        if self.couples_tensors:
            return {"all": parameters.flat}
        return {name: view if view.ndim > 1 else view[:, None] for name, view in parameters.views.items()}

    def initial_state(self, parameters: Parameters) -> State:
        """Return the slots of all tensors by name, ``tensor/slot``, in the parameters' dtype."""
        state: State = {}
        views = self._views(parameters)
        for tensor, shape in self._tensors(parameters).items():
            for slot, (slot_shape, start) in self.slots(shape).items():
                array = np.empty((parameters.runs, *slot_shape), dtype=parameters.dtype)
                value = starting(self, start, views[tensor])
                if isinstance(start, str) and start != HERE:
                    value = trailing(value, len(slot_shape))
                array[...] = value
                state[f"{tensor}/{slot}"] = array
        return state

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Apply the rule to every tensor."""
        flags = {name: getattr(self, name) for name, spec in self.fields.items() if not spec.column}
        values, slopes = self._views(parameters), self._views(gradients)
        with np.errstate(all="ignore"):  # overflow in diverging runs needs no warning
            for tensor, shape in self._tensors(parameters).items():
                names = list(self.slots(shape))
                s = SimpleNamespace(**{name: state[f"{tensor}/{name}"] for name in names})
                c = SimpleNamespace(**flags, losses=objective.losses[:, None])
                for name, column in columns.items():
                    setattr(c, name, trailing(column, len(shape)))
                values[tensor][...] = self.rule(values[tensor], slopes[tensor], s, c)
                for name in names:
                    state[f"{tensor}/{name}"][...] = getattr(s, name)


def _check_signature(cls: type[TensorOptimizer]) -> None:
    names = list(inspect.signature(cls.rule).parameters)
    if len(names) != len("pgsc") or names[0] == "self":
        raise PluginError(
            f"{cls.__name__}.rule takes {names}: define rule(p, g, s, c), without self, "
            "for values, gradients, slots and coefficients"
        )
