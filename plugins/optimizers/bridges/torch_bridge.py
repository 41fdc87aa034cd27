"""torch's own optimizers, if torch is installed: ``optimizer=torch/adam`` and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from framework import Columns, InputError, Objective, Optimizer, OptimizerSpec, Parameters, State, hookimpl

from . import _torch_history
from ._signatures import Signature, classes, package_folder
from ._twins import learning_rate

if TYPE_CHECKING:
    import torch

OMITTED = {"params", "foreach", "fused", "capturable", "differentiable", "maximize"}
"""Arguments that select torch's implementation and not the algorithm: they keep torch's defaults."""

OTHER_FILES = {"lr_scheduler.py", "swa_utils.py"}
"""Large files of ``torch.optim`` that contain no optimizers and are not read."""

HISTORY = "history_size"
"""The field of an optimizer with the memory of L-BFGS, which torch keeps as state of its first tensor."""

LEFT_OUT = {"SparseAdam": "it takes sparse gradients, which no model here has"}
"""torch's optimizers that are not registered, with the reason."""

OWN_STEP_SIZE = {"Rprop"}
"""Optimizers for which lr is only the initial step size, so that a schedule has no effect."""

DESCRIPTION = """torch.optim.{name}, as torch runs it.

    torch steps in place on views of this project's parameters and gradients; the fields are those of its constructor,
    a pair such as ``betas`` split into one field per number. Arguments that choose torch's implementation
    ({omitted}) keep their defaults. Meant for comparison: each run steps alone. Fields have no declared range; torch
    checks their values.

    Source: the documentation of torch.optim.{name}.
    """


