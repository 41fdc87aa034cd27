"""optax's own optimizers, if optax is installed: ``optimizer=optax/adam`` and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from framework import Columns, Field, Objective, Optimizer, OptimizerSpec, Parameters, State, hookimpl

from ._optax_engine import Engine, precision
from ._signatures import Argument, Signature, functions, package_folder
from ._twins import learning_rate

RATE = "learning_rate"
"""optax's name for ``lr``."""

OMITTED = {"seed", "verbose", "print_win_rate_every_n_steps", "weight_decay_mask", "trust_ratio_mask"}
"""Arguments that are deprecated, control printing, or are not numbers: they keep optax's defaults."""

LEFT_OUT = {
    "dpsgd": "it takes one gradient per sample",
    "optimistic_adam": "it is deprecated for optimistic_adam_v2",
    "sophia": "it takes second derivatives of a JAX function",
}
"""optax's optimizers that are not registered, with the reason."""

NEEDS_LOSS = {"polyak_sgd", "momo", "momo_adam", "lbfgs"}
"""Optimizers that read the loss, which their signatures in optax do not show."""

OWN_STEP_SIZE = {"rprop"}
"""Optimizers for which lr is only the initial step size, so that a schedule has no effect."""

DESCRIPTION = """{module}.{name}, as JAX runs it.

    Parameters and gradients are copied to JAX and the parameters back; the fields are those of optax's function, with
    ``lr`` for learning_rate and a pair such as ``betas`` split into one field per number. If optax has no default for
    ``lr``, it is that of this project's optimizer of the same name, or 1e-3. Masks, data types and functions keep their
    defaults. Meant for comparison: each run steps alone. Only ``lr`` has a declared range; optax checks other values.

    Source: the documentation of {module}.{name}.
    """


class OptaxOptimizer(Optimizer):
    """Base class of all optimizers of optax. Their state is kept in this project's arrays, one per leaf."""

    vectorized = False
    couples_tensors = True
    converges = ""
    external = "optax"
    module: ClassVar[str]
    signature: ClassVar[Signature]

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return optax's error message for the values, or None if it accepts them."""
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
        """Return one array per leaf of optax's state, ``(R, *leaf)``."""
        state: State = {}
        with precision(parameters):
            for row, engine in enumerate(self._engines(parameters)):
                for name, leaf in engine.initial(parameters).items():
                    state.setdefault(name, np.empty((parameters.runs, *leaf.shape), leaf.dtype))[row] = leaf
        return state

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Update each run by a step of optax, one after the other."""
        with precision(parameters):
            for engine in self._engines(parameters):
                engine.step(parameters, gradients, state, columns, objective)

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the averages of a schedule-free method, ``(R, size)``; None for others."""
        from optax import contrib

        point = parameters.like()
        with precision(parameters):
            for row, engine in enumerate(self._engines(parameters)):
                held = engine.tree(state)
                if not isinstance(held, contrib.ScheduleFreeState):
                    return None
                for name, value in contrib.schedule_free_eval_params(held, parameters.row(row)).items():
                    point.views[name][row] = value
        return point.flat

    def _engines(self, parameters: Parameters) -> list[Engine]:
        """Return one engine per run; engines contain compiled code and no state."""
        key = (tuple(parameters.shapes.items()), parameters.runs, parameters.dtype)
        if self.__dict__.get("_built", (None,))[0] != key:
            self._built = (key, [Engine(self, row, parameters) for row in range(parameters.runs)])
        return self._built[1]


def registered() -> Iterator[tuple[str, type[OptaxOptimizer]]]:
    """Yield the name and class of each of optax's optimizers; nothing if optax is not installed."""
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
        fields["lr"] = learning_rate(signature.name, _default(rate))
    kept = replace(signature, arguments=tuple(map(_settable, arguments.values())))
    traits = {
        "__doc__": DESCRIPTION.format(name=signature.name, module=module),
        "__module__": __name__,
        "module": module,
        "signature": kept,
        "needs_closure": "linesearch" in arguments,
        "needs_loss": signature.name in NEEDS_LOSS,
        "own_step_size": rate is None or signature.name in OWN_STEP_SIZE,
    }
    return type(f"Optax{signature.name.title().replace('_', '')}", (OptaxOptimizer,), traits | fields | kept.fields())


def _default(rate: Argument) -> float | None:
    if rate.required:
        return None
    return 1.0 if rate.default is None else float(rate.default)  # None stands for no factor at all


def _settable(argument: Argument) -> Argument:
    """Return the argument in a form that can be a field: a random key becomes a whole number."""
    return replace(argument, default=0, annotation="int") if argument.name == "key" else argument


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield one optimizer per optimizer of optax, including ``optax.contrib``."""
    for name, cls in registered():
        yield OptimizerSpec(name, cls)
