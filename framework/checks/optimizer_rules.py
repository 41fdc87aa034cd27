"""Checks of an optimizer's rule: subsets of tensors, zero gradients, schedules, fields and its reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters, Shape
from framework.base.schedule import Schedule
from framework.checks.bits import differing
from framework.checks.chains import STEPS, ChainPopulation, ChainSubject
from framework.checks.results import Broken, Figure, Skip, worst
from framework.checks.settings import Settings, accepted, label, moved, spread
from framework.errors import nearest
from framework.training.update import Update

REFERENCE_STEPS = 100
REFERENCE_BOUND = 1e-12
MOST_TUNED = 3
"""Maximum number of tuned fields: a study gives every optimizer the same number of trials."""
ROUNDING = 1e-15
"""Relative bound on rounding: some rules recompute the parameters from their initial values."""


class Halving(Schedule):
    """Halves the learning rate at every step and restarts from 1 after four: the factors are exact in binary."""

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return ``0.5 ** ((t - 1) % 4)``: 1, 1/2, 1/4, 1/8, 1, ..."""
        return np.asarray(0.5 ** ((t - 1) % 4))


def splitting_tensors(subject: ChainSubject) -> Figure:
    """Check that stepping a subset gives the same bits as stepping everything.

    A subset is any set of numbers for an elementwise rule, and a tensor for any other rule.
    """
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.couples_tensors:
        raise Skip("it couples all tensors of a run (couples_tensors = True)")
    if cls.external:
        raise Skip(f"{cls.external} determines how tensors are combined")
    if cls.needs_closure or cls.needs_loss:
        raise Skip("it uses the loss, which couples all tensors of a run")
    findings = []
    for variant in subject.variants:
        count = _parts_that_differ(subject, spread(cls, variant))
        remedy = (
            "its class sets elementwise = True"
            if cls.elementwise
            else "a rule for whole runs sets couples_tensors = True"
        )
        findings.append((count, f"{label(variant)}: {count} numbers differ from a step of the subset alone: {remedy}"))
    return worst(findings, 0)


def _parts_that_differ(subject: ChainSubject, rows: list[Settings]) -> int:
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    whole = Parameters(subject.shapes, len(rows), np.float64)
    start, gradients = _recorded((whole.runs, whole.size), STEPS)
    together = _follow(cls, rows, subject.shapes, start, gradients)[-1]
    if cls.elementwise:
        parts = [((5,), slice(0, 5)), ((whole.size - 5, 1), slice(5, None))]
    else:
        parts = [(shape, whole.slices[name]) for name, shape in whole.shapes.items()]
    count = 0
    for shape, part in parts:
        alone = _follow(cls, rows, {"x": shape}, start[:, part], gradients[:, :, part])[-1]
        count += differing(together[:, part], alone)
    return count