class TorchOptimizer(Optimizer):
    """Base class of all optimizers of torch.

    torch's state tensors are views of this project's state arrays. They replace torch's own tensors after the step that
    creates them, so that a checkpoint needs no export. The memory of L-BFGS, which is not made of tensors alone, is
    copied at each step.
    """

    vectorized = False
    couples_tensors = True
    converges = ""
    external = "torch"
    signature: ClassVar[Signature]

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return torch's error message for the values, or None if it accepts them."""
        import torch

        try:
            cls.made([torch.zeros(1, 1)], values)
        except (ValueError, TypeError, RuntimeError) as error:
            return str(error)
        return None

    def coefficients(h, t):
        return dict(lr=h.lr)

    @classmethod
    def made(cls, tensors: list[torch.Tensor], row: Mapping[str, Any]) -> torch.optim.Optimizer:
        """Return torch's optimizer for one run's tensors and field values."""
        import torch

        made: torch.optim.Optimizer = getattr(torch.optim, cls.signature.name)(tensors, **cls.signature.keywords(row))
        return made

    def initial_state(self, parameters: Parameters) -> State:
        """Return the arrays for torch's state, and the count of steps ``(R, 1)``.

        Raises:
            InputError: torch does not accept tensors of these shapes.
        """
        steps: State = {"steps": np.zeros((parameters.runs, 1), dtype=np.int64)}
        layout = self.layout(parameters)
        if layout is None and HISTORY in self.fields:
            layout = _torch_history.arrays(parameters, self.rows[0][HISTORY])
        return steps | (layout or {})

    def layout(self, parameters: Parameters) -> State | None:
        """Return arrays of zeros shaped as the state after a first step, or None if torch's state has other objects.

        torch creates its state at the first step; its layout is therefore taken from a step on copies.

        Raises:
            InputError: torch does not accept tensors of these shapes.
        """
        import torch

        tensors = {name: torch.from_numpy(view[0, ...].copy()) for name, view in parameters.views.items()}
        for tensor in tensors.values():
            tensor.grad = torch.ones_like(tensor)
        try:
            tried = self.made(list(tensors.values()), self.rows[0])
            tried.step(lambda: 1.0) if self.needs_closure else tried.step()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{self.label()}: {error}: choose another optimizer or another model") from error
        found: State = {}
        for name, tensor in tensors.items():
            for key, value in tried.state[tensor].items():
                if not torch.is_tensor(value):
                    return None
                found[f"{name}/{key}"] = np.zeros((parameters.runs, *value.shape), dtype=value.numpy().dtype)
        return found

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Update each run by a step of torch, one after the other."""
        steps = state["steps"]
        held = self.__dict__.get("_held")
        if held is None or not (held[0] is parameters and held[1] is gradients and held[2] is steps):
            self._held = (parameters, gradients, steps)
            self._engines = [Engine(self, row, parameters, gradients) for row in range(parameters.runs)]
        slope = gradients.flat.copy() if self.needs_closure else None
        lr = np.broadcast_to(columns["lr"], steps.shape)
        with _one_thread():
            for row, engine in enumerate(self._engines):
                engine.step(state, float(lr[row, 0]), objective)
                if slope is not None:
                    gradients.flat[...] = slope


class Engine:
    """torch's optimizer for one run, on views of the run's row of parameters and gradients."""

    def __init__(self, optimizer: TorchOptimizer, row: int, parameters: Parameters, gradients: Parameters) -> None:
        import torch

        self._optimizer = optimizer
        self._parameters = parameters
        self._row = row
        self._tensors = {name: torch.from_numpy(view[row, ...]) for name, view in parameters.views.items()}
        for name, tensor in self._tensors.items():
            tensor.grad = torch.from_numpy(gradients.views[name][row, ...])
        self._first = next(iter(self._tensors.values()))
        self._taken: int | None = None

    def step(self, state: State, lr: float, objective: Objective) -> None:
        """Take one step with the learning rate ``lr``.

        Raises:
            InputError: the run is resumed, and torch's state has objects that are not in the state arrays.
        """
        steps = state["steps"][self._row]
        if self._taken != steps[0]:
            self._begin(state, int(steps[0]))
        keeps_history = HISTORY in self._optimizer.fields
        if keeps_history:
            self._made.state[self._first] = _torch_history.read(state, self._row)
        for group in self._made.param_groups:
            group["lr"] = lr
        self._made.step(self._closure(objective)) if self._optimizer.needs_closure else self._made.step()
        steps += 1
        self._taken = int(steps[0])
        if keeps_history:
            _torch_history.write(self._made.state[self._first], state, self._row)
        else:
            self._share(state)

    def _begin(self, state: State, taken: int) -> None:
        """Build torch's optimizer in its state after ``taken`` steps, from the state arrays."""
        rows = self._optimizer.rows
        self._made = self._optimizer.made(list(self._tensors.values()), rows[self._row % len(rows)])
        self._views: dict[str, torch.Tensor] = {}
        if not taken:
            return
        if HISTORY in self._optimizer.fields:
            return  # `step` reads it
        if self._optimizer.layout(self._parameters) is None:
            raise InputError(
                f"{self._optimizer.label()} keeps its memory inside torch: it cannot go on after {taken} steps"
            )
        for name, tensor in self._tensors.items():
            for place in state:
                whose, _, key = place.rpartition("/")
                if whose == name:
                    self._made.state[tensor][key] = self._view(state, place)

    def _view(self, state: State, key: str) -> torch.Tensor:
        import torch

        if key not in self._views:
            self._views[key] = torch.from_numpy(state[key][self._row, ...])
        return self._views[key]

    def _share(self, state: State) -> None:
        """Copy tensors that torch has newly created to the state arrays, and replace them by views of these."""
        for name, tensor in self._tensors.items():
            held = self._made.state[tensor]
            for key in held:
                place = f"{name}/{key}"
                if place in state and held[key] is not self._views.get(place):
                    view = self._view(state, place)
                    view.copy_(held[key])
                    held[key] = view

    def _closure(self, objective: Objective) -> Callable[[], float]:
        """Return torch's closure; its first call returns the loss that is already known."""
        known = [objective.losses]

        def closure() -> float:
            losses = known.pop() if known else objective.evaluate()
            return float(losses[self._row])

        return closure


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread, so that bits do not depend on the number of the machine's cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def registered() -> Iterator[tuple[str, type[TorchOptimizer]]]:
    """Yield the name and class of each of torch's optimizers; nothing if torch is not installed."""
    folder = package_folder("torch")
    files = sorted((folder / "optim").glob("*.py")) if folder else []
    found = [entry for file in files if file.name not in OTHER_FILES for entry in classes(file.read_text("utf-8"))]
    bases = {"Optimizer", *(signature.name for signature, base, _ in found if base == "Optimizer")}
    for signature, base, demanding in found:
        if base in bases and signature.name not in LEFT_OUT:
            yield f"torch/{signature.name.lower()}", _class(signature, demanding)


def _class(signature: Signature, demanding: bool) -> type[TorchOptimizer]:
    kept = tuple(argument for argument in signature.arguments if argument.name not in OMITTED)
    trimmed = replace(signature, arguments=kept)
    fields: dict[str, Any] = trimmed.fields()
    fields["lr"] = learning_rate(signature.name.lower(), fields["lr"].default)
    omitted = ", ".join(sorted(OMITTED - {"params"}))
    documented = DESCRIPTION.format(name=signature.name, omitted=omitted)
    traits = {"__doc__": documented, "__module__": __name__, "signature": trimmed}
    traits |= {"needs_closure": demanding, "own_step_size": signature.name in OWN_STEP_SIZE}
    return type(f"Torch{signature.name}", (TorchOptimizer,), {**traits, **fields})


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield one optimizer per registered class of ``torch.optim``."""
    for name, cls in registered():
        yield OptimizerSpec(name, cls)
