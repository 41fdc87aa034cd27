"""The path of an optimizer on a plain function, for plots, tests and experiments with a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters, Shape
from framework.errors import InputError
from framework.registry.manager import find
from framework.training.update import Update

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ALONE = "x"
"""The name of the tensor if x0 is a single array."""

Traced = str | type[Optimizer] | Optimizer
"""An optimizer to trace: a registered name, a class, or an instance for one run."""

Point = np.ndarray | dict[str, np.ndarray]
"""A point in the form of x0: one tensor, or several by name."""


@overload
def trace(
    optimizer: Traced,
    grad: Callable[[dict[str, np.ndarray]], Mapping[str, ArrayLike]],
    x0: Mapping[str, ArrayLike],
    steps: int,
    *,
    fun: Callable[[dict[str, np.ndarray]], Any] | None = None,
    **hyper: Any,
) -> dict[str, np.ndarray]: ...


@overload
def trace(
    optimizer: Traced,
    grad: Callable[[np.ndarray], ArrayLike],
    x0: ArrayLike,
    steps: int,
    *,
    fun: Callable[[np.ndarray], Any] | None = None,
    **hyper: Any,
) -> np.ndarray: ...


def trace(
    optimizer: Traced,
    grad: Callable[[Any], Any],
    x0: Any,
    steps: int,
    *,
    fun: Callable[[Any], Any] | None = None,
    **hyper: Any,
) -> Point:
    """Return the path of an optimizer from ``x0``, without a schedule and without stages.

    ::

        path = framework.trace("adam", lambda x: 2 * x, [3.0, -1.0], 100, lr=0.1)
        paths = framework.trace("muon", gradients, {"weight": np.ones((4, 3)), "bias": np.zeros(3)}, 100)

    Tensors are interpreted as in training: a matrix is a dense weight ``(in, out)``, a tensor of four axes a kernel
    ``(k, k, in, out)``. Rules with a special treatment of matrices (``muon``, ``shampoo``, ``soap``, ``sm3``,
    ``split``, ``adafactor`` and others) apply it here; their docstrings describe the treatment of vectors. A single
    number is treated as a vector of one number.

    Args:
        optimizer: a registered name such as ``"adam"`` or ``"blog/adam"``, a class, or an instance for one run.
        grad: function of a point in the form of x0 (an array, or a dict of arrays), with its shape and dtype; returns
            the gradient in the same form.
        x0: the starting point, finite: an array of any shape, or a dict of arrays by name. All are float32 or all are
            float64; integers are converted to float64. Tensors without elements are allowed beside others.
        steps: number of steps, at least 0.
        fun: the function itself, for optimizers that need its value (`Optimizer.needs_loss`).
        **hyper: the optimizer's fields; not allowed with an instance.

    Returns:
        The points that the optimizer would evaluate: an array ``(steps + 1, *shape)`` in x0's dtype, or a dict of
        such arrays if x0 is a dict. Row 0 is x0. A path that diverges continues with inf or NaN.

    Raises:
        InputError: a name or field is unknown, a value is out of range, x0, ``steps`` or a gradient is not valid, or
            ``fun`` is missing for an optimizer that needs it.
    """
    made = _made(optimizer, hyper)
    if made.needs_loss and fun is None:
        raise InputError(f"trace: optimizer {made.label()} uses the function's value: pass fun= in addition to grad")
    named = isinstance(x0, Mapping)
    start = _start(x0)
    steps = _count(steps)
    dtype = next(iter(start.values())).dtype
    parameters = Parameters({name: array.shape for name, array in start.items()}, 1, dtype)
    for name, array in start.items():
        parameters.views[name][0] = array
    point = PointObjective(parameters, parameters.like(), grad, fun, named)
    update = Update(made, parameters, point.gradients, total=max(steps, 1))
    path = Parameters(parameters.shapes, steps + 1, dtype)
    path.flat[0] = parameters.flat[0]
    for t in range(1, steps + 1):
        point.losses = point.evaluate()
        update.step(t, point)
        with update.evaluating():
            path.flat[t] = parameters.flat[0]
    paths = {name: np.ascontiguousarray(view) for name, view in path.views.items()}
    return paths if named else paths[ALONE]


@dataclass
class PointObjective:
    """A plain function as an optimizer's objective, evaluated at the current parameters.

    Attributes:
        named: whether the caller's point is a dict of tensors and not one tensor.
        losses: value of the function, shape ``(1,)``; NaN without ``fun``.
    """

    parameters: Parameters
    gradients: Parameters
    grad: Callable[[Any], Any]
    fun: Callable[[Any], Any] | None
    named: bool
    losses: np.ndarray = field(default_factory=lambda: np.array([np.nan]))

    def evaluate(self) -> np.ndarray:
        """Write the gradient at the current point; return the function's value, shape ``(1,)``, NaN without ``fun``."""
        found = self.grad(self._point())
        for name, gradient in self._by_name(found).items():
            self.gradients.views[name][0] = _gradient(gradient, self.parameters.shapes[name], self._where(name))
        value = np.nan if self.fun is None else float(self.fun(self._point()))
        return np.array([value], dtype=self.parameters.dtype)

    def _point(self) -> Point:
        """Return a copy of the point, so that a function that works in place does not change the path."""
        point = self.parameters.row(0)
        return point if self.named else point[ALONE]

    def _by_name(self, found: Any) -> Mapping[str, Any]:
        if not self.named:
            return {ALONE: found}
        wanted = list(self.parameters.shapes)
        if not isinstance(found, Mapping) or found.keys() != set(wanted):
            got = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
            raise InputError(f"trace: grad returned {got}; it must return a dict of arrays with the keys {wanted}")
        return found

    def _where(self, name: str) -> str:
        return f"x0[{name!r}]" if self.named else "a point"


