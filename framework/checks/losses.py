"""Checks of losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.base.loss import Loss
from framework.base.parameters import Shape
from framework.checks.bits import differing
from framework.checks.gradients import TOLERANCE, gradient_error
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, label, spread, variants
from framework.errors import InputError

RUNS = (0, 1, 2)
BATCH = 7
OUTPUTS: tuple[tuple[Shape, str], ...] = (
    ((4,), "labels"),
    ((1,), "labels"),
    ((4,), "shares"),
    ((3, 2, 2), "shares"),
    ((4,), "values"),
    ((3, 2, 2), "values"),
)
"""Shapes of one sample's output with the kind of targets; a loss is checked on those that it accepts."""

WIDE: tuple[tuple[Shape, str], ...] = (((65,), "labels"), ((65,), "shares"), ((65,), "values"), ((16, 16, 3), "values"))
"""As `OUTPUTS`, so large that one BLAS call over all runs gives other bits than one call per run."""

WIDE_BATCH = 33

ROUNDING = 1e-12
FLAT = 1e-9
"""Largest error of the value, and of the slope, at a declared minimum."""

AROUND, TRIED = (1e-3, 1e-1, 1.0, 10.0), 50
"""Distances from a minimum, and the number of points tried at each."""

DTYPES = (np.float64, np.float32)


@dataclass(frozen=True)
class LossCase:
    """A loss's class with one setting, one output shape and one kind of targets."""

    cls: type[Loss]
    values: Settings
    output: Shape
    targets: str
    batch: int = BATCH

    def __str__(self) -> str:
        return f"{label(self.values)}, {self.batch} {self.targets} for outputs {self.output}"

    def loss(self, runs: Sequence[int] = RUNS) -> Loss:
        """Return a new loss; run r has its own neighbour of the setting."""
        rows = spread(self.cls, self.values)
        return self.cls.stack([rows[run] for run in runs])

    def predictions(self, runs: Sequence[int] = RUNS, dtype: Any = np.float64, batch: int | None = None) -> np.ndarray:
        """Return predictions of the kind that the loss expects, ``(R, batch, *output)``, different in each run."""
        batch = batch or self.batch
        drawn = np.stack([np.random.default_rng([run, 1]).standard_normal((batch, *self.output)) for run in runs])
        if self.cls.expects == "probabilities":
            odds = np.exp(drawn)
            wide = len(self.output) == 1 and self.output[0] > 1
            drawn = odds / odds.sum(axis=-1, keepdims=True) if wide else odds / (1 + odds)
        return drawn.astype(dtype)

    def target(self, runs: Sequence[int] = RUNS, dtype: Any = np.float64, batch: int | None = None) -> np.ndarray:
        """Return targets, different in each run: integer labels ``(R, batch)``, or ``(R, batch, *output)``."""
        batch = batch or self.batch
        drawn = [np.random.default_rng([run, 2]) for run in runs]
        if self.targets == "labels":
            return np.stack([rng.integers(0, max(2, self.output[0]), batch) for rng in drawn])
        if self.targets == "shares":
            return np.stack([rng.uniform(0.05, 0.95, (batch, *self.output)) for rng in drawn]).astype(dtype)
        return np.stack([2 * rng.standard_normal((batch, *self.output)) for rng in drawn]).astype(dtype)


@dataclass(frozen=True)
class LossSubject:
    """A loss's class with the cases that it is checked on.

    Attributes:
        cases: cases with small outputs, for all checks.
        wide: cases with outputs so large that a product taken over all runs has other bits than one per run.
    """

    cls: type[Loss]
    cases: Sequence[LossCase] = field(default_factory=list)
    wide: Sequence[LossCase] = field(default_factory=list)


def loss_subject(cls: type[Loss]) -> LossSubject:
    """Return the subject for a loss's class.

    Raises:
        Skip: it accepts none of the known settings and kinds of targets.
    """
    reasons = ["no settings are known to work: give the class `examples`"]
    cases, wide = _cases(cls, OUTPUTS, BATCH, reasons), _cases(cls, WIDE, WIDE_BATCH, reasons)
    if not cases:
        raise Skip(reasons[-1])
    return LossSubject(cls, cases, wide)


