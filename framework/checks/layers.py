"""Checks of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.base.layer import Layer
from framework.base.parameters import Shape
from framework.checks.bits import all_differing, differing
from framework.checks.gradients import TOLERANCE, gradient_error, per_run
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, label, spread, variants
from framework.errors import InputError
from framework.training.model import Model

SHAPES: tuple[Shape, ...] = ((6,), (6, 5, 2), (6, 6, 2), (12,), (8, 3))
"""Sample shapes to check a layer on: the first of one axis and the first of more axes that it accepts are used."""

WIDE: tuple[Shape, ...] = ((65,), (64,), (17, 16, 8), (16, 16, 8))
"""As `SHAPES`, for samples so large that one BLAS call over all runs gives other bits than one call per run."""

RUNS = (0, 1, 2)
BATCH, WIDE_BATCH = 5, 33
DTYPES = (np.float64, np.float32)


@dataclass(frozen=True)
class LayerCase:
    """A layer's class with one setting and one input shape."""

    cls: type[Layer]
    values: Settings
    shape: Shape
    batch: int = BATCH

    def __str__(self) -> str:
        return f"{label(self.values)}, {self.batch} samples {self.shape}"

    def bench(self, runs: Sequence[int] = RUNS, dtype: Any = np.float64) -> Bench:
        """Return a new bench; run r has its own seed, tensors and neighbour of the setting."""
        rows = spread(self.cls, self.values)
        return Bench(self.cls.stack([rows[run] for run in runs]), self.shape, runs, dtype, self.batch)


class Bench:
    """A model of one layer, with trained tensors and buffers moved away from their initial values."""

    def __init__(
        self, layer: Layer, shape: Shape, runs: Sequence[int], dtype: Any = np.float64, batch: int = BATCH
    ) -> None:
        self.layer, self.runs, self.dtype, self.batch = layer, runs, dtype, batch
        self.model = Model([("layer", layer)], shape, [run + 10 for run in runs], dtype)
        for row, run in enumerate(runs):
            rng = np.random.default_rng([run, 7])
            self.model.parameters.flat[row] += (0.5 * rng.standard_normal(self.model.parameters.size)).astype(dtype)
            self.model.buffers.flat[row] += rng.uniform(0.1, 0.9, self.model.buffers.size).astype(dtype)

    def numbers(self, shape: Shape, batch: int, key: int) -> np.ndarray:
        """Return normally distributed numbers per run, ``(R, batch, *shape)``; ``key`` selects the random stream."""
        drawn = [np.random.default_rng([run, key]).standard_normal((batch, *shape)) for run in self.runs]
        return np.stack(drawn).astype(self.dtype)

    def inputs(self, batch: int | None = None) -> np.ndarray:
        """Return inputs ``(R, batch, *input_shape)``."""
        return self.numbers(self.model.input_shape, batch or self.batch, 8)

    def slopes(self, batch: int | None = None) -> np.ndarray:
        """Return gradients with respect to the output, ``(R, batch, *output_shape)``."""
        return self.numbers(self.model.output_shape, batch or self.batch, 9)

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Restart the noise; return a copy of the output for ``x``."""
        self.model.begin_epoch(0)
        return self.layer.forward(x, training=training).copy()

    def all_of(self, x: np.ndarray, dy: np.ndarray, *, training: bool) -> dict[str, np.ndarray]:
        """Return copies of output, gradients and buffers after one forward and one backward, by name.

        Raises:
            InputError: `backward` returned None instead of the input's gradient.
        """
        y = self.forward(x, training=training)
        self.model.gradients.flat.fill(np.nan)  # backward must write, not add
        dx = self.layer.backward(dy, need_dx=True)
        if dx is None:
            raise InputError("backward returned no gradient of the input, but need_dx is set")
        arrays = {"the output": y, "the input's gradient": dx.copy()}
        arrays |= {f"the gradient of {name}": view.copy() for name, view in self.layer.gradient.items()}
        return arrays | {f"the buffer {name}": view.copy() for name, view in self.layer.buffer.items()}


@dataclass(frozen=True)
class LayerSubject:
    """A layer's class with the cases that it is checked on.

    Attributes:
        cases: cases with small inputs, for all checks.
        wide: cases with inputs so large that a product taken over all runs has other bits than one per run.
    """

    cls: type[Layer]
    cases: Sequence[LayerCase] = field(default_factory=list)
    wide: Sequence[LayerCase] = field(default_factory=list)

    def needs_company(self) -> None:
        """Raise `Skip` if the class trains only one run at a time."""
        if not self.cls.vectorized:
            raise Skip("its runs train one at a time (vectorized = False)")

    def runs(self) -> tuple[int, ...]:
        """Return the runs to train together: three, or one if the layer is not vectorized."""
        return RUNS if self.cls.vectorized else (1,)


def layer_subject(cls: type[Layer]) -> LayerSubject:
    """Return the subject for a layer's class.

    Raises:
        Skip: it accepts none of the known settings and shapes.
    """
    reasons = ["no settings are known to work"]
    own = () if cls.example_shape is None else (cls.example_shape,)
    cases, wide = [], []
    for values in variants(cls):
        cases += [LayerCase(cls, values, shape) for shape in _taken(cls, values, (*own, *SHAPES), reasons)]
        for wider in _widened(cls, values):
            wide += [LayerCase(cls, wider, shape, WIDE_BATCH) for shape in _taken(cls, wider, WIDE, reasons)]
    if not cases:
        raise Skip(f"give the class `examples` (and `example_shape`): {reasons[-1]}")
    return LayerSubject(cls, cases, wide)


def _taken(cls: type[Layer], values: Settings, shapes: Sequence[Shape], reasons: list[str]) -> list[Shape]:
    """Return the first shape of one axis and the first of more axes that the layer accepts."""
    good = [shape for shape in shapes if _takes(cls, values, shape, reasons)]
    return [*[s for s in good if len(s) == 1][:1], *[s for s in good if len(s) > 1][:1]]


def _widened(cls: type[Layer], values: Settings) -> list[Settings]:
    """Return the settings, and copies in each of which one integer, such as units, is large (`WIDE_BATCH`)."""
    numbers = [name for name, value in values.items() if type(value) is int]
    return [dict(values), *({**values, name: WIDE_BATCH} for name in numbers)]


def _takes(cls: type[Layer], values: Mapping[str, Any], shape: Shape, reasons: list[str]) -> bool:
    try:
        cls.stack([values]).output_shape(shape)
    except InputError as error:
        reasons.append(str(error))
        return False
    return True


def gradients(subject: LayerSubject) -> Figure:
    """Check `backward` against central differences of the output, in training and in evaluation mode."""
    findings = []
    for case in subject.cases:
        for training in (True, False):
            for batch in (BATCH, 1):
                findings += _slopes(case, subject.runs(), batch, training)
    return worst(findings, TOLERANCE)


def _slopes(case: LayerCase, runs: Sequence[int], batch: int, training: bool) -> list[tuple[float, str]]:
    bench = case.bench(runs)
    x, dy, buffers = bench.inputs(batch), bench.slopes(batch), bench.model.buffers.flat.copy()
    claimed = bench.all_of(x, dy, training=training)

    def value() -> np.ndarray:
        bench.model.buffers.flat[...] = buffers
        return per_run(dy * bench.forward(x, training=training))

    places = {"the input's gradient": x} | {f"the gradient of {n}": view for n, view in bench.layer.weight.items()}
    mode = "training" if training else "evaluation"
    errors = {name: gradient_error(value, place, claimed[name]) for name, place in places.items()}
    return [
        (e, f"{case}, batch of {batch}, {mode}: {name} has a relative error of {e:.1e}") for name, e in errors.items()
    ]


def together_as_alone(subject: LayerSubject) -> Figure:
    """Check that each of R runs together has the same bits as alone."""
    subject.needs_company()
    findings = []
    for case in (*subject.cases, *subject.wide):
        for dtype in DTYPES:
            bench = case.bench(RUNS, dtype)
            together = bench.all_of(bench.inputs(), bench.slopes(), training=True)
            for run in RUNS:
                one = case.bench((run,), dtype)
                alone = one.all_of(one.inputs(), one.slopes(), training=True)
                for name, array in together.items():
                    findings.append(
                        (differing(array[run], alone[name][0]), f"{case}, {np.dtype(dtype)}: {name} differs")
                    )
    return worst(findings, 0)


def nan_stays_in_its_run(subject: LayerSubject) -> Figure:
    """Check that a NaN in one run's input does not change the bits of the other runs."""
    subject.needs_company()
    findings = []
    for case in subject.cases:
        clean, spoiled = case.bench(), case.bench()
        x = clean.inputs()
        healthy = clean.all_of(x, clean.slopes(), training=True)
        x[1] = np.nan
        with np.errstate(all="ignore"):
            sick = spoiled.all_of(x, spoiled.slopes(), training=True)
        for name, array in healthy.items():
            findings.append((differing(array[[0, 2]], sick[name][[0, 2]]), f"{case}: {name} of the other runs differs"))
    return worst(findings, 0)