def _made(optimizer: Traced, hyper: dict[str, Any]) -> Optimizer:
    if isinstance(optimizer, str):
        optimizer = find("optimizer", optimizer).cls
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        made = optimizer(**hyper)
    elif not isinstance(optimizer, Optimizer):
        raise InputError(f"trace: optimizer={optimizer!r} is neither a name nor an optimizer's class or instance")
    elif hyper:
        raise InputError(f"trace: {', '.join(hyper)} cannot change an instance: pass its class or name instead")
    else:
        made = optimizer
    if len(made.rows) != 1:
        raise InputError(f"trace: the optimizer has the settings of {len(made.rows)} runs: give each field one value")
    return made


def _start(x0: Any) -> dict[str, np.ndarray]:
    """Return the starting tensors by name.

    Raises:
        InputError: x0 has no numbers, they are not real, not finite or of different dtypes, or a key is not a string.
    """
    named = isinstance(x0, Mapping)
    start = {name: _tensor(value, f"x0[{name!r}]" if named else "x0") for name, value in _items(x0, named=named)}
    if not any(array.size for array in start.values()):
        raise InputError("trace: x0 has no numbers: give at least one")
    kinds = {name: array.dtype for name, array in start.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} is {dtype}" for name, dtype in kinds.items())
        raise InputError(f"trace: the tensors of x0 must have one dtype: {listed}")
    return start


def _items(x0: Any, *, named: bool) -> Iterable[tuple[str, Any]]:
    if not named:
        return [(ALONE, x0)]
    for name in x0:
        if not isinstance(name, str):
            raise InputError(f"trace: x0 has the key {name!r}: its keys must be strings")
    return [(name, value) for name, value in x0.items()]


def _tensor(value: Any, where: str) -> np.ndarray:
    try:
        start = np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise InputError(f"trace: {where} is not an array: {error}") from None
    if np.issubdtype(start.dtype, np.integer):
        start = start.astype(np.float64)
    if start.dtype not in (np.float32, np.float64):
        raise InputError(f"trace: {where} has dtype {start.dtype}: make it float32 or float64")
    finite = np.isfinite(start)
    if not finite.all():
        index = ", ".join(str(at) for at in np.unravel_index(np.argmin(finite), start.shape)) if start.ndim else "0"
        raise InputError(f"trace: {where} has numbers that are not finite, the first at index {index}")
    return start


def _count(steps: Any) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
        raise InputError(f"trace: steps={steps} must be a whole number >= 0")
    return int(steps)


def _gradient(found: Any, shape: Shape, where: str) -> np.ndarray:
    gradient = np.asarray(found)
    if gradient.shape != shape:
        raise InputError(f"trace: grad returned shape {gradient.shape} for {where} of shape {shape}: make them equal")
    if not (np.issubdtype(gradient.dtype, np.floating) or np.issubdtype(gradient.dtype, np.integer)):
        raise InputError(f"trace: grad returned dtype {gradient.dtype} for {where}: it must return real numbers")
    return gradient