def _cases(cls: type[Loss], outputs: Sequence[tuple[Shape, str]], batch: int, reasons: list[str]) -> list[LossCase]:
    kinds = [pair for pair in outputs if pair[1] != "values" or cls.expects == "values"]
    if cls.example_shape is not None:
        kinds = [(cls.example_shape, "values")]
    made = [LossCase(cls, values, *pair, batch) for values in variants(cls) for pair in kinds]
    return [case for case in made if _takes(case, reasons)]


def _takes(case: LossCase, reasons: list[str]) -> bool:
    try:
        case.loss().forward(case.predictions(), case.target())
    except InputError as error:
        reasons.append(str(error))
        return False
    return True


def gradients(subject: LossSubject) -> Figure:
    """Check `backward` against central differences of the loss, for several samples and for one."""
    findings = []
    for case in subject.cases:
        for batch in (BATCH, 1):
            loss, predictions, targets = case.loss(), case.predictions(batch=batch), case.target(batch=batch)
            loss.forward(predictions, targets)
            gradient = loss.backward().copy()
            if gradient.shape != predictions.shape:
                findings.append(
                    (np.nan, f"{case}: backward returns shape {gradient.shape} for predictions {predictions.shape}")
                )
                continue
            error = gradient_error(lambda: loss.forward(predictions, targets), predictions, gradient)  # noqa: B023
            findings.append((error, f"{case}, batch of {batch}: the gradient has a relative error of {error:.1e}"))
    return worst(findings, TOLERANCE)


def minima(subject: LossSubject) -> Figure:
    """Check that the loss has its declared value and no slope at its minima, and is not lower around them.

    Raises:
        Skip: the class declares none.
    """
    cls, findings = subject.cls, list[tuple[float, str]]()
    if not cls.minima:
        raise Skip("the class declares no minima")
    for case in subject.cases:
        loss, rng = case.loss((0,)), np.random.default_rng(0)
        for declared in cls.minima:
            place = np.broadcast_to(np.asarray(declared, dtype=np.float64), case.output)
            targets = np.zeros((1, 1, *case.output))
            found = float(loss.forward(place[None, None].copy(), targets)[0])
            slope = float(np.abs(loss.backward()).max())
            around = [place + width * rng.standard_normal(place.shape) for width in AROUND for _ in range(TRIED)]
            lowest = min(float(loss.forward(other[None, None].copy(), targets)[0]) for other in around)
            scale = max(1.0, abs(cls.minimum))
            findings += [
                (abs(found - cls.minimum) / scale, f"{case}: the loss at {declared} is {found!r}, not {cls.minimum!r}"),
                (slope / scale, f"{case}: the slope at the minimum {declared} is {slope:.1e}"),
                (max(0.0, cls.minimum - lowest), f"{case}: near {declared} the loss is {lowest!r}, below its minimum"),
            ]
    return worst(findings, FLAT)


def mean_over_batch(subject: LossSubject) -> Figure:
    """Check that the loss of a batch is the mean of its samples' losses."""
    findings = []
    for case in subject.cases:
        loss, predictions, targets = case.loss(), case.predictions(), case.target()
        whole = np.array(loss.forward(predictions, targets))
        each = [np.array(loss.forward(predictions[:, i : i + 1], targets[:, i : i + 1])) for i in range(BATCH)]
        mean = np.mean(each, axis=0)
        away = float((np.abs(whole - mean) / (1e-300 + np.abs(mean))).max()) if whole.shape == mean.shape else np.nan
        findings.append((away, f"{case}: the batch's loss is {whole}, the mean of its samples' losses {mean}"))
    return worst(findings, ROUNDING)


