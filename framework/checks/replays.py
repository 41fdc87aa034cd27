"""Checks that replayed training steps have the bits of NumPy's, for what declares ``replayable``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from framework.base.fields import Configurable
from framework.base.layer import Layer, Weight
from framework.base.loss import Loss
from framework.base.parameters import Shape
from framework.checks.bits import all_differing
from framework.checks.chains import ChainSubject
from framework.checks.layers import DTYPES, Bench, LayerCase, LayerSubject
from framework.checks.losses import LossCase, LossSubject
from framework.checks.results import Broken, Figure, Skip, worst
from framework.checks.settings import label
from framework.data.batches import Batch
from framework.training.model import Model
from framework.training.passes import Passes

SPOILED_AT = 8
"""The step at which a gradient is NaN for a stage: the first one is recorded, the second one compared."""

STEPS = 6
"""Compared steps per size of batch: one is recorded, one compared, the others replayed; the last one has a NaN."""

EXTENTS = (1.0, 1.0, 30.0, 0.0, -1.0, 1.0)
"""Factors of a layer's inputs by step, so that decisions that depend on numbers are not all alike; a negative one
multiplies their absolute values."""


class _Slopes(Loss):
    """The mean of prediction times target, whose gradient is the target: any gradient can be given to a layer."""

    replayable = True

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self._targets = targets
        terms = (predictions * targets).reshape(len(predictions), -1)
        return np.asarray(np.add.reduce(terms, axis=1))

    def backward(self) -> np.ndarray:
        return self._targets


class _Offset(Layer):
    """Adds a trained tensor, so that a loss's gradient appears in a model's gradients."""

    replayable = True

    def weights(self, shape: Shape) -> dict[str, Weight]:
        return {"offset": Weight(shape)}

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        return np.add(x, self.weight["offset"][:, None])

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        np.add.reduce(dy, axis=1, out=self.gradient["offset"])
        return None


def _refuse_idle(cls: type[Configurable]) -> None:
    if not getattr(cls, "replayable", False):
        raise Skip("its steps run in NumPy (replayable = False)")
    if find_spec("llvmlite") is None:
        raise Skip("there is no compiler (llvmlite is not installed): replayed steps were not checked")


class _Refused(Exception):  # noqa: N818 - not an error: NumPy then computes the steps
    """The steps cannot be recorded; the message says why."""


def _walk(model: Model, loss: Loss, batches: Sequence[Batch], *, replays: bool) -> Iterator[list[np.ndarray]]:
    """Yield losses, predictions, gradients and buffers of each batch, and then an evaluation, as copies.

    Raises:
        Broken: the replayed steps differ from NumPy's at once.
        _Refused: the passes were to be replayed and cannot be.
    """
    passes = Passes(model, loss, replays=replays)
    model.begin_epoch(1)
    with np.errstate(all="ignore"):
        for batch in batches:
            made = [*passes.write(batch), model.gradients.flat, model.buffers.flat]
            if passes.differed:
                raise Broken(f"it sets replayable = True, but {passes.refusal}")
            if passes.refusal:
                raise _Refused(passes.refusal)
            yield [array.copy() for array in made]
        yield [model.forward(batches[0].inputs).copy()]


def _worst(walks: Iterable[tuple[str, Iterator[list[np.ndarray]], Iterator[list[np.ndarray]]]]) -> Figure:
    """Compare pairs of walks; what cannot be recorded runs in NumPy and is not compared.

    Raises:
        Broken: nothing could be recorded, although the class declares that it can.
    """
    findings, reasons = [], []
    for says, one, other in walks:
        try:
            count = sum(all_differing(zip(a, b, strict=True)) for a, b in zip(one, other, strict=True))
        except _Refused as reason:
            reasons.append(str(reason))
            continue
        findings.append((count, f"{says}: {count} numbers of replayed steps differ from NumPy's"))
    if reasons and not findings:
        raise Broken(f"it sets replayable = True, but its steps cannot be recorded: {reasons[0]}")
    return worst(findings, 0)


def _spoiled(batches: list[Batch]) -> list[Batch]:
    """Put NaN and infinity into the last batch's first run."""
    flat = batches[-1].inputs[0].reshape(-1)
    flat[:1], flat[1:2] = np.nan, np.inf
    return batches


