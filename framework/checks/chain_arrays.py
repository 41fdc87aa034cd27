"""Checks of optimizers and stages: dtypes, unaltered inputs and memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.optimizer import Optimizer
from framework.base.stage import Stage
from framework.base.tensor_optimizer import TensorOptimizer
from framework.checks.bits import differing
from framework.checks.chains import DTYPES, ChainPopulation, ChainSubject
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import label

GROWTH = 20_000
"""Bytes that memory may grow by over the measured steps; one kept gradient per step grows six times as much or more."""
LARGE = {"weight": (30, 20), "bias": (20,)}


def keeps_dtype(subject: ChainSubject) -> Figure:
    """Check that computed values, state and evaluation points have the parameters' dtype."""
    findings = []
    for variant in subject.variants:
        for dtype in DTYPES:
            population = subject.population(variant, (0,), dtype)
            computed = list(_watched(population)) if issubclass(subject.cls, Optimizer) else []
            population.walk(1, 3)
            kept = [(name, array.dtype) for name, array in _kept(population)]
            for name, seen in [*computed, *kept]:
                wrong = seen.kind == "f" and seen != dtype
                findings.append((float(wrong), f"{label(variant)}: {name} is {seen} for {np.dtype(dtype)} parameters"))
    return worst(findings, 0)


def _kept(population: ChainPopulation) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays that must have the parameters' dtype, by name: all state but the per-run float64 numbers."""
    scalars = {f"rule/{name}" for name in population.update.optimizer.scalars} | {"schedule_scale"}
    for name, array in population.update.state.items():
        if name not in scalars and array.size > len(array):
            yield f"state {name}", array
    yield "the evaluation point", population.points[-1]


def _called(optimizer: ElementwiseOptimizer, population: ChainPopulation) -> tuple[Any, ...]:
    """Call the rule once, as the first step does, and return its return values as a tuple."""
    kept = population.update.state.items()
    state = {name.partition("/")[2]: array.copy() for name, array in kept if name.startswith("rule/")}
    columns = {
        name: rows[0].astype(population.parameters.dtype)
        for name, rows in optimizer.table(np.array([1]), np.ones((1, 1, 1)), state).items()
    }
    slots = [state.get(name) for name in optimizer.slots]
    returned = type(optimizer).rule(
        population.parameters.flat, population.gradients.flat, *slots, **optimizer._keywords(columns)
    )
    return returned if isinstance(returned, tuple) else (returned,)


def _watched(population: ChainPopulation) -> Iterator[tuple[str, np.dtype]]:
    """Yield the dtypes of a rule's return values, by name, before they are cast into the buffers."""
    optimizer = population.update.optimizer
    if isinstance(optimizer, ElementwiseOptimizer):
        for name, array in zip(("p", *optimizer.slots), _called(optimizer, population), strict=True):
            if array is not None:
                yield f"the rule's return value for {name}", np.asarray(array).dtype
    elif isinstance(optimizer, TensorOptimizer):
        seen: list[tuple[str, np.dtype]] = []
        rule = optimizer.rule

        def watch(p: np.ndarray, g: np.ndarray, s: Any, c: Any) -> np.ndarray:
            moved = rule(p, g, s, c)
            seen.append(("the rule's return value for p", np.asarray(moved).dtype))
            seen.extend((f"the rule's value of the slot {name}", np.asarray(x).dtype) for name, x in vars(s).items())
            return moved

        optimizer.rule = watch  # type: ignore[method-assign]
        population.walk(1, 1)
        del optimizer.rule
        yield from seen


def values_unaltered(subject: ChainSubject) -> Figure:
    """Check that a rule returns new values and does not change its arguments in place."""
    findings = []
    for variant in subject.variants:
        population = subject.population(variant, (0, 1, 2))
        for changed, name in _altered(population):
            findings.append((changed, f"{label(variant)}: the rule changed {changed} numbers of {name} in place"))
    return worst(findings, 0)


def _altered(population: ChainPopulation) -> Iterator[tuple[int, str]]:
    optimizer, values = population.update.optimizer, population.parameters.flat
    if isinstance(optimizer, ElementwiseOptimizer):
        before = values.copy()
        _called(optimizer, population)
        yield differing(before, values), "p"
    elif isinstance(optimizer, TensorOptimizer):
        rule = optimizer.rule
        counts: list[int] = []

        def watch(p: np.ndarray, g: np.ndarray, s: Any, c: Any) -> np.ndarray:
            before = p.copy()
            moved = rule(p, g, s, c)
            counts.append(differing(before, p))
            return moved

        optimizer.rule = watch  # type: ignore[method-assign]
        population.walk(1, 3)
        yield sum(counts), "p"
    else:
        raise Skip("it has no rule: its step writes the parameters")


def gradient_unaltered(subject: ChainSubject) -> Figure:
    """Check that a step does not change the gradient."""
    if subject.cls.needs_closure:  # type: ignore[attr-defined]
        raise Skip("it evaluates the loss again within a step, which overwrites the gradient")
    findings = []
    for variant in subject.variants:
        population = subject.population(variant)
        for t in range(1, 4):
            population.bowl.at(t)
            before = population.gradients.flat.copy()
            population.update.step(t, population.bowl)
            count = differing(before, population.gradients.flat)
            findings.append((count, f"{label(variant)}: step {t} changed {count} numbers of the gradient"))
    return worst(findings, 0)


def only_before_alters_gradient(subject: ChainSubject) -> Figure:
    """Check that a stage's `after` does not change the gradient: later stages and callers may read it."""
    findings = []
    for variant in subject.variants:
        population = subject.population(variant, (0, 1, 2))
        stage = _only(population)
        state, lr = stage.initial_state(population.parameters), np.full((3, 1), 0.1)
        stage.before(population.parameters, population.gradients, state, lr)
        before = population.gradients.flat.copy()
        stage.after(population.parameters, population.gradients, state, lr)
        count = differing(before, population.gradients.flat)
        findings.append((count, f"{label(variant)}: `after` changed {count} numbers of the gradient"))
    return worst(findings, 0)


def _only(population: ChainPopulation) -> Stage:
    (stage,) = population.stages
    return stage


def no_growth(subject: ChainSubject) -> Figure:
    """Check that memory does not grow from step to step."""
    if tracemalloc.is_tracing():
        raise Skip("memory is being traced already")
    shapes = LARGE if "bias" in subject.shapes else {"weight": (30, 20)}
    findings = []
    for variant in subject.variants[:1]:
        population = subject.population(variant, (0,), shapes=shapes)
        warm, measured = population.steps, 5 * population.steps
        tracemalloc.start()
        try:
            for t in range(1, warm + 1):
                population.step(t)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            for t in range(warm + 1, warm + measured + 1):
                population.step(t)
            gc.collect()
            growth = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        findings.append((growth, f"{label(variant)}: {growth} bytes more after {measured} steps"))
    return worst(findings, GROWTH)