def _recorded(shape: Shape, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a starting point and the gradients of ``steps`` steps, with magnitudes from 1e-3 to 10."""
    rng = np.random.default_rng(3)
    sizes = 10.0 ** rng.uniform(-3, 1, shape)
    return rng.standard_normal(shape), sizes * (rng.standard_normal((steps, *shape)) + 0.5)


def _follow(
    cls: type[Optimizer], rows: list[Settings], shapes: Mapping[str, Shape], start: np.ndarray, gradients: np.ndarray
) -> np.ndarray:
    """Return the parameters ``(steps, R, size)`` after each step with the recorded gradients."""
    parameters = Parameters(shapes, len(rows), np.float64)
    parameters.flat[...] = start.reshape(parameters.flat.shape)
    update = Update(cls.stack(rows), parameters, parameters.like(), total=len(gradients), kernel="numpy")
    path = np.empty((len(gradients), *parameters.flat.shape))
    for t, gradient in enumerate(gradients, start=1):
        update.gradients.flat[...] = gradient.reshape(parameters.flat.shape)
        update.step(t)
        path[t - 1] = parameters.flat
    return path


def zero_gradient(subject: ChainSubject) -> Figure:
    """Check that zero gradients from the first step on do not change the parameters, with weight decay set to 0.

    Rules that declare ``still_at_zero = False`` are skipped.
    """
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if not cls.still_at_zero:
        raise Skip("the rule moves at a gradient of zero (still_at_zero = False)")
    if cls.external:
        raise Skip(f"{cls.external} determines the effect of a zero gradient")
    findings = []
    for variant in subject.variants:
        values = {**variant, **{name: 0.0 for name in cls.fields if "weight_decay" in name}}
        if not accepted(cls, values):
            continue
        population = subject.population(values, (0,))
        start = population.parameters.flat.copy()
        population.bowl.flatten()
        population.walk(1, 3)
        away = float((np.abs(population.parameters.flat - start) / np.abs(start)).max())
        says = f"{label(values)}: a number changed by {away:.1e} of its size"
        findings.append((away, f"{says}; if this is intended, set still_at_zero = False"))
    return worst(findings, ROUNDING)


def schedule_has_effect(subject: ChainSubject) -> Figure:
    """Check that a schedule of the learning rate changes the path of at least half of the numbers.

    Rules that declare ``own_step_size = True`` are skipped.
    """
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.own_step_size:
        raise Skip("it determines its own step size (own_step_size = True)")
    if "lr" not in cls.fields:
        raise Broken("it has neither a field lr nor own_step_size = True: a schedule would have no effect")
    findings = []
    for variant in subject.variants:
        plain, halved = subject.population(variant).walk(), subject.population(variant, schedule=Halving()).walk()
        same = 1 - differing(plain.parameters.flat, halved.parameters.flat) / plain.parameters.flat.size
        findings.append((same, f"{label(variant)}: a schedule leaves {same:.0%} of the numbers unchanged"))
    return worst(findings, 0.5)


def fields_have_effect(subject: ChainSubject) -> Figure:
    """Check that every hyperparameter changes the path or the state in some setting."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    contexts = [row for variant in subject.variants for row in spread(cls, variant)]
    paths = [_path(subject, row) for row in contexts]
    findings = []
    for name, field in cls.fields.items():
        if field.column:
            pairs = zip(contexts, paths, strict=True)
            dead = not any(_changes(subject, name, row, path) for row, path in pairs)
            findings.append((float(dead), f"{name} has no effect in any tested setting"))
    return worst(findings, 0)


def _changes(subject: ChainSubject, name: str, row: Settings, path: np.ndarray) -> bool:
    field = subject.cls.fields[name]
    others = [field.default, *(field.search or ()), *moved(field, 1), 0.1, 1.0, 10.0]
    tried = [{**row, name: value} for value in others if value != row.get(name, field.default)]
    return any(differing(path, _path(subject, values)) > 0 for values in tried if accepted(subject.cls, values))


def _path(subject: ChainSubject, values: Settings) -> np.ndarray:
    population = ChainPopulation(subject.chain([values]), subject.shapes, (0,)).walk()
    return np.concatenate([array.astype(np.float64).reshape(-1) for array in population.arrays()])


def can_be_tuned(subject: Any) -> Figure:
    """Check that the fields in ``tuned`` are few hyperparameters, ``lr`` first, each with a range and a prior.

    Raises:
        Skip: nothing is tuned.
    """
    cls: type[Optimizer] = subject.cls
    names = cls.tuned_fields()
    if not names:
        raise Skip("no field is tuned")
    findings = [
        (float(len(names) > MOST_TUNED), f"tuned has {len(names)} fields: at most {MOST_TUNED} are tuned"),
        (float(len(set(names)) < len(names)), f"tuned={names} names a field twice"),
        (float("lr" in names[1:]), f"tuned={names}: lr must be its first field"),
        *((float(bool(wrong)), f"tuned: {wrong}") for name in names for wrong in [_untunable(cls, name)]),
    ]
    return worst(findings, 0)


def _untunable(cls: type[Optimizer], name: str) -> str:
    """Return why a study cannot tune a field, or ""."""
    field = cls.fields.get(name)
    if field is None:
        return f"there is no field {name}{nearest(name, cls.fields)}"
    if not field.column:
        return f"{name} is shared by all runs of a population: declare it with hyper"
    if field.search is None or field.prior is None:
        return f"{name} must declare search and prior, as in hyper({field.default:g}, prior='log', search=(low, high))"
    if not field.search[0] <= field.default <= field.search[1]:
        return f"the default {name}={field.default:g} is outside search={field.search}"
    return ""


def follows_reference(subject: ChainSubject) -> Figure:
    """Check that the rule agrees with the class's ``reference`` on recorded gradients, in float64."""
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.reference is None:
        raise Skip("the class has no `reference`")
    if cls.needs_closure or cls.needs_loss:
        raise Skip("recorded gradients have no loss")
    findings = []
    for variant in subject.variants:
        for row in spread(cls, variant):
            for shape in subject.shapes.values():
                error = _distance(cls, cls.reference, row, shape)
                findings.append((error, f"{label(row)}, tensor {shape}: a relative error of {error:.1e}"))
    return worst(findings, REFERENCE_BOUND)


def _distance(cls: type[Optimizer], reference: Callable[..., Any], row: Settings, shape: Shape) -> float:
    start, gradients = _recorded(shape, REFERENCE_STEPS)
    expected = np.array(list(reference(start.copy(), gradients.copy(), **cls.resolve(row))))
    if expected.shape != gradients.shape:
        raise Broken(f"`reference` returned shape {expected.shape}; it must be one tensor per step, {gradients.shape}")
    path = _follow(cls, [row], {"x": shape}, start, gradients).reshape(gradients.shape)
    axes = tuple(range(1, gradients.ndim))
    return float((np.abs(path - expected).max(axis=axes) / np.abs(expected).max(axis=axes)).max())