def layer_replays_as_numpy(subject: LayerSubject) -> Figure:
    """Check that replayed steps of the layer have NumPy's bits, NaN and infinity included."""
    _refuse_idle(subject.cls)
    runs = subject.runs()
    return _worst(
        (
            f"{case}, {np.dtype(dtype)}",
            _layer_walk(case, runs, dtype, replays=False),
            _layer_walk(case, runs, dtype, replays=True),
        )
        for case in subject.cases
        for dtype in DTYPES
    )


def _layer_walk(case: LayerCase, runs: Sequence[int], dtype: Any, *, replays: bool) -> Iterator[list[np.ndarray]]:
    batches = _spoiled(_layer_batches(case, runs, dtype))
    return _walk(case.bench(runs, dtype).model, _Slopes.stack([{}]), batches, replays=replays)


def _layer_batches(case: LayerCase, runs: Sequence[int], dtype: Any) -> list[Batch]:
    bench = case.bench(runs, dtype)
    sizes = (case.batch, case.batch - 2)
    return _in_turns([[_layer_batch(bench, size, step) for step in range(STEPS)] for size in sizes])


def _layer_batch(bench: Bench, size: int, step: int) -> Batch:
    shapes = (bench.model.input_shape, bench.model.output_shape)
    inputs, slopes = (bench.numbers(shape, size, 20 + 2 * step + side) for side, shape in enumerate(shapes))
    extent = bench.dtype(EXTENTS[step])
    return Batch(extent * (np.abs(inputs) if extent < 0 else inputs), slopes)


def _in_turns(by_size: Sequence[Sequence[Batch]]) -> list[Batch]:
    """Return the batches of two sizes in turns of two, so that a step follows one of its own and of another size."""
    return [batch for at in range(0, STEPS, 2) for batches in by_size for batch in batches[at : at + 2]]


def loss_replays_as_numpy(subject: LossSubject) -> Figure:
    """Check that replayed steps with the loss have NumPy's bits, NaN and infinity included."""
    _refuse_idle(subject.cls)
    return _worst(
        (f"{case}, {np.dtype(dtype)}", _loss_walk(case, dtype, replays=False), _loss_walk(case, dtype, replays=True))
        for case in subject.cases
        for dtype in DTYPES
    )


def _loss_walk(case: LossCase, dtype: Any, *, replays: bool) -> Iterator[list[np.ndarray]]:
    loss, runs = case.loss(), (0, 1, 2)
    loss.labels_checked, loss.shares_checked = case.targets == "labels", case.targets == "shares"
    model = Model([("offset", _Offset.stack([{}] * len(runs)))], case.output, runs, np.dtype(dtype))
    predictions, targets = case.predictions(runs, dtype), case.target(runs, dtype)
    moved = [(np.roll(predictions, step, axis=1), np.roll(targets, 2 * step, axis=1)) for step in range(STEPS)]
    smaller = [Batch(*(np.ascontiguousarray(part[:, :-2]) for part in pair)) for pair in moved]
    batches = _in_turns([[Batch(*pair) for pair in moved], smaller])
    return _walk(model, loss, _spoiled(batches), replays=replays)


def stage_replays_as_numpy(subject: ChainSubject) -> Figure:
    """Check that replayed steps of the stage have NumPy's bits, NaN included.

    Raises:
        Broken: its calls cannot be recorded, or differ from step to step.
    """
    _refuse_idle(subject.cls)
    findings = []
    for variant in subject.variants:
        for dtype in DTYPES:
            plain, replayed = (subject.population(variant, dtype=dtype, replays=replays) for replays in (False, True))
            for population in (plain, replayed):
                population.bowl.spoil = (1, SPOILED_AT)
                population.walk()
            if refusal := replayed.update.stages.refusal:
                raise Broken(f"it sets replayable = True, but {refusal}")
            count = all_differing(zip(plain.arrays(), replayed.arrays(), strict=True))
            says = f"{label(variant)}, {np.dtype(dtype)}: {count} numbers of replayed steps differ from NumPy's"
            findings.append((count, says))
    return worst(findings, 0)
