"""Checks of learning-rate schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.base.schedule import Schedule
from framework.checks.bits import all_differing, differing
from framework.checks.new_process import Arrays, in_new_process
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, accepted, label, spread, variants
from framework.errors import InputError

RUNS = (0, 1, 2)
TOTAL = 60
EPOCHS = 30


@dataclass(frozen=True)
class ScheduleSubject:
    """A schedule's class with the settings that it is checked with."""

    cls: type[Schedule]
    variants: Sequence[Settings] = field(default_factory=list)

    def make(self, values: Settings, runs: Sequence[int] = RUNS) -> Schedule:
        """Return a new schedule; run r has its own neighbour of ``values``."""
        rows = spread(self.cls, values)
        return self.cls.stack([rows[run] for run in runs])

    def factors(self, values: Settings, runs: Sequence[int] = RUNS, first: int = 1, last: int = TOTAL) -> np.ndarray:
        """Return the factors of the steps ``first`` to ``last``, shape ``(last - first + 1, R, 1)``."""
        made = self.make(values, runs).factors(np.arange(first, last + 1), TOTAL)
        return np.broadcast_to(made, (last - first + 1, len(runs), 1))


def schedule_subject(cls: type[Schedule]) -> ScheduleSubject:
    """Return the subject for a schedule's class, with and without a warm-up.

    Raises:
        Skip: no settings are known to work.
    """
    reasons = ["no settings are known to work: give the class `examples`"]
    wide = [*variants(cls), *({**values, "warmup_steps": 5} for values in variants(cls)[:1])]
    good = [values for values in wide if accepted(cls, values) and _works(cls, values, reasons)]
    if not good:
        raise Skip(reasons[-1])
    return ScheduleSubject(cls, good)


def _works(cls: type[Schedule], values: Settings, reasons: list[str]) -> bool:
    try:
        cls.stack([values]).factors(np.arange(1, 3), TOTAL)
    except InputError as error:
        reasons.append(str(error))
        return False
    return True


def finite_and_not_negative(subject: ScheduleSubject) -> Figure:
    """Check that all factors within the budget are finite and at least 0."""
    findings = []
    for values in subject.variants:
        factors = subject.factors(values)
        wrong = int((~np.isfinite(factors) | (factors < 0)).sum())
        findings.append((wrong, f"{label(values)}: {wrong} of {factors.size} factors are negative or not finite"))
    return worst(findings, 0)


def shape_and_dtype(subject: ScheduleSubject) -> Figure:
    """Check that factors have shape ``(T, R or 1, 1)`` and dtype float64."""
    findings = []
    for values in subject.variants:
        made = subject.make(values).factors(np.arange(1, TOTAL + 1), TOTAL)
        wrong = made.shape not in ((TOTAL, 1, 1), (TOTAL, 3, 1)) or made.dtype != np.float64
        findings.append((float(wrong), f"{label(values)}: factors have shape {made.shape} and dtype {made.dtype}"))
    return worst(findings, 0)


def together_as_alone(subject: ScheduleSubject) -> Figure:
    """Check that each of R runs together has the same bits as alone, also after validation losses."""
    findings = []
    for values in subject.variants:
        together, watched = subject.factors(values), _watch(subject, values, RUNS)
        for run in RUNS:
            count = differing(together[:, run], subject.factors(values, (run,))[:, 0])
            count += all_differing(
                (a[run], b[0]) for a, b in zip(watched, _watch(subject, values, (run,)), strict=True)
            )
            findings.append((count, f"{label(values)}: {count} numbers of run {run} differ"))
    return worst(findings, 0)


def steps_apart(subject: ScheduleSubject) -> Figure:
    """Check that a step's factor does not depend on the other steps of the call, as a resumed run makes other calls."""
    findings = []
    for values in subject.variants:
        whole = subject.factors(values)
        parts = np.concatenate([subject.factors(values, last=23), subject.factors(values, first=24)])
        count = differing(whole, parts)
        findings.append((count, f"{label(values)}: {count} factors differ if they are computed in two calls"))
    return worst(findings, 0)


