"""The `torch.optim.Optimizer` that runs a rule of this project."""

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
"""Key of the lr that a group was created with: the ratio of the group's lr to it is the rule's schedule factor."""

OWN_KEYS = {"params", "param_names", "initial_lr", BASE_LR}
"""Keys that torch, its schedulers and this class store in a parameter group in addition to the fields."""

BETAS = "betas"
"""Key of the tuple that holds the fields beta1, beta2, ... in a group: some of torch's schedulers set the first one."""


class TorchOptimizer(torch.optim.Optimizer):
    """A rule of this project on torch's tensors; created by `framework.export.torch`.

    Elementwise rules step on views of the tensors. Other rules step on copies in this project's layout, outputs last,
    so that they compute the same as in this project. A rule that couples all tensors of a run treats each parameter
    group as one run, and a missing gradient as zero.

    Groups have the rule's fields. Those named beta1, beta2, ... are one tuple ``betas``, as in torch's own optimizers.
    The key ``base_lr`` holds the lr that the group was created with: the rule gets ``lr / base_lr`` as its schedule
    factor. ``state`` holds the rule's arrays, with a leading axis of 1, as tensors that share their memory. A tensor
    without axes is treated as a vector of one number; a tensor without elements is not changed.
    """

    def __init__(self, params: Iterable[Any], rule: str | type[Optimizer], hyper: Mapping[str, Any]) -> None:
        self._rule: type[Optimizer] = find("optimizer", rule).cls if isinstance(rule, str) else rule
        self._units: dict[torch.Tensor, Unit] = {}
        self._made: dict[int, tuple[dict[str, Any], Optimizer]] = {}
        super().__init__(params, self._joined(self._rule.resolve(self._apart(hyper))))

    @property
    def label(self) -> str:
        """Name of the rule for error messages."""
        return f"export of {self._rule.label()}"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of tensors with its own fields; missing fields have the optimizer's defaults.

        Args:
            param_group: mapping with the tensors under ``params``, and fields.

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
        """Names of the rule's fields that a group holds as one tuple, or []."""
        names = sorted(name for name in self._rule.fields if name[:4] == "beta" and name[4:].isdigit())
        return names if names[:2] == ["beta1", "beta2"] else []

    def _joined(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rule's fields in the form of a group, with ``betas`` as one tuple."""
        if not self._betas:
            return dict(fields)
        rest = {name: value for name, value in fields.items() if name not in self._betas}
        return {**rest, BETAS: tuple(fields[name] for name in self._betas)}

    def _apart(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a group, or of a caller, in the form of the rule, with ``betas`` as separate fields.

        Raises:
            InputError: ``betas`` has the wrong length, or a field is given both in it and separately.
        """
        if not self._betas or BETAS not in group:
            return dict(group)
        values = group[BETAS]
        if not isinstance(values, tuple | list) or len(values) != len(self._betas):
            raise InputError(f"{self.label}: betas={values} must be {len(self._betas)} numbers: {self._betas}")
        for name in group.keys() & set(self._betas):
            raise InputError(f"{self.label}: {name} is given twice: in a group, it is part of betas")
        rest = {name: value for name, value in group.items() if name != BETAS}
        return {**rest, **dict(zip(self._betas, values, strict=True))}

    def _check_together(self) -> None:
        if self._rule.couples_tensors and len({tensor.dtype for tensor in self.param_groups[-1]["params"]}) > 1:
            raise InputError(f"{self.label}: a group's tensors must have one dtype, as the rule couples them")
        if self._asks and len(self.param_groups) > 1:
            raise InputError(f"{self.label}: the rule evaluates the loss, so all tensors must be in one group")

    @property
    def _asks(self) -> bool:
        return self._rule.needs_closure

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; tensors without a gradient do not change, unless the rule couples them to others.

        Args:
            closure: function that clears the gradients, computes the loss, calls ``backward`` and returns the loss;
                required by rules that read the loss.

        Returns:
            The closure's loss before the step, or None without one.

        Raises:
            InputError: the rule needs a closure, a field of a group is out of range, or a tensor, a gradient or the
                state cannot be used by the rule, such as a sparse gradient.
        """
        if closure is None and (self._asks or self._rule.needs_loss):
            raise InputError(f"{self.label}: the rule uses the loss: pass a closure, step(closure)")
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
        """Return the rule with the current fields of a group; its lr is the group's ``base_lr``.

        A group's fields may change at any time. The rule is created again if they did.

        Raises:
            InputError: the group lacks a field, or a value is out of range.
        """
        group = self._apart(self.param_groups[place])
        rates = {"lr": BASE_LR} if "lr" in self._rule.fields else {}
        if lost := sorted({*self._rule.fields, *rates.values()} - group.keys()):
            raise InputError(f"{self.label}: a group has no {', '.join(lost)}: is its state_dict that of another rule?")
        fields = {name: group[rates.get(name, name)] for name in self._rule.fields}
        cached = self._made.get(place)
        if cached is None or cached[0] != fields:
            cached = (fields, self._rule(**self._rule.resolve(fields)))
            self._made[place] = cached
        return cached[1]

    def _factor(self, group: Mapping[str, Any], optimizer: Optimizer) -> float:
        """Return the ratio of the group's current lr to the one that it was created with; 1 for rules without lr.

        Raises:
            InputError: lr is negative or not finite.
        """
        if "lr" not in self._rule.fields:
            return 1.0
        lr = float(group["lr"])
        if not (np.isfinite(lr) and lr >= 0):
            raise InputError(f"{self.label}: lr={lr:g} must be a number >= 0")
        return lr / float(optimizer.lr[0, 0])  # type: ignore[attr-defined]

    def _group_units(self, group: Mapping[str, Any], optimizer: Optimizer) -> list[Unit]:
        """Return the units of a group: one of all tensors if the rule couples them, else one per tensor."""
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
        """Set the tensors to the parameters to evaluate inside a ``with`` block, if they are not the trained ones.

        The trained parameters are restored at the end of the block.
        """
        with ExitStack() as stack:
            for place, group in enumerate(self.param_groups):
                optimizer = self._optimizer(place)
                for unit in self._group_units(group, optimizer):
                    stack.enter_context(unit.evaluating(optimizer))
            yield

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned, with the same bits.

        Raises:
            InputError: raised by the next step if the state is not one of this rule.
        """
        super().load_state_dict(state_dict)
        self._units, self._made = {}, {}
        saved = [key for group in state_dict["param_groups"] for key in group["params"]]
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        for key, tensor in zip(saved, tensors, strict=True):
            if key in state_dict["state"]:  # undoes torch's cast to the parameter's dtype
                self.state[tensor] = dict(state_dict["state"][key])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rule": self._rule}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_units": {}, "_made": {}})
