"""Checks of populations of optimizers and stages.

A run must have the same bits alone, together with other runs in any order, and after a restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.base.fields import Configurable
from framework.checks.bits import all_differing, differing
from framework.checks.chains import DTYPES, WIDE, WIDE_STEPS, ChainPopulation, ChainSubject
from framework.checks.new_process import Arrays, in_new_process
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, label
from framework.errors import InputError

SPOILED_AT = 4
TAKEN = 7
"""Steps before a run continues in a new process; as many follow."""


def together_as_alone(subject: ChainSubject) -> Figure:
    """Check that each of R runs together has the same bits as alone."""
    subject.needs_company()
    findings = []
    for variant in subject.variants:
        for dtype in DTYPES:
            for walk in (_small, _wide):
                together = walk(subject, variant, (0, 1, 2), dtype)
                for run in range(3):
                    pairs = zip(together.arrays(run), walk(subject, variant, (run,), dtype).arrays(0), strict=True)
                    count = all_differing(pairs)
                    says = f"{_where(variant, together)}: {count} numbers of run {run} differ; is one product"
                    findings.append((count, f"{says} taken over all runs?"))
    return worst(findings, 0)


def _small(subject: ChainSubject, variant: Settings, runs: tuple[int, ...], dtype: Any = np.float64) -> ChainPopulation:
    return subject.population(variant, runs, dtype).walk()


def _wide(subject: ChainSubject, variant: Settings, runs: tuple[int, ...], dtype: Any = np.float32) -> ChainPopulation:
    return subject.population(variant, runs, dtype, WIDE).walk(1, WIDE_STEPS)


def _where(variant: Settings, population: ChainPopulation) -> str:
    shapes = ", ".join(str(shape) for shape in population.parameters.shapes.values())
    return f"{label(variant)}, {population.parameters.dtype} tensors {shapes}"


def order_of_runs(subject: ChainSubject) -> Figure:
    """Check that permuting the runs permutes the results and changes no bits."""
    subject.needs_company()
    findings = []
    for variant in subject.variants:
        for walk in (_small, _wide):
            plain, turned = walk(subject, variant, (0, 1, 2)), walk(subject, variant, (2, 0, 1))
            count = all_differing(zip(plain.arrays([2, 0, 1]), turned.arrays(), strict=True))
            findings.append((count, f"{_where(variant, plain)}: {count} numbers differ after a change of order"))
    return worst(findings, 0)


def nan_stays_in_its_run(subject: ChainSubject) -> Figure:
    """Check that a NaN in one run's gradient does not change the bits of the other runs."""
    subject.needs_company()
    findings = []
    for variant in subject.variants:
        clean, spoiled = subject.population(variant), subject.population(variant)
        spoiled.bowl.spoil = (1, SPOILED_AT)
        clean.walk()
        spoiled.walk()
        pairs = [(a[[0, 2]], b[[0, 2]]) for a, b in zip(clean.arrays(), spoiled.arrays(), strict=True)]
        count = all_differing(pairs)
        findings.append((count, f"{label(variant)}: {count} numbers of the other runs differ"))
    return worst(findings, 0)


def repeats(subject: ChainSubject) -> Figure:
    """Check that two new objects with the same settings give the same bits."""
    findings = []
    for variant in subject.variants:
        first, second = (subject.population(variant, (1,)).walk() for _ in range(2))
        count = all_differing(zip(first.arrays(), second.arrays(), strict=True))
        findings.append(
            (count, f"{label(variant)}: {count} numbers differ the second time; is state kept on the class?")
        )
    return worst(findings, 0)


def restores(subject: ChainSubject) -> Figure:
    """Check that a run restored from a checkpoint into new objects has the bits of an uninterrupted run."""
    findings = []
    for variant in subject.variants:
        for n in (1, 7):
            whole = subject.population(variant, (1,)).walk(1, n)
            fresh = subject.population(variant, (1,))
            fresh.parameters.flat[...] = whole.parameters.flat
            fresh.update.restore(whole.copy_state())
            whole.walk(n + 1)
            try:
                fresh.walk(n + 1)
            except InputError as error:
                raise Skip(f"it does not support checkpoints: {error}") from None
            count = differing(whole.parameters.flat, fresh.parameters.flat)
            count += all_differing(zip(whole.copy_state().values(), fresh.copy_state().values(), strict=True))
            says = f"{label(variant)}: {count} numbers differ after a restore at step {n}; is state kept on the object?"
            findings.append((count, says))
    return worst(findings, 0)


def restores_in_new_process(subject: ChainSubject) -> Figure:
    """Check that a run continues from its checkpoint in a new process with the bits of an uninterrupted run."""
    taken = min(TAKEN, subject.population(subject.variants[0], (1,)).steps)
    before: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}
    for place, variant in enumerate(subject.variants):
        whole = subject.population(variant, (1,)).walk(1, taken)
        before |= _state(whole, place)
        after |= _state(whole.walk(taken + 1, taken), place)
    given = {"shapes": subject.shapes, "variants": subject.variants, "taken": taken}
    try:
        found = in_new_process(_continued, subject.cls, given, before)
    except InputError as error:
        raise Skip(f"it does not support checkpoints: {error}") from None
    findings = []
    for place, variant in enumerate(subject.variants):
        count = all_differing((after[name], found[name]) for name in after if name.startswith(f"{place}/"))
        says = f"{label(variant)}: {count} numbers differ if a new process continues from step {taken}"
        findings.append((count, f"{says}; is state kept outside the arrays, or do the steps depend on the process?"))
    return worst(findings, 0)


def _state(population: ChainPopulation, place: int) -> dict[str, np.ndarray]:
    named = {"parameters": population.parameters.flat.copy(), "point": population.points[-1]}
    named |= {f"state/{name}": array for name, array in population.copy_state().items()}
    return {f"{place}/{name}": array for name, array in named.items()}


def _continued(cls: type[Configurable], given: Mapping[str, Any], arrays: Arrays) -> Arrays:
    """Return the states after further steps of the runs whose states are given."""
    subject = ChainSubject(cls, {name: tuple(shape) for name, shape in given["shapes"].items()}, given["variants"])
    found: dict[str, np.ndarray] = {}
    for place, variant in enumerate(subject.variants):
        fresh, prefix = subject.population(variant, (1,)), f"{place}/state/"
        fresh.parameters.flat[...] = arrays[f"{place}/parameters"]
        fresh.update.restore({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})
        found |= _state(fresh.walk(given["taken"] + 1, given["taken"]), place)
    return found
