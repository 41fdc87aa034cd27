"""Torch tensors that step together, as this project's parameters and state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch

from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters
from framework.errors import InputError

STEP = "step"
"""Key of the number of steps taken in the state, as in torch's optimizers."""

SHAPES = "shapes"
"""Key of the shapes of the unit's tensors in the state."""


def check_tensor(tensor: torch.Tensor, label: str) -> None:
    """Raise `InputError` if NumPy cannot view the tensor or the rules do not support its dtype.

    Raises:
        InputError: the tensor is not on the CPU, is sparse, or is neither float32 nor float64.
    """
    good = tensor.device.type == "cpu" and tensor.layout == torch.strided
    if not good or tensor.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"{label}: a tensor is {tensor.dtype}, {tensor.layout} on {tensor.device}; "
            "it must be dense float32 or float64 on the CPU, at every step"
        )


class Unit:
    """The tensors of one run of a rule, and the rule's state for them.

    An elementwise rule steps on the memory of a contiguous tensor. Other rules step on a copy in this project's layout,
    outputs last: torch's dense ``(out, in)`` becomes ``(in, out)``, its kernel ``(out, in, k, k)`` becomes
    ``(k, k, in, out)``.

    Args:
        tensors: the tensors by name.
        optimizer: the rule, for one run.
        saved: the unit's state from `held`, or None for a new state.
        label: name of the rule for error messages.

    Raises:
        InputError: a tensor is not supported, or ``saved`` belongs to another rule or model.

    Attributes:
        anchor: the tensor that is the key of the unit's state in the optimizer's ``state``.
    """

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], optimizer: Optimizer, saved: Mapping[str, Any] | None, label: str
    ) -> None:
        self._tensors = dict(tensors)
        self._label = label
        self._elementwise = optimizer.elementwise
        self.anchor = next(iter(self._tensors.values()))
        for tensor in self._tensors.values():
            check_tensor(tensor, label)
        self._shapes = {name: self._numbers(tensor).shape for name, tensor in self._tensors.items()}
        self._dtype = self.anchor.detach().numpy().dtype
        self._state = optimizer.start(self._values())
        self._taken = 0
        if saved:
            self._restore(saved)

    def held(self) -> dict[str, Any]:
        """Return the state in torch's form: step count, shapes, and tensors that share the arrays' memory."""
        kept = {name: torch.from_numpy(array) for name, array in self._state.items()}
        return {STEP: self._taken, SHAPES: [list(tensor.shape) for tensor in self._tensors.values()], **kept}

    def _restore(self, saved: Mapping[str, Any]) -> None:
        arrays = [saved.get(name) for name in self._state]
        known = saved.keys() == {STEP, SHAPES, *self._state} and len(saved[SHAPES]) == len(self._tensors)
        if not known or not all(isinstance(array, torch.Tensor) for array in arrays):
            raise InputError(f"{self._label}: the state has {sorted(saved)}; the rule needs {sorted(self.held())}")
        for (name, tensor), shape in zip(self._tensors.items(), saved[SHAPES], strict=True):
            self._match(f"tensor {name}", shape, tensor.shape)
        for name, array in self._state.items():
            self._match(f"{name} of tensor {next(iter(self._tensors))}", saved[name].shape, array.shape)
        self._taken = int(saved[STEP])
        for name, array in self._state.items():
            array[...] = saved[name].to(torch.from_numpy(array).dtype).numpy()

    def _match(self, what: str, found: Iterable[int], needed: Iterable[int]) -> None:
        if tuple(found) != tuple(needed):
            raise InputError(
                f"{self._label}: the state belongs to another model: {what} has shape {tuple(found)}; this "
                f"model needs {tuple(needed)}"
            )

    def step(self, optimizer: Optimizer, factor: float, loss: Any, closure: Callable[[], Any] | None) -> bool:
        """Take one step; return False, and take none, if no tensor has a gradient.

        Args:
            optimizer: the rule with its fields, for one run.
            factor: schedule factor of lr.
            loss: the closure's loss at the current tensors, or None.
            closure: function that evaluates the loss again and overwrites the tensors' gradients, or None.
        """
        if all(tensor.grad is None for tensor in self._tensors.values()):
            return False
        values, slopes = self._values(), self._slopes()
        if not self._taken:
            self._state = optimizer.start(values, factor)  # the tensors and lr may have changed since __init__
        self._taken += 1
        if not values.size:
            return True
        table = optimizer.table(np.array([self._taken]), np.full((1, 1, 1), factor), self._state)
        columns = {name: rows[0].astype(values.dtype) for name, rows in table.items()}
        optimizer.step(values, slopes, self._state, columns, _Objective(self, values, loss, closure))
        for name in optimizer.scalars:
            self._state[name][...] = table[name][0]
        self._commit(values)
        return True

    @cached_property
    def _copies(self) -> tuple[Parameters, Parameters]:
        """Buffers for copies of the values and of the gradients."""
        return Parameters(self._shapes, 1, self._dtype), Parameters(self._shapes, 1, self._dtype)

    def _values(self) -> Parameters:
        """Return the values: a view of the tensor if the rule is elementwise and the tensor contiguous, else a copy."""
        self._check()
        if self._elementwise and self.anchor.is_contiguous():
            return Parameters(self._shapes, 1, self._dtype, self.anchor.detach().numpy().reshape(1, -1))
        for name, tensor in self._tensors.items():
            self._copies[0].views[name][0] = self._numbers(tensor)
        return self._copies[0]

    def _check(self) -> None:
        for name, tensor in self._tensors.items():
            check_tensor(tensor, self._label)
            now = self._numbers(tensor)
            if (now.dtype, now.shape) != (self._dtype, self._shapes[name]):
                was = f"{self._dtype} of shape {self._shapes[name]}"
                raise InputError(
                    f"{self._label}: a tensor that was {was} is now {now.dtype} of shape {now.shape}: "
                    "create the optimizer after such changes (load_state_dict restores its state)"
                )

    def _numbers(self, tensor: torch.Tensor) -> np.ndarray:
        """Return a view of the tensor's memory in the rule's layout."""
        numbers: np.ndarray = tensor.detach().numpy()
        if self._elementwise or numbers.ndim < 2:
            return numbers
        return numbers.transpose(*range(2, numbers.ndim), 1, 0)

    def _slopes(self) -> Parameters:
        """Return a copy of the gradients; a missing one counts as zero."""
        slopes = self._copies[1]
        for name, tensor in self._tensors.items():
            self._check_gradient(tensor)
            slopes.views[name][0] = 0 if tensor.grad is None else self._numbers(tensor.grad)
        return slopes

    def _check_gradient(self, tensor: torch.Tensor) -> None:
        if tensor.grad is None:
            return
        if tensor.grad.layout != torch.strided:
            raise InputError(f"{self._label}: a gradient is {tensor.grad.layout}; it must be dense")
        if tensor.grad.dtype != tensor.dtype:
            raise InputError(f"{self._label}: a gradient is {tensor.grad.dtype}; its tensor is {tensor.dtype}")

    def _commit(self, values: Parameters) -> None:
        """Write ``values`` to the tensors and increment their versions, as autograd does not detect NumPy's writes."""
        for name, tensor in self._tensors.items():
            if values is self._copies[0]:
                self._numbers(tensor)[...] = values.views[name][0]
            torch.autograd.graph.increment_version(tensor)

    def evaluate(self, values: Parameters, closure: Callable[[], Any]) -> np.ndarray:
        """Evaluate the closure at ``values``; return the loss, shape ``(1,)``, and read the new gradients."""
        self._commit(values)
        loss = closure()
        self._slopes()
        return np.array([_number(loss)], dtype=self._dtype)

    @contextmanager
    def evaluating(self, optimizer: Optimizer) -> Iterator[None]:
        """Set the tensors to the parameters to evaluate inside a ``with`` block, if they are not the trained ones.

        The trained parameters are restored at the end of the block.
        """
        values = self._values()
        point = optimizer.evaluation_point(values, self._state)
        if point is None:
            yield
            return
        trained = values.flat.copy()
        values.flat[...] = point
        self._commit(values)
        try:
            yield
        finally:
            values.flat[...] = trained
            self._commit(values)


def _number(loss: Any) -> float:
    return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)


class _Objective:
    """The loss that a closure computes, as the objective of a rule.

    Attributes:
        losses: the loss before the step, shape ``(1,)``; NaN if there is none.
    """

    def __init__(self, unit: Unit, values: Parameters, loss: Any, closure: Callable[[], Any] | None) -> None:
        self._unit = unit
        self._values = values
        self._closure = closure
        self.losses = np.array([np.nan if loss is None else _number(loss)], dtype=values.dtype)

    def evaluate(self) -> np.ndarray:
        """Return the loss, shape ``(1,)``, at the current values and overwrite the gradients.

        Raises:
            InputError: there is no closure.
        """
        if self._closure is None:
            raise InputError("the rule evaluates the loss within a step: pass a closure, step(closure)")
        return self._unit.evaluate(self._values, self._closure)
