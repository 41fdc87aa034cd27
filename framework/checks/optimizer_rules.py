"""Checks of an optimizer's rule: what it promises about tensors, zeros, schedules, fields and its own reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.checks.bits import differing
from framework.checks.chains import ChainSubject, Population
from framework.checks.results import Broken, Figure, Skip, worst
from framework.checks.settings import Settings, accepted, label, moved, spread
from framework.optimizer import Optimizer
from framework.parameters import Parameters, Shape
from framework.schedule import Schedule
from framework.update import Update

REFERENCE_STEPS = 100
REFERENCE_BOUND = 1e-12
ROUNDING = 1e-15
"""Relative; some rules work the parameters out anew from where they started."""


class Halving(Schedule):
    """Half the learning rate at every step, again from 1 after four: exact in binary."""

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return 1, 1/2, 1/4, 1/8, 1, ..."""
        return np.asarray(0.5 ** ((t - 1) % 4))


def splitting_tensors(subject: ChainSubject) -> Figure:
    """Elementwise: other tensors of the same numbers change nothing. Per tensor: each tensor goes as it would alone."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.whole:
        raise Skip("it couples all tensors of a run (whole = True)")
    if cls.foreign:
        raise Skip(f"{cls.foreign} decides how tensors go together")
    found = []
    for variant in subject.variants:
        count = _resplit(subject, variant) if cls.elementwise else _one_by_one(subject, variant)
        says = (
            "with other tensors" if cls.elementwise else "beside other tensors; a rule for whole runs says whole = True"
        )
        found.append((count, f"{label(variant)}: {count} numbers differ {says}"))
    return worst(found, 0)


def _resplit(subject: ChainSubject, variant: Settings) -> int:
    plain = subject.population(variant).walk()
    size = plain.parameters.size
    other = subject.population(variant, shapes={"head": (5,), "rest": (size - 5, 1)}).walk()
    return differing(plain.parameters.flat, other.parameters.flat)


def _one_by_one(subject: ChainSubject, variant: Settings) -> int:
    together = subject.population(variant)
    start, curvature, centre = together.parameters.flat.copy(), together.bowl.curvature, together.bowl.centre
    gradients = []
    for t in range(1, together.steps + 1):
        together.bowl.at(t)
        gradients.append(together.gradients.flat.copy())
        together.update.step(t, together.bowl)
    count = 0
    for name, part in together.parameters.slices.items():
        alone = subject.population(variant, shapes={name: subject.shapes[name]})
        alone.parameters.flat[...] = start[:, part]
        alone.update = Update(  # the starting point belongs to the first state of some rules
            alone.update.optimizer, alone.parameters, alone.gradients, total=together.steps
        )
        alone.bowl.curvature, alone.bowl.centre = curvature[:, part], centre[:, part]
        for t, gradient in enumerate(gradients, start=1):
            alone.bowl.take(gradient[:, part])
            alone.update.step(t, alone.bowl)
        count += differing(together.parameters.flat[:, part], alone.parameters.flat)
    return count


def zero_gradient(subject: ChainSubject) -> Figure:
    """From the start, a gradient of zero moves nothing (weight decay aside), or the rule says otherwise."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if not cls.still_at_zero:
        raise Skip("the rule moves at a gradient of zero (still_at_zero = False)")
    found = []
    for variant in subject.variants:
        values = {**variant, **{name: 0.0 for name in cls.fields if "weight_decay" in name}}
        if not accepted(cls, values):
            continue
        population = subject.population(values, (0,))
        start = population.parameters.flat.copy()
        population.bowl.flatten()
        population.walk(1, 3)
        away = float((np.abs(population.parameters.flat - start) / np.abs(start)).max())
        says = f"{label(values)}: a number moved by {away:.1e} of its size; if it must, say still_at_zero = False"
        found.append((away, says))
    return worst(found, ROUNDING)


def schedule_has_effect(subject: ChainSubject) -> Figure:
    """Halving the learning rate changes the path of most numbers, or the rule sets its own step size."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.own_step_size:
        raise Skip("it finds its own step size (own_step_size = True)")
    if "lr" not in cls.fields:
        raise Broken("it has neither a field lr nor own_step_size = True: a schedule would act on nothing")
    found = []
    for variant in subject.variants:
        plain, halved = subject.population(variant).walk(), subject.population(variant, schedule=Halving()).walk()
        same = 1 - differing(plain.parameters.flat, halved.parameters.flat) / plain.parameters.flat.size
        found.append((same, f"{label(variant)}: a schedule leaves {same:.0%} of the numbers as they were"))
    return worst(found, 0.5)


def fields_have_effect(subject: ChainSubject) -> Figure:
    """Every hyperparameter changes the path in some setting: none is read and forgotten."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    contexts = [row for variant in subject.variants for row in spread(cls, variant)]
    paths = [_path(subject, row) for row in contexts]
    found = []
    for name, field in cls.fields.items():
        if field.column:
            pairs = zip(contexts, paths, strict=True)
            dead = not any(_changes(subject, name, row, path) for row, path in pairs)
            found.append((float(dead), f"{name} changes nothing in any setting tried"))
    return worst(found, 0)


def _changes(subject: ChainSubject, name: str, row: Settings, path: np.ndarray) -> bool:
    field = subject.cls.fields[name]
    others = [field.default, *(field.search or ()), *moved(field, 1), 0.1, 1.0, 10.0]
    tried = [{**row, name: value} for value in others if value != row.get(name, field.default)]
    return any(differing(path, _path(subject, values)) > 0 for values in tried if accepted(subject.cls, values))


def _path(subject: ChainSubject, values: Settings) -> np.ndarray:
    population = Population(subject.chain([values]), subject.shapes, (0,)).walk()
    return np.concatenate([array.astype(np.float64).reshape(-1) for array in population.arrays()])


def follows_reference(subject: ChainSubject) -> Figure:
    """The rule agrees with its author's plain loop on recorded gradients, in float64."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.reference is None:
        raise Skip("the class gives no `reference`")
    if cls.needs_closure or cls.needs_loss:
        raise Skip("recorded gradients have no loss")
    found = []
    for variant in subject.variants:
        for row in spread(cls, variant):
            for shape in subject.shapes.values():
                error = _distance(cls, cls.reference, row, shape)
                found.append((error, f"{label(row)}, tensor {shape}: off by {error:.1e} of its size"))
    return worst(found, REFERENCE_BOUND)


def _distance(cls: type[Optimizer], reference: Callable[..., Any], row: Mapping[str, Any], shape: Shape) -> float:
    rng = np.random.default_rng(3)
    sizes = 10.0 ** rng.uniform(-3, 1, shape)
    gradients = sizes * (rng.standard_normal((REFERENCE_STEPS, *shape)) + 0.5)
    parameters = Parameters({"x": shape}, 1, np.float64)
    parameters.views["x"][0] = start = rng.standard_normal(shape)
    update = Update(cls.stack([row]), parameters, parameters.like(), total=REFERENCE_STEPS)
    expected = np.array(list(reference(start.copy(), gradients.copy(), **cls.resolve(row))))
    if expected.shape != gradients.shape:
        raise Broken(f"`reference` returned shape {expected.shape}; it must be one tensor a step, {gradients.shape}")
    worst_error = 0.0
    for t, gradient in enumerate(gradients, start=1):
        update.gradients.views["x"][0] = gradient
        update.step(t)
        away = np.abs(parameters.views["x"][0] - expected[t - 1]).max() / np.abs(expected[t - 1]).max()
        worst_error = max(worst_error, float(away)) if np.isfinite(away) else np.nan
        if np.isnan(worst_error):
            break
    return worst_error
