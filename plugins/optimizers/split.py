"""Two optimizers for two kinds of tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from framework import (
    Columns,
    InputError,
    Objective,
    Optimizer,
    OptimizerSpec,
    Parameters,
    State,
    find,
    hookimpl,
    hyper,
    text,
)

LR = {"matrices": "lr", "rest": "rest_lr"}
"""The two parts, and the field that holds each one's learning rate."""

WORDS = {"true": True, "false": False, "null": None}


class Split(Optimizer):
    """Give matrices to one optimizer and all other tensors to another: by default Muon and AdamW.

    Each step is::

        matrices = step of ``matrices`` with ``lr``
        the rest = step of ``rest`` with ``rest_lr``

    Matrices are the tensors with two axes or more, dense weights and convolution kernels, unless their name (such as
    ``1_dense/weight``) contains a match of the regular expression ``names``: ``names=^1_`` leaves the first layer to
    the rest. Vectors and single numbers, such as biases, always go to the rest: ``names`` can remove tensors from
    ``matrices``, never add any. Each part works as if the model had only its tensors: a norm or step size over all of a
    run's parameters is computed over the part. ``lr`` and ``rest_lr`` both follow the schedule.

    Other hyperparameters of the two have their defaults, or are set by name in one text, the same for all runs::

        'optimizer.matrices_with="momentum=0.9 nesterov=false"' 'optimizer.rest_with="weight_decay=0.1"'

    At each step, each part's parameters and gradients are copied in and its parameters out. Optimizers that use the
    loss within a step are refused, because the loss depends on the whole model. Optimizers that step one run at a time,
    such as other libraries', are refused too.

    Source: the usual way to use Muon: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks",
    section "Definition" (matrices by Muon, with the lr of its code, the rest by AdamW).

    Differs from ``optax.multi_transform``: not at all.
    """

    couples_tensors = True
    still_at_zero = False
    tuned = ("lr", "rest_lr")
    lr: float = hyper(0.02, above=0, prior="log", search=(1e-3, 1.0), help="learning rate of the matrices")
    rest_lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate of the rest")
    matrices: str = text("muon", help="the optimizer of the matrices")
    rest: str = text("adamw", help="the optimizer of all other tensors")
    names: str = text("", help="regular expression: matrices that go to the rest")
    matrices_with: str = text("", help="fields of the matrices' optimizer, such as 'a=1 b=true'")
    rest_with: str = text("", help="fields of the rest's optimizer, in the same form")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return the error message of a part that is not valid, else None."""
        try:
            re.compile(values["names"])
            for part in LR:
                _fields_of(part, values)
        except re.error as error:
            return f"names={values['names']} is not a regular expression: {error}"
        except InputError as error:
            return str(error)
        return None

    @cached_property
    def parts(self) -> dict[str, Optimizer]:
        """The two optimizers by the name of their part."""
        made: dict[str, Any] = {}
        for part in LR:
            cls = find("optimizer", getattr(self, part)).cls
            made[part] = cls.stack([_fields_of(part, row) for row in self.rows], part, seeds=self.seeds)
        return made

    @cached_property
    def scalars(self) -> Mapping[str, float]:
        """Both parts' scalars, under the part's name."""
        return {f"{part}/{name}": start for part, made in self.parts.items() for name, start in made.scalars.items()}

    def first_act(self) -> int:
        """Return the first step at which both parts move."""
        return max(made.first_act() for made in self.parts.values())

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return both parts' coefficients, under the part's name."""
        return {
            f"{part}/{name}": rows
            for part, made in self.parts.items()
            for name, rows in made.table(steps, factors, _below(state, part)).items()
        }

    def initial_state(self, parameters: Parameters) -> State:
        """Return both parts' states, under the part's name."""
        state: State = {}
        for part, made in self.parts.items():
            if shapes := self._shapes(parameters, part):
                held = Parameters(shapes, parameters.runs, parameters.dtype)
                _copy(parameters, held)
                state |= {f"{part}/{name}": array for name, array in made.start(held, self.first_factor).items()}
        return state

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Step each part on its own tensors."""
        for part, (values, slopes) in self._buffers(parameters).items():
            _copy(parameters, values)
            _copy(gradients, slopes)
            self.parts[part].step(values, slopes, _below(state, part), _below(columns, part), objective)
            _copy(values, parameters)

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the joined evaluation points, ``(R, size)``, or None if both parts use the trained parameters."""
        whole, moved = parameters.like(), False
        whole.flat[...] = parameters.flat
        for part, (values, _) in self._buffers(parameters).items():
            _copy(parameters, values)
            point = self.parts[part].evaluation_point(values, _below(state, part))
            if point is not None:
                values.flat[...] = point
                _copy(values, whole)
                moved = True
        return whole.flat if moved else None

    def _shapes(self, parameters: Parameters, part: str) -> dict[str, tuple[int, ...]]:
        aside = re.compile(self.names) if self.names else None
        return {
            name: shape
            for name, shape in parameters.shapes.items()
            if (part == "matrices") == (len(shape) > 1 and not (aside and aside.search(name)))
        }

    def _buffers(self, parameters: Parameters) -> dict[str, tuple[Parameters, Parameters]]:
        """Return buffers for values and gradients of each part that has tensors; every step uses the same ones."""
        key = (tuple(parameters.shapes.items()), parameters.runs, parameters.dtype)
        if self.__dict__.get("_working", (None, {}))[0] != key:
            made = {}
            for part in LR:
                if shapes := self._shapes(parameters, part):
                    values = Parameters(shapes, parameters.runs, parameters.dtype)
                    made[part] = (values, values.like())
            self._working = (key, made)
        return self._working[1]


def _fields_of(part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one part's optimizer.

    Raises:
        InputError: there is no such optimizer, it cannot be a part, or a field is wrong.
    """
    name, listed = values[part], values[f"{part}_with"]
    cls: Any = find("optimizer", name).cls
    if "lr" not in cls.fields:
        raise InputError(f"{part}={name} has no learning rate for {LR[part]} to set: choose one that has")
    if cls.needs_closure or cls.needs_loss:
        raise InputError(f"{part}={name} uses the loss of the whole model: choose one that uses gradients only")
    if not cls.vectorized or cls.external:
        home = f" in {cls.external}" if cls.external else ""
        raise InputError(f"{part}={name} steps one run at a time{home}: choose one that steps several runs at once")
    fields = {"lr": values[LR[part]]}
    for word in listed.replace(",", " ").split():
        key, equals, value = word.partition("=")
        if not equals or key == "lr":
            raise InputError(f"{part}_with={listed}: {word} must be like weight_decay=0.1 (lr is set by {LR[part]})")
        fields[key] = _value(value)
    cls.resolve(fields, f"{part}_with")
    return fields


def _value(word: str) -> Any:
    """Return ``word`` as a flag, None or a number if it is one, else as text."""
    if word in WORDS:
        return WORDS[word]
    try:
        return float(word)
    except ValueError:
        return word


def _below(named: Mapping[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(part + "/"): array for name, array in named.items() if name.startswith(part + "/")}


def _copy(source: Parameters, target: Parameters) -> None:
    for name in source.views.keys() & target.views.keys():
        target.views[name][...] = source.views[name]


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("split", Split)
