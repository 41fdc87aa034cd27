"""Checks of attributes that optimizers and stages declare, and of tensors with unusual shapes."""

from __future__ import annotations

import numpy as np

from framework.base.optimizer import Optimizer
from framework.base.parameters import Shape
from framework.base.stage import Stage
from framework.checks.bits import all_differing, differing
from framework.checks.chains import ChainPopulation, ChainSubject
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, label
from framework.training.acting import steps_to_rule

LATEST = 100
"""Latest declared first effect, in steps, that is checked."""
FEW = 4
"""Steps on tensors with unusual shapes."""


def acts_when_it_says(subject: ChainSubject) -> Figure:
    """Check that the evaluated parameters have changed by the step that `first_act` returns."""
    findings = []
    for variant in subject.variants:
        population = subject.population(variant, (0,))
        parts: list[Optimizer | Stage] = [population.update.optimizer, *population.stages]
        first = steps_to_rule(population.stages) * max(part.first_act() for part in parts)
        if first <= LATEST:
            start = population.parameters.flat.copy()
            still = not differing(start, population.walk(1, first).points[-1])
            says = f"{label(variant)}: no parameter has changed by step {first}: return the first step with an effect"
            findings.append((float(still), f"{says} from `first_act`"))
    return worst(findings, 0)


def says_that_it_moves(subject: ChainSubject) -> Figure:
    """Check that a stage whose `before` changes the parameters declares ``moves_parameters``.

    Such a stage is not allowed before a stage that joins several batches.
    """
    findings = []
    for variant in subject.variants:
        population = subject.population(variant, (0,))
        (stage,) = population.stages
        state, lr = stage.initial_state(population.parameters), np.full((1, 1), 0.1)
        start = population.parameters.flat.copy()
        stage.before(population.parameters, population.gradients, state, lr)
        moved = 0 if stage.moves_parameters else differing(start, population.parameters.flat)
        findings.append((moved, f"{label(variant)}: `before` changed {moved} parameters: set moves_parameters = True"))
    return worst(findings, 0)


def odd_tensors(subject: ChainSubject) -> Figure:
    """Check tensors without elements and without axes.

    A tensor without elements must not change the results for the others. A tensor without axes must give the same bits
    as a vector of one number.
    """
    foreign = getattr(subject.cls, "external", "")
    if foreign:
        raise Skip(f"{foreign} determines the treatment of such tensors")
    plain: dict[str, Shape] = {**subject.shapes, "unit": (1, 1)}
    vectors = any(len(shape) == 1 for shape in plain.values())
    empty: dict[str, Shape] = {**plain, "hollow": (0, 3)} | ({"none": (0,)} if vectors else {})
    findings = []
    for variant in subject.variants:
        walked = _on(subject, variant, plain)
        count = differing(walked.points[-1], _on(subject, variant, empty).points[-1])
        findings.append(
            (count, f"{label(variant)}: {count} numbers differ if there are tensors of shape (0, 3) and (0,)")
        )
        if vectors:
            number, vector = (_on(subject, variant, {**plain, "one": shape}) for shape in ((), (1,)))
            count = all_differing(zip(number.points, vector.points, strict=True))
            findings.append((count, f"{label(variant)}: {count} numbers differ between tensors of shape () and (1,)"))
    return worst(findings, 0)


def _on(subject: ChainSubject, variant: Settings, shapes: dict[str, Shape]) -> ChainPopulation:
    return subject.population(variant, (0,), shapes=shapes).walk(1, FEW)