def together_as_alone(subject: LossSubject) -> Figure:
    """Check that each of R runs together has the same bits as alone, with targets per run and with shared ones."""
    findings = []
    for case in (*subject.cases, *subject.wide):
        for dtype in DTYPES:
            for shared in (False, True):
                together = _both(case, RUNS, dtype, shared)
                for run in RUNS:
                    pairs = zip(together, _both(case, (run,), dtype, shared), strict=True)
                    count = sum(differing(a[run], b[0]) for a, b in pairs)
                    findings.append((count, f"{case}, {np.dtype(dtype)}: {count} numbers of run {run} differ"))
    return worst(findings, 0)


def _both(case: LossCase, runs: Sequence[int], dtype: Any, shared: bool) -> tuple[np.ndarray, np.ndarray]:
    loss, targets = case.loss(runs), case.target((1,) if shared else runs, dtype)
    losses = np.array(loss.forward(case.predictions(runs, dtype), targets))
    return losses, np.array(loss.backward())


def nan_stays_in_its_run(subject: LossSubject) -> Figure:
    """Check that a NaN in one run's predictions does not change the bits of the other runs."""
    findings = []
    for case in subject.cases:
        clean = _both(case, RUNS, np.float64, False)
        loss, predictions = case.loss(), case.predictions()
        predictions[1] = np.nan
        with np.errstate(all="ignore"):
            sick = np.array(loss.forward(predictions, case.target())), np.array(loss.backward())
        count = sum(differing(a[[0, 2]], b[[0, 2]]) for a, b in zip(clean, sick, strict=True))
        findings.append((count, f"{case}: {count} numbers of the other runs differ"))
    return worst(findings, 0)


def smaller_last_batch(subject: LossSubject) -> Figure:
    """Check that a smaller batch after a larger one gives the same bits as on a new object."""
    findings = []
    for case in subject.cases:
        used, fresh = case.loss(), case.loss()
        used.forward(case.predictions(), case.target())
        used.backward()
        predictions, targets = case.predictions()[:, 4:].copy(), case.target()[:, 4:].copy()
        count = differing(used.forward(predictions, targets), fresh.forward(predictions, targets))
        count += differing(used.backward(), fresh.backward())
        findings.append((count, f"{case}: {count} numbers differ after a larger batch"))
    return worst(findings, 0)


def keeps_dtype(subject: LossSubject) -> Figure:
    """Check that losses and gradients have the predictions' dtype, and that there is one loss per run."""
    findings = []
    for case in subject.cases:
        for dtype in DTYPES:
            losses, gradient = _both(case, RUNS, dtype, False)
            wrong = losses.dtype != dtype or gradient.dtype != dtype or losses.shape != (len(RUNS),)
            says = (
                f"{case}: losses are {losses.dtype} {losses.shape}, gradients {gradient.dtype}, for {np.dtype(dtype)}"
            )
            findings.append((float(wrong), says))
    return worst(findings, 0)


def inputs_unaltered(subject: LossSubject) -> Figure:
    """Check that predictions and targets are not changed, and that `backward` does not read the predictions again."""
    findings = []
    for case in subject.cases:
        loss, predictions, targets = case.loss(), case.predictions(), case.target()
        loss.forward(predictions, targets)
        findings.append((differing(predictions, case.predictions()), f"{case}: forward altered the predictions"))
        predictions[...] = 0.5
        findings.append(
            (
                differing(loss.backward(), _both(case, RUNS, np.float64, False)[1]),
                f"{case}: backward reads the predictions again",
            )
        )
        findings.append((differing(targets, case.target()), f"{case}: the targets were altered"))
    return worst(findings, 0)


def repeats(subject: LossSubject) -> Figure:
    """Check that two new objects with the same settings give the same bits."""
    findings = []
    for case in subject.cases:
        first, second = _both(case, RUNS, np.float64, False), _both(case, RUNS, np.float64, False)
        count = sum(differing(a, b) for a, b in zip(first, second, strict=True))
        findings.append((count, f"{case}: {count} numbers differ the second time"))
    return worst(findings, 0)
