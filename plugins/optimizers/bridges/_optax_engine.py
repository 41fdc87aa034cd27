"""One run's step of an optax optimizer, compiled by JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from framework import Columns, Objective, Parameters, State


class Engine:
    """The step of an optax optimizer for one run, compiled by JAX.

    Args:
        optimizer: an `OptaxOptimizer`.
        row: the index of the run.
        parameters: the population's parameters; their shapes and dtype are those of the compiled step.
    """

    def __init__(self, optimizer: Any, row: int, parameters: Parameters) -> None:
        import jax

        rows = optimizer.rows
        self._settings = rows[row % len(rows)]
        self._optimizer = optimizer
        self._row = row
        self._ask: Callable[[np.ndarray], np.ndarray] | None = None
        with precision(parameters):
            shapes = jax.eval_shape(self._initial, parameters.row(row))
            paths, self._structure = jax.tree_util.tree_flatten_with_path(shapes)
            self._names = [
                f"{place}.{jax.tree_util.keystr(path, simple=True, separator='.')}"
                for place, (path, _) in enumerate(paths)
            ]
            self._keys = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for _, leaf in paths]
            self._step = jax.jit(self._traced)

    def _initial(self, params: Any) -> Any:
        return self._optimizer.made(self._settings, self._settings.get("lr")).init(params)

    def initial(self, parameters: Parameters) -> dict[str, np.ndarray]:
        """Return the leaves of optax's initial state for the run, by name."""
        return dict(zip(self._names, self._plain(self._initial(parameters.row(self._row))), strict=True))

    def tree(self, state: State) -> Any:
        """Return optax's state, built from the run's row of the state arrays."""
        return self._tree([state[name][self._row, ...] for name in self._names])

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Update the run's parameters and state in place."""
        row = self._row
        lr = np.broadcast_to(columns["lr"], (parameters.runs, 1))[row, 0] if "lr" in columns else None
        self._ask = _asking(parameters, gradients, objective, row)
        leaves = [state[name][row, ...] for name in self._names]
        values, slopes = parameters.row(row), gradients.row(row)  # copies: JAX may read them after the call
        moved, new = self._step(leaves, lr, values, slopes, objective.losses[row])
        for name, value in moved.items():
            parameters.views[name][row] = value
        for name, leaf in zip(self._names, new, strict=True):
            state[name][row] = leaf

    def _traced(self, leaves: list[Any], lr: Any, params: Any, grads: Any, loss: Any) -> tuple[Any, list[Any]]:
        import optax

        made = self._optimizer.made(self._settings, lr)
        extra = {"value": loss, "grad": grads}
        if self._optimizer.needs_closure:
            extra["value_fn"] = self._function()
        updates, state = made.update(grads, self._tree(leaves), params, **extra)
        return optax.apply_updates(params, updates), self._plain(state)

    def _tree(self, leaves: list[Any]) -> Any:
        import jax

        wrapped = [
            jax.random.wrap_key_data(leaf) if key else leaf for key, leaf in zip(self._keys, leaves, strict=True)
        ]
        return jax.tree.unflatten(self._structure, wrapped)

    def _plain(self, tree: Any) -> list[Any]:
        import jax

        leaves = jax.tree.leaves(tree)
        return [jax.random.key_data(leaf) if key else leaf for key, leaf in zip(self._keys, leaves, strict=True)]

    def _function(self) -> Callable[[Any], Any]:
        """Return the run's loss as a function that JAX can differentiate; values and gradients are the objective's.

        Numbers are passed as their bits, because JAX calls back from its own thread, in which it would round float64.
        """
        import jax
        from jax.flatten_util import ravel_pytree

        def ask(params: Any) -> Any:
            flat, unravel = ravel_pytree(params)
            bits = jax.lax.bitcast_convert_type(flat, np.uint32)
            shape = jax.ShapeDtypeStruct((flat.size + 1, *bits.shape[1:]), np.uint32)
            found = jax.pure_callback(lambda point: self._ask(point), shape, bits)  # type: ignore[misc]
            loss_and_slope = jax.lax.bitcast_convert_type(found, flat.dtype)
            return loss_and_slope[0], unravel(loss_and_slope[1:])

        def backward(slopes: Any, factor: Any) -> tuple[Any]:
            return (jax.tree.map(lambda slope: factor * slope, slopes),)

        function = jax.custom_vjp(lambda params: ask(params)[0])
        function.defvjp(ask, backward)
        return function


def _asking(
    parameters: Parameters, gradients: Parameters, objective: Objective, row: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that evaluates one run at another point and restores parameters and gradients.

    It takes a point and returns the loss and the gradient there. Each is passed as the bits of one vector, with the
    tensors in JAX's order: sorted by name.
    """
    names = sorted(parameters.views)

    def evaluate(bits: np.ndarray) -> np.ndarray:
        here, slope = parameters.flat.copy(), gradients.flat.copy()
        point, start = np.array(bits).reshape(-1).view(parameters.dtype), 0
        for name in names:
            view = parameters.views[name][row, ...]
            view[...] = point[start : start + view.size].reshape(view.shape)
            start += view.size
        loss = objective.evaluate()[row]
        found = np.concatenate([[loss], *(gradients.views[name][row].reshape(-1) for name in names)])
        parameters.flat[...], gradients.flat[...] = here, slope
        return found.astype(parameters.dtype).view(np.uint32).reshape(-1, *bits.shape[1:])

    return evaluate


def precision(parameters: Parameters) -> AbstractContextManager[Any]:
    """Return the context in which JAX computes in the parameters' dtype."""
    import jax

    if hasattr(jax, "enable_x64"):
        context: AbstractContextManager[Any] = jax.enable_x64(parameters.dtype == np.float64)
    else:  # before JAX 0.8
        context = importlib.import_module("jax.experimental").enable_x64(parameters.dtype == np.float64)
    return context
