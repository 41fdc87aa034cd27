"""A rule of this project as a `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from framework.base.optimizer import Optimizer
from framework.errors import InputError, nearest
from framework.export._units import Unit, check_tensor
from framework.registry.manager import find

BASE_LR = "base_lr"
"""Where a group keeps the lr that it was made with: what its lr is relative to that is the rule's schedule."""

OWN_KEYS = {"params", "param_names", "initial_lr", BASE_LR}
"""What torch, its schedulers and this class keep in a parameter group beside the fields."""

BETAS = "betas"
"""Where torch has the numbers of a rule's fields beta1, beta2, ...: some of its schedulers set the first."""


class TorchOptimizer(torch.optim.Optimizer):
    """A rule of this project on torch's tensors; made by `framework.export.torch`.

    Elementwise rules step on views of the tensors; others on copies in this project's layout, outputs last, so that
    they do here what they did there. A rule that couples all of a run's tensors takes each parameter group for a run
    of its own, and a missing gradient for zero.

    Groups have the rule's fields, those of a rule with beta1 and beta2 as one tuple ``betas``, as torch's own do.
    ``base_lr`` beside them is the lr that the group was made with: the rule sees ``lr / base_lr`` as its schedule.
    ``state`` holds the rule's arrays, with a leading axis of 1, as tensors that share their memory. A tensor without
    axes is stepped as a vector of one number, and one without numbers is left alone.
    """

    def __init__(self, params: Iterable[Any], rule: str | type[Optimizer], hyper: Mapping[str, Any]) -> None:
        self._rule: type[Optimizer] = find("optimizer", rule).cls if isinstance(rule, str) else rule
        self._units: dict[torch.Tensor, Unit] = {}
        self._made: dict[int, tuple[dict[str, Any], Optimizer]] = {}
        super().__init__(params, self._joined(self._rule.resolve(self._apart(hyper))))

    @property
    def label(self) -> str:
        """The rule's name, for messages."""
        return f"export of {self._rule.label()}"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors with fields of their own; those not given are as for the others.

        Raises:
            InputError: an unknown field, a value out of range, or a tensor that the rule cannot step on.
        """
        own = {key: value for key, value in param_group.items() if key in OWN_KEYS}
        given = self._apart({key: value for key, value in param_group.items() if key not in OWN_KEYS})
        for key in given.keys() - self._rule.fields.keys():
            raise InputError(f"{self.label}: a group has no field {key}{nearest(key, self._rule.fields)}")
        fields = self._rule.resolve({**self._apart(self.defaults), **given})
        if "lr" in fields:
            own.setdefault(BASE_LR, fields["lr"])
        super().add_param_group({**own, **self._joined(fields)})
        try:
            for tensor in self.param_groups[-1]["params"]:
                check_tensor(tensor, self.label)
            self._check_together()
        except InputError:
            self.param_groups.pop()
            raise
        self._optimizer(len(self.param_groups) - 1)

    @property
    def _betas(self) -> list[str]:
        """The fields that torch has as one tuple."""
        found = sorted(name for name in self._rule.fields if name[:4] == "beta" and name[4:].isdigit())
        return found if found[:2] == ["beta1", "beta2"] else []

    def _joined(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields as a group has them."""
        if not self._betas:
            return dict(fields)
        rest = {name: value for name, value in fields.items() if name not in self._betas}
        return {**rest, BETAS: tuple(fields[name] for name in self._betas)}

    def _apart(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a group, or a caller, gives, as the rule's fields.

        Raises:
            InputError: betas of another number, or given twice.
        """
        if not self._betas or BETAS not in group:
            return dict(group)
        values = group[BETAS]
        if not isinstance(values, tuple | list) or len(values) != len(self._betas):
            raise InputError(f"{self.label}: betas={values} must be {len(self._betas)} numbers: {self._betas}")
        for name in group.keys() & set(self._betas):
            raise InputError(f"{self.label}: {name} is there twice: in a group, it is part of betas")
        rest = {name: value for name, value in group.items() if name != BETAS}
        return {**rest, **dict(zip(self._betas, values, strict=True))}

    def _check_together(self) -> None:
        if self._rule.couples_tensors and len({tensor.dtype for tensor in self.param_groups[-1]["params"]}) > 1:
            raise InputError(f"{self.label}: a group's tensors must have one dtype, as the rule couples them")
        if self._asks and len(self.param_groups) > 1:
            raise InputError(f"{self.label}: the rule evaluates the loss, so that all tensors must be in one group")

    @property
    def _asks(self) -> bool:
        return self._rule.needs_closure

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; tensors without a gradient stay where they are, unless the rule couples them to others.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward`` and returns the loss; needed by rules
                that look at it.

        Returns:
            The closure's loss before the step, or None without one.

        Raises:
            InputError: the rule needs a closure, or a gradient is sparse.
        """
        if closure is None and (self._asks or self._rule.needs_loss):
            raise InputError(f"{self.label}: the rule looks at the loss: pass a closure, step(closure)")
        known = None
        if closure is not None:
            closure = torch.enable_grad()(closure)
            known = closure()
        for place, group in enumerate(self.param_groups):
            optimizer = self._optimizer(place)
            factor = self._factor(group, optimizer)
            for unit in self._group_units(group, optimizer):
                if unit.step(optimizer, factor, known, closure):
                    self.state[unit.anchor] = unit.held()
        return known

    def _optimizer(self, place: int) -> Optimizer:
        """Return the rule with a group's fields, which may be changed at any time; its lr is the group's ``base_lr``.

        Raises:
            InputError: the group lacks a field, or a value is out of range.
        """
        group = self._apart(self.param_groups[place])
        rates = {"lr": BASE_LR} if "lr" in self._rule.fields else {}
        if lost := sorted({*self._rule.fields, *rates.values()} - group.keys()):
            raise InputError(f"{self.label}: a group has no {', '.join(lost)}: is its state_dict that of another rule?")
        fields = {name: group[rates.get(name, name)] for name in self._rule.fields}
        made = self._made.get(place)
        if made is None or made[0] != fields:
            made = (fields, self._rule(**self._rule.resolve(fields)))
            self._made[place] = made
        return made[1]

    def _factor(self, group: Mapping[str, Any], optimizer: Optimizer) -> float:
        """Return what the group's lr is now, relative to the one that it was made with."""
        if "lr" not in self._rule.fields:
            return 1.0
        lr = float(group["lr"])
        if not (np.isfinite(lr) and lr >= 0):
            raise InputError(f"{self.label}: lr={lr:g} must be a number >= 0")
        return lr / float(optimizer.lr[0, 0])  # type: ignore[attr-defined]

    def _group_units(self, group: Mapping[str, Any], optimizer: Optimizer) -> list[Unit]:
        """Return what steps together: all tensors of a group where the rule couples them, else each alone."""
        tensors = group["params"]
        names = group.get("param_names") or [str(place) for place in range(len(tensors))]
        parts = [dict(zip(names, tensors, strict=True))]
        if not self._rule.couples_tensors:
            parts = [{name: tensor} for name, tensor in parts[0].items()]
        units = []
        for part in parts:
            anchor = next(iter(part.values()))
            if anchor not in self._units:
                self._units[anchor] = Unit(part, optimizer, self.state.get(anchor), self.label)
            units.append(self._units[anchor])
        return units

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put the parameters to evaluate into the tensors for a while, where they are not the trained ones."""
        with ExitStack() as stack:
            for place, group in enumerate(self.param_groups):
                optimizer = self._optimizer(place)
                for unit in self._group_units(group, optimizer):
                    stack.enter_context(unit.evaluating(optimizer))
            yield

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, to the last bit.

        Raises:
            InputError: at the next step, where the state is not one of this rule.
        """
        super().load_state_dict(state_dict)
        self._units, self._made = {}, {}
        saved = [key for group in state_dict["param_groups"] for key in group["params"]]
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        for key, tensor in zip(saved, tensors, strict=True):
            if key in state_dict["state"]:  # torch has cast what it loaded to the parameter's dtype
                self.state[tensor] = dict(state_dict["state"][key])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rule": self._rule}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_units": {}, "_made": {}})
