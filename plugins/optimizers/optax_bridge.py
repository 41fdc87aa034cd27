"""optax's own optimizers, where optax is installed: ``optimizer=optax/adam`` and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from framework.fields import Field
from framework.hookspecs import hookimpl
from framework.optimizer import Columns, Objective, Optimizer, State
from framework.parameters import Parameters
from framework.specs import OptimizerSpec
from plugins.optimizers._signatures import Argument, Signature, functions, learning_rate, package_folder

RATE = "learning_rate"
"""What optax calls lr."""

DEFAULT_LR = 1e-3
"""Where optax demands a learning rate; where it merely allows one, 1 is the same as none."""

OMITTED = {"seed", "verbose", "print_win_rate_every_n_steps", "weight_decay_mask", "trust_ratio_mask"}
"""Arguments that are deprecated, print, or are no numbers: they keep optax's defaults."""

LEFT_OUT = {
    "dpsgd": "it takes one gradient a sample",
    "optimistic_adam": "it is deprecated for optimistic_adam_v2",
    "sophia": "it takes second derivatives of a JAX function",
}
"""optax's optimizers that are not registered, and why."""

NEEDS_LOSS = {"polyak_sgd", "momo", "momo_adam", "lbfgs"}
"""Those that read the loss: optax's signatures do not tell."""

DESCRIPTION = """{module}.{name}, as JAX runs it.

    Parameters and gradients are copied to JAX and the parameters back; the fields are those of optax's function, with
    ``lr`` for learning_rate (1e-3 where optax demands one) and a pair such as ``betas`` split into one field a number.
    Masks, data types and functions keep their defaults. Meant for comparison: each run steps alone. Fields have
    no declared range; optax refuses what it does not take.

    Source: the documentation of {module}.{name}.
    """


class OptaxOptimizer(Optimizer):
    """What all optimizers of optax have in common. Its state lives in this project's arrays, one for each leaf."""

    shares = False
    whole = True
    converges = ""
    foreign = "optax"
    module: ClassVar[str]
    signature: ClassVar[Signature]

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return optax's own complaint about the values, or None."""
        try:
            cls.made(values, values.get("lr"))
        except (ValueError, TypeError) as error:
            return str(error)
        return None

    def coefficients(h, t):
        return {name: column for name, column in vars(h).items() if name == "lr"}

    @classmethod
    def made(cls, row: Mapping[str, Any], lr: Any) -> Any:
        """Return optax's transformation for one run's field values."""
        import importlib

        import optax

        rate = {} if lr is None else {RATE: lr}
        factory = getattr(importlib.import_module(cls.module), cls.signature.name)
        return optax.with_extra_args_support(factory(**cls.signature.keywords(row), **rate))

    def initial_state(self, parameters: Parameters) -> State:
        """Return one array for each leaf of optax's state, ``(R, *leaf)``."""
        state: State = {}
        with _precision(parameters):
            for row, engine in enumerate(self._engines(parameters)):
                for name, leaf in engine.initial(parameters).items():
                    state.setdefault(name, np.empty((parameters.runs, *leaf.shape), leaf.dtype))[row] = leaf
        return state

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Let optax step each run."""
        with _precision(parameters):
            for engine in self._engines(parameters):
                engine.step(parameters, gradients, state, columns, objective)

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the averages of a schedule-free method, ``(R, size)``; None for others."""
        from optax import contrib

        point = parameters.like()
        with _precision(parameters):
            for row, engine in enumerate(self._engines(parameters)):
                held = engine.tree(state)
                if not isinstance(held, contrib.ScheduleFreeState):
                    return None
                for name, value in contrib.schedule_free_eval_params(held, parameters.row(row)).items():
                    point.views[name][row] = value
        return point.flat

    def _engines(self, parameters: Parameters) -> list[Engine]:
        """Return one engine a run; they hold compiled code and no state."""
        key = (tuple(parameters.shapes.items()), parameters.runs, parameters.dtype)
        if self.__dict__.get("_built", (None,))[0] != key:
            self._built = (key, [Engine(self, row, parameters) for row in range(parameters.runs)])
        return self._built[1]