def repeats(subject: ScheduleSubject) -> Figure:
    """Check that two calls of a schedule, and two new objects, give the same bits."""
    findings = []
    for values in subject.variants:
        made = subject.make(values)
        steps = np.arange(1, TOTAL + 1)
        count = differing(made.factors(steps, TOTAL), made.factors(steps, TOTAL))
        count += differing(subject.factors(values), subject.factors(values))
        findings.append((count, f"{label(values)}: {count} factors differ the second time"))
    return worst(findings, 0)


def restores(subject: ScheduleSubject) -> Figure:
    """Check that a schedule that observes the validation loss continues from its saved state with the same bits."""
    findings = []
    for values in subject.variants:
        made, state = _started(subject, values)
        _observe(made, state, RUNS, 0, 9)
        fresh, kept = subject.make(values), {name: array.copy() for name, array in state.items()}
        after, again = _observe(made, state, RUNS, 9, EPOCHS), _observe(fresh, kept, RUNS, 9, EPOCHS)
        count = all_differing(zip(after, again, strict=True))
        findings.append(
            (count, f"{label(values)}: {count} factors differ after a restore; is state kept on the object?")
        )
    return worst(findings, 0)


def restores_in_new_process(subject: ScheduleSubject) -> Figure:
    """Check that a schedule continues from its saved state in a new process with the same bits."""
    before: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}
    for place, values in enumerate(subject.variants):
        made = subject.make(values)
        state = made.initial_state(len(RUNS))
        _observe(made, state, RUNS, 0, 9)
        before |= {f"{place}/{name}": array.copy() for name, array in state.items()}
        after |= _continuation(subject, place, made, state)
    found = in_new_process(_continued, subject.cls, {"variants": subject.variants}, before)
    findings = []
    for place, values in enumerate(subject.variants):
        count = all_differing((after[name], found[name]) for name in after if name.startswith(f"{place}/"))
        findings.append((count, f"{label(values)}: {count} factors differ if a new process continues"))
    return worst(findings, 0)


def _continuation(
    subject: ScheduleSubject, place: int, made: Schedule, state: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    scales = np.stack(_observe(made, state, RUNS, 9, EPOCHS))
    return {f"{place}/scales": scales, f"{place}/factors": subject.factors(subject.variants[place], first=24)}


def _continued(cls: type[Schedule], given: Mapping[str, Any], arrays: Arrays) -> Arrays:
    """Return the scales and factors that follow the given states."""
    subject = ScheduleSubject(cls, given["variants"])
    found: dict[str, np.ndarray] = {}
    for place, values in enumerate(subject.variants):
        prefix = f"{place}/"
        state = {name.removeprefix(prefix): a.copy() for name, a in arrays.items() if name.startswith(prefix)}
        found |= _continuation(subject, place, subject.make(values), state)
    return found


def nan_stays_in_its_run(subject: ScheduleSubject) -> Figure:
    """Check that a NaN in one run's validation loss does not change the factors of the other runs."""
    findings = []
    for values in subject.variants:
        clean, sick = _watch(subject, values, RUNS), _watch(subject, values, RUNS, spoil=1)
        count = all_differing((a[[0, 2]], b[[0, 2]]) for a, b in zip(clean, sick, strict=True))
        findings.append((count, f"{label(values)}: {count} factors of the other runs differ"))
    return worst(findings, 0)


def _started(subject: ScheduleSubject, values: Settings) -> tuple[Schedule, dict[str, np.ndarray]]:
    made = subject.make(values)
    state = made.initial_state(len(RUNS))
    if not state:
        raise Skip("it does not use the validation loss")
    return made, state


def _watch(subject: ScheduleSubject, values: Settings, runs: Sequence[int], spoil: int = -1) -> list[np.ndarray]:
    made = subject.make(values, runs)
    return _observe(made, made.initial_state(len(runs)), runs, 0, EPOCHS, spoil)


def _observe(
    made: Schedule, state: dict[str, np.ndarray], runs: Sequence[int], first: int, last: int, spoil: int = -1
) -> list[np.ndarray]:
    """Return the scale ``(R, 1)`` after each epoch; the losses decrease for 5 epochs and are then constant."""
    seen = []
    for epoch in range(first, last):
        losses = np.array([1 / (1 + min(epoch, 5)) + 0.1 * run for run in runs])
        if spoil >= 0 and epoch >= 3:
            losses[spoil] = np.nan
        scale = made.observe(state, losses)
        seen.append(np.ones((len(runs), 1)) if scale is None else np.array(scale))
    return seen