def batch_of_one(subject: LayerSubject) -> Figure:
    """Check that a batch of one sample gives finite numbers of the right shapes, in training and in evaluation mode."""
    findings = []
    for case in subject.cases:
        for training in (True, False):
            bench = case.bench(subject.runs())
            made = bench.all_of(bench.inputs(1), bench.slopes(1), training=training)
            good = {name: bool(np.isfinite(array).all()) for name, array in made.items()}
            good["the output"] &= made["the output"].shape[1:] == (1, *bench.model.output_shape)
            good["the input's gradient"] &= made["the input's gradient"].shape[1:] == (1, *case.shape)
            findings += [
                (float(not fine), f"{case}: {name} has a wrong shape or is not finite") for name, fine in good.items()
            ]
    return worst(findings, 0)


def smaller_last_batch(subject: LayerSubject) -> Figure:
    """Check that a smaller batch after a larger one gives the same bits as on a new object: no old values are used."""
    findings = []
    for case in subject.cases:
        used, fresh = case.bench(subject.runs()), case.bench(subject.runs())
        used.all_of(used.inputs(), used.slopes(), training=True)
        fresh.model.buffers.flat[...] = used.model.buffers.flat
        x, dy = used.inputs()[:, 3:].copy(), used.slopes()[:, 3:].copy()
        pairs = zip(
            used.all_of(x, dy, training=True).values(), fresh.all_of(x, dy, training=True).values(), strict=True
        )
        count = all_differing(pairs)
        findings.append((count, f"{case}: {count} numbers differ after a larger batch"))
    return worst(findings, 0)