class Engine:
    """optax's step for one run, compiled."""

    def __init__(self, optimizer: OptaxOptimizer, row: int, parameters: Parameters) -> None:
        import jax

        rows = optimizer.rows
        self._settings = rows[row % len(rows)]
        self._optimizer = optimizer
        self._row = row
        self._ask: Callable[[np.ndarray], np.ndarray] | None = None
        with _precision(parameters):
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
        """Return the leaves of optax's first state by name."""
        return dict(zip(self._names, self._plain(self._initial(parameters.row(self._row))), strict=True))

    def tree(self, state: State) -> Any:
        """Return optax's state, made of the run's row of ours."""
        return self._tree([state[name][self._row, ...] for name in self._names])

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Move the run's parameters and state in place."""
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
        """Return the run's loss as a function JAX can differentiate: values and slopes come from the objective.

        Numbers cross over as their bits: JAX calls back from a thread of its own, in which it would round float64.
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
    """Return a function that evaluates one run elsewhere and leaves the buffers as they are.

    It takes a point and returns loss and slope there, both as the bits of one vector, the tensors in JAX's
    order: sorted by name.
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


def _precision(parameters: Parameters) -> AbstractContextManager[Any]:
    """Return the context in which JAX computes in the parameters' dtype."""
    import jax

    return jax.enable_x64(parameters.dtype == np.float64)


def registered() -> Iterator[tuple[str, type[OptaxOptimizer]]]:
    """Yield the name and class of each of optax's optimizers, none without optax."""
    folder = package_folder("optax")
    if folder is None:
        return
    files = [(folder / "_src" / "alias.py", "optax")]
    files += [(file, "optax.contrib") for file in sorted((folder / "contrib").glob("_[a-z]*.py"))]
    for file, module in files:
        if file.is_file() and not file.name.endswith("_test.py"):
            for signature in functions(file.read_text("utf-8")):
                if _is_optimizer(signature):
                    yield f"optax/{signature.name}", _class(signature, module)


def _is_optimizer(signature: Signature) -> bool:
    names = {argument.name for argument in signature.arguments}
    demanded = {argument.name for argument in signature.arguments if argument.required}
    known = signature.name not in LEFT_OUT and not signature.name.startswith("scale_by_")
    return known and bool(names & {RATE, "max_" + RATE}) and demanded <= {RATE}


def _class(signature: Signature, module: str) -> type[OptaxOptimizer]:
    arguments = {argument.name: argument for argument in signature.arguments if argument.name not in OMITTED}
    fields: dict[str, Field] = {}
    if (rate := arguments.pop(RATE, None)) is not None:
        fields["lr"] = learning_rate(_default(rate))
    kept = replace(signature, arguments=tuple(map(_settable, arguments.values())))
    traits = {
        "__doc__": DESCRIPTION.format(name=signature.name, module=module),
        "__module__": __name__,
        "module": module,
        "signature": kept,
        "needs_closure": "linesearch" in arguments,
        "needs_loss": signature.name in NEEDS_LOSS,
        "own_step_size": rate is None,
    }
    return type(f"Optax{signature.name.title().replace('_', '')}", (OptaxOptimizer,), traits | fields | kept.fields())


def _default(rate: Argument) -> float:
    if rate.required:
        return DEFAULT_LR
    return 1.0 if rate.default is None else float(rate.default)


def _settable(argument: Argument) -> Argument:
    """Return the argument as one that can be set: a random key is a whole number."""
    return replace(argument, default=0, annotation="int") if argument.name == "key" else argument


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield one optimizer for each of optax's, its contributed ones included."""
    for name, cls in registered():
        yield OptimizerSpec(name, cls)
