"""The path of an optimizer on a plain function: for pictures, tests and a first look at a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.errors import InputError
from framework.optimizer import Optimizer
from framework.parameters import Parameters
from framework.registry import find
from framework.update import Update


def trace(
    optimizer: str | type[Optimizer] | Optimizer,
    grad: Callable[[np.ndarray], Any],
    x0: Any,
    steps: int,
    *,
    fun: Callable[[np.ndarray], Any] | None = None,
    **hyper: Any,
) -> np.ndarray:
    """Return where an optimizer goes from ``x0``, step by step, without a schedule and without stages.

    ::

        path = framework.trace("adam", lambda x: 2 * x, [3.0, -1.0], 100, lr=0.1)

    Args:
        optimizer: a registered name such as ``"adam"`` or ``"blog/adam"``, a class, or an instance of one run.
        grad: takes a point ``(n,)`` in x0's dtype and returns the gradient there, ``(n,)``.
        x0: the starting point, finite, shape ``(n,)``; float32 or float64, whole numbers become float64.
        steps: how many steps, at least 0.
        fun: the function itself, for optimizers that need its value (`Optimizer.needs_loss`).
        **hyper: the optimizer's fields; not together with an instance, which has its own.

    Returns:
        The points that the optimizer would evaluate, ``(steps + 1, n)``, in x0's dtype; row 0 is x0. A path
        that diverges goes on as inf or NaN.

    Raises:
        InputError: an unknown name or field, a value out of range, or an x0, steps or gradient that does not fit.
    """
    made = _made(optimizer, hyper)
    if made.needs_loss and fun is None:
        raise InputError(f"trace: optimizer {made.label()} reads the function's value: pass fun= beside grad")
    start = _point(x0)
    steps = _count(steps)
    parameters = Parameters({"x": start.shape}, 1, start.dtype)
    parameters.flat[0] = start
    point = PointObjective(parameters, parameters.like(), grad, fun)
    update = Update(made, parameters, point.gradients, total=max(steps, 1))
    path = np.empty((steps + 1, start.size), dtype=start.dtype)
    path[0] = start
    for t in range(1, steps + 1):
        point.losses = point.evaluate()
        update.step(t, point)
        with update.evaluating():
            path[t] = parameters.flat[0]
    return path


@dataclass
class PointObjective:
    """A plain function at the point where the parameters are.

    Attributes:
        losses: the function's value there, shape ``(1,)``; NaN without ``fun``.
    """

    parameters: Parameters
    gradients: Parameters
    grad: Callable[[np.ndarray], Any]
    fun: Callable[[np.ndarray], Any] | None
    losses: np.ndarray = field(default_factory=lambda: np.array([np.nan]))

    def evaluate(self) -> np.ndarray:
        """Write the gradient at the present point; return the function's value there, shape ``(1,)``."""
        point = self.parameters.flat[0]
        self.gradients.flat[0] = _gradient(self.grad, point)
        value = np.nan if self.fun is None else float(self.fun(point.copy()))
        return np.array([value], dtype=point.dtype)


def _made(optimizer: str | type[Optimizer] | Optimizer, hyper: dict[str, Any]) -> Optimizer:
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


def _point(x0: Any) -> np.ndarray:
    start = np.asarray(x0)
    if np.issubdtype(start.dtype, np.integer):
        start = start.astype(np.float64)
    if start.dtype not in (np.float32, np.float64):
        raise InputError(f"trace: x0 has dtype {start.dtype}: make it float32 or float64")
    if start.ndim != 1 or start.size == 0:
        raise InputError(f"trace: x0 has shape {start.shape}: make it a list of at least one number")
    if not np.isfinite(start).all():
        raise InputError(
            f"trace: x0 has numbers that are not finite, the first at place {np.argmin(np.isfinite(start))}"
        )
    return start


def _count(steps: Any) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
        raise InputError(f"trace: steps={steps} must be a whole number >= 0")
    return int(steps)


def _gradient(grad: Callable[[np.ndarray], Any], point: np.ndarray) -> np.ndarray:
    found = np.asarray(grad(point.copy()))  # a copy: a gradient function that works in place must not move the path
    if found.shape != point.shape:
        raise InputError(
            f"trace: grad returned shape {found.shape} for a point of shape {point.shape}: make them equal"
        )
    if not (np.issubdtype(found.dtype, np.floating) or np.issubdtype(found.dtype, np.integer)):
        raise InputError(f"trace: grad returned dtype {found.dtype}: it must return real numbers")
    return found
