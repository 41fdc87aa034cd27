"""Forward and backward passes: in NumPy, or replayed without returning to Python. The bits are the same.

For each size of batch, the calls of the first batch are recorded on copies of what layers and loss keep
(`framework.compiler.recording`), and NumPy computes it. The second batch is computed both ways and compared; only if
all bits are the same, and nothing that layers or loss keep has changed that the replay does not know, are the recorded
calls replayed for the batches that follow: by this module for one batch, or for many steps in one call by
`framework.training.together`.

Whatever cannot be recorded or differs keeps the run in NumPy, which is the reference.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.base.layer import Layer
from framework.base.loss import Loss
from framework.base.numerics import same_bits
from framework.base.parameters import Shape
from framework.base.randomness import Noise
from framework.compiler.ir import UnfusableError
from framework.compiler.recording import Recorder
from framework.compiler.replay import Replay
from framework.data.batches import Batch
from framework.data.prepare import Samples
from framework.training.attributes import SHARED, constants, moved, set_aside
from framework.training.model import Model

LOG = logging.getLogger("framework")

LONGEST = 0.2
"""Bound of a call's duration in seconds, for which signals and ``max_seconds`` wait: a longer step is divided by runs,
and NumPy computes a single run's."""

FOLLOWS = "the evaluation depends on numbers that a training step keeps outside the buffers"
"""Refusal of layers whose evaluation would miss what replayed steps do not keep."""


@functools.cache
def log_once(reason: str) -> None:
    """Log why training steps run in NumPy, once per reason."""
    LOG.warning("training steps run in NumPy because they cannot be replayed: %s", reason)


def numpy_gradients(model: Model, loss: Loss, inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the gradients of the training loss on one batch; return losses ``(R,)`` and predictions ``(R, B, …)``."""
    predictions = model.forward(inputs, training=True)
    losses = loss.forward(predictions, targets)
    model.backward(loss.backward())
    return losses, predictions


@dataclass
class Draw:
    """Random numbers that a layer draws once per step: the layer's noise, and the array of the recorded step."""

    noise: Noise
    recorded: np.ndarray
    shape: Shape

    def numbers(self, count: int) -> np.ndarray:
        """Return the numbers of the next ``count`` steps, one after the other: ``(R or 1, count * B, …)``."""
        return self.noise.uniform((count * self.shape[0], *self.shape[1:]), self.recorded.dtype)


@dataclass
class Program:
    """The recorded step for one size of batch.

    Attributes:
        batch: the recorded batch until the comparison, which takes another one; then None.
        inputs: the array of the recorded step's samples.
        indices: of their indices, ``(R or 1, B)``.
        targets: of its targets.
        losses: of its losses, ``(R,)``.
        predictions: of its predictions, ``(R, B, …)``.
        draws: its random numbers, in the order of the layers.
        replay: the replay of the recorded calls.
        constants: per layer and for the loss the numbers that `framework.training.attributes.constants` found, until
            the comparison; then empty.
        exact: whether the bits were compared and are the same.
        seconds: the duration of a step in the last call.
        fastest: the shortest of these durations.
    """

    batch: Batch | None
    inputs: np.ndarray
    indices: np.ndarray
    targets: np.ndarray
    losses: np.ndarray
    predictions: np.ndarray
    draws: list[Draw]
    replay: Replay
    constants: list[dict[str, Any]]
    exact: bool = False
    seconds: float = 0.0
    fastest: float = math.inf

    @property
    def used(self) -> bool:
        """Whether steps are replayed: they are exact, and a call of one run does not last too long."""
        return self.exact and self.fastest < LONGEST * (len(self.losses) if self.replay.divided else 1)

    def _parts(self) -> int:
        """Return the number of calls per step, one per run as long as its duration is not known."""
        runs = len(self.losses) if self.replay.divided else 1
        return 1 if self.fastest < LONGEST else min(runs, math.ceil(min(2 * self.fastest / LONGEST, runs)))

    def run(
        self,
        samples: Samples,
        indices: np.ndarray,
        count: int = 1,
        row: int | None = None,
        drawn: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Replay ``count`` steps.

        Args:
            samples: the samples that the batches consist of.
            indices: their indices, the batches of the steps one after the other, ``(R or 1, count * B)``.
            count: the number of steps.
            row: the first step's row of the rule's coefficients, or None to write the gradients of one step only.
            drawn: the layers' random numbers; by default they are drawn.

        Returns:
            Losses ``(R, count)``, predictions ``(R, count * B, …)``, and the targets.
        """
        runs, size, *output = self.predictions.shape
        losses = np.empty((runs, count), self.losses.dtype)
        predictions = np.empty((runs, count * size, *output), self.predictions.dtype)
        targets = np.ascontiguousarray(samples.targets[indices])
        numbers = [draw.numbers(count) for draw in self.draws] if drawn is None else drawn
        recorded = [*(draw.recorded for draw in self.draws), self.indices, self.targets, self.losses, self.predictions]
        arrays = [*numbers, np.ascontiguousarray(indices), targets, losses, predictions]
        for own, array in zip(recorded, arrays, strict=True):
            self.replay.bind(own, array)
        self.replay.choose(self.inputs, samples.inputs)
        started = time.perf_counter()
        self.replay.run(count, row, self._parts())
        self.seconds = (time.perf_counter() - started) / count
        self.fastest = min(self.fastest, self.seconds)
        return losses, predictions, targets


class Passes:
    """The forward and backward passes of R runs.

    Args:
        model: the model; a layer that is not ``replayable`` keeps it in NumPy.
        loss: the loss, likewise.
        replays: whether passes may be replayed.

    Attributes:
        replays: whether batches are recorded and replayed.
        refusal: why the passes run in NumPy although they should be replayed, or "".
        differed: whether a replayed batch differed from NumPy's.
    """

    def __init__(self, model: Model, loss: Loss, *, replays: bool) -> None:
        self._model = model
        self._loss = loss
        self.replays = replays and loss.replayable and all(layer.replayable for layer in model.layers)
        self._parts: list[Layer | Loss] = [*model.layers, loss]
        self._noisy = [(layer, layer.noise) for layer in model.layers if layer.noisy]
        self._programs: dict[int, Program] = {}
        self.refusal = ""
        self.differed = False

    def program(self, size: int) -> Program | None:
        """Return the program for batches of ``size`` samples per run if its steps are replayed."""
        program = self._programs.get(size)
        return program if program is not None and program.used else None

    def write(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Write the gradients of the training loss on one batch; return its losses and predictions.

        Returns:
            Losses ``(R,)`` and predictions ``(R, B, …)``, which are valid until the next call.
        """
        program = self._programs.get(batch.size) if self.replays else None
        if program is not None and program.used:
            losses, predictions, _ = program.run(*_flat(batch))
            return losses[:, 0], predictions
        if program is not None and not program.exact and program.batch is not batch:
            return self._compared(program, batch)
        if self.replays and program is None:
            self._record(batch)
        return numpy_gradients(self._model, self._loss, batch.inputs, batch.targets)

    def _give_up(self, reason: str) -> None:
        log_once(reason)
        self.refusal, self.replays = reason, False
        self._programs.clear()

    def _record(self, batch: Batch) -> None:
        """Record NumPy's calls for a batch; only the gradients are changed."""
        recorder = Recorder()
        try:
            with self._trial():
                self._programs[batch.size] = self._new_program(recorder, batch)
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything if its calls are recorded
            self._give_up(str(error) if isinstance(error, UnfusableError) else f"{type(error).__name__}: {error}")
        finally:
            recorder.forget()

    @contextmanager
    def _trial(self) -> Iterator[None]:
        """Let the passes run inside a ``with`` block without a trace in layers, loss and buffers."""
        buffers = self._model.buffers.flat.copy()
        try:
            with set_aside(self._parts):
                yield
        finally:
            self._model.buffers.flat[...] = buffers

    def _new_program(self, recorder: Recorder, batch: Batch) -> Program:
        model = self._model
        draws: list[Draw] = []
        samples, indices = _flat(batch)
        inputs, indices, targets = samples.inputs.copy(), indices.copy(), np.array(batch.targets, order="C")
        self._watch(recorder, draws)
        given = recorder.rows(inputs, indices), recorder.bound(targets)
        losses, predictions = numpy_gradients(model, self._loss, *given)
        results = np.empty(losses.shape, losses.dtype), np.empty(predictions.shape, predictions.dtype)
        recorder.copy(recorder.bound(results[0]), losses)
        recorder.copy(recorder.bound(results[1]), predictions)
        if len({id(draw.noise) for draw in draws}) < len(draws):
            raise UnfusableError("a layer draws random numbers twice per step")
        replay, kept = Replay(recorder, model.parameters.runs), [constants(part, recorder) for part in self._parts]
        return Program(batch, inputs, indices, targets, *results, draws, replay, kept)

    def _watch(self, recorder: Recorder, draws: list[Draw]) -> None:
        """Let the model's layers compute with recorded arrays."""
        for each in (self._model.parameters, self._model.gradients, self._model.buffers):
            recorder.outer(each.flat)
        for layer in self._model.layers:
            for name in SHARED:
                views = getattr(layer, name)
                setattr(layer, name, {key: recorder.watch(view) for key, view in views.items()})
            layer.use_scratch(recorder.empty)
        for layer, noise in self._noisy:
            layer.noise = _RecordedNoise(layer.noise, noise, recorder, draws)

    def _compared(self, program: Program, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Compute a batch in NumPy and replay it; return NumPy's results and leave its gradients and buffers."""
        model = self._model
        before, seen, evaluated = model.buffers.flat.copy(), list[np.ndarray](), self._evaluated(batch)
        for layer, noise in self._noisy:
            layer.noise = _SeenNoise(noise, seen)
        losses, predictions = numpy_gradients(model, self._loss, batch.inputs, batch.targets)
        for layer, noise in self._noisy:
            layer.noise = noise
        expected = [each.copy() for each in (losses, predictions, model.gradients.flat, model.buffers.flat)]
        model.buffers.flat[...] = before
        refusal = moved(self._parts, program.constants)
        if not refusal and not same_bits(evaluated, self._evaluated(batch)):
            refusal = FOLLOWS
        model.gradients.flat[...] = np.nan  # what the replay does not write must not be taken from NumPy
        replayed = program.run(*_flat(batch), drawn=seen)
        found = (replayed[0][:, 0], replayed[1], model.gradients.flat, model.buffers.flat)
        if not refusal and not all(same_bits(one, other) for one, other in zip(expected, found, strict=True)):
            refusal = "a replayed step differs from NumPy's"
        program.exact = not refusal
        if program.exact:
            program.batch, program.constants = None, []
            for layer in model.layers:
                layer.use_scratch()  # frees arrays that the replay does not use
        else:
            model.gradients.flat[...], model.buffers.flat[...] = expected[2:]
            self.differed = True
            self._give_up(refusal)
        return expected[0], expected[1]

    def _evaluated(self, batch: Batch) -> np.ndarray:
        """Return the predictions for a batch in evaluation."""
        with self._trial():
            return self._model.forward(batch.inputs.copy()).copy()


def _flat(batch: Batch) -> tuple[Samples, np.ndarray]:
    """Return the samples of all runs of a batch one after the other, and their indices ``(R or 1, B)``."""
    lead, size = batch.inputs.shape[:2]
    inputs, targets = (
        np.ascontiguousarray(part).reshape(lead * size, *part.shape[2:]) for part in (batch.inputs, batch.targets)
    )
    return Samples(inputs, targets), np.arange(lead * size).reshape(lead, size)


class _RecordedNoise(Noise):
    """A layer's noise whose numbers are recorded as given at each step."""

    def __init__(self, copied: Noise, noise: Noise, recorder: Recorder, draws: list[Draw]) -> None:
        self._copied, self._noise, self._recorder, self._draws = copied, noise, recorder, draws

    def uniform(self, shape: Shape, dtype: Any) -> np.ndarray:
        """Return the noise's numbers as a recorded array."""
        numbers = np.array(self._copied.uniform(shape, dtype), order="C")
        self._draws.append(Draw(self._noise, numbers, shape))
        return self._recorder.bound(numbers)


class _SeenNoise(Noise):
    """A layer's noise whose numbers are collected."""

    def __init__(self, noise: Noise, seen: list[np.ndarray]) -> None:
        self._noise, self._seen = noise, seen

    def uniform(self, shape: Shape, dtype: Any) -> np.ndarray:
        """Return the noise's numbers and append them to the list."""
        self._seen.append(self._noise.uniform(shape, dtype))
        return self._seen[-1]
