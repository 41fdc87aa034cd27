"""Cases for the tests of losses: every loss, with suitable predictions and targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.base.loss import Loss
from plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from plugins.losses.binary_cross_entropy_logits import BinaryCrossEntropyLogits
from plugins.losses.categorical_cross_entropy import CategoricalCrossEntropy
from plugins.losses.hinge import Hinge
from plugins.losses.huber import Huber
from plugins.losses.mae import MAE
from plugins.losses.mse import MSE
from plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy

RUNS, BATCH, CLASSES = 3, 7, 4
IMAGE = (3, 5, 2)


@dataclass(frozen=True)
class Case:
    """A loss with suitable predictions and targets.

    Attributes:
        name: name of the case.
        cls: class of the loss.
        output: shape of one sample's output.
        targets: kind of targets: ``labels``, ``shares`` (between 0 and 1) or ``values``.
        plain: the loss of one sample in plain Python: a function of the outputs, the label or values, and the column.
        column: a field with one value per run, or nothing.
    """

    name: str
    cls: type[Loss]
    output: tuple[int, ...]
    targets: str
    plain: Callable[[list[float], Any, float], float]
    column: Mapping[str, list[float]] = field(default_factory=dict)

    def loss(self, rows: slice = slice(None)) -> Loss:
        """Return the loss with the column's values of the runs ``rows``."""
        return self.cls(**{name: values[rows] for name, values in self.column.items()})

    def predictions(self, rng: np.random.Generator, dtype: Any = np.float64) -> np.ndarray:
        """Return random predictions, shape ``(RUNS, BATCH, *output)``."""
        raw = rng.standard_normal((RUNS, BATCH, *self.output)) * 1.5
        if self.cls.expects == "probabilities":
            raw = 1 / (1 + np.exp(-raw))
        return raw.astype(dtype)

    def draw_targets(self, rng: np.random.Generator, runs: int, dtype: Any = np.float64) -> np.ndarray:
        """Return random targets: labels ``(runs, BATCH)`` or values ``(runs, BATCH, *output)``."""
        if self.targets == "labels":
            return rng.integers(0, max(2, self.output[0]), (runs, BATCH))
        if self.targets == "shares":
            return rng.random((runs, BATCH, *self.output)).astype(dtype)
        return rng.standard_normal((runs, BATCH, *self.output)).astype(dtype)

    def plain_mean(self, predictions: np.ndarray, targets: np.ndarray, run: int) -> float:
        """Return one run's mean loss, computed with ``plain``."""
        column = next(iter(self.column.values()), [math.nan] * RUNS)[run]
        shared = targets[run if len(targets) == predictions.shape[0] else 0]
        one = [
            self.plain(p.reshape(-1).tolist(), t.tolist() if t.ndim == 0 else t.reshape(-1).tolist(), column)
            for p, t in zip(predictions[run], shared, strict=True)
        ]
        return math.fsum(one) / len(one)


def _mean_over_outputs(single: Callable[[float, float, float], float]) -> Callable[[list[float], Any, float], float]:
    def plain(outputs: list[float], target: Any, column: float) -> float:
        values = target
        if isinstance(target, int):
            values = [float(target)] if len(outputs) == 1 else [float(c == target) for c in range(len(outputs))]
        return math.fsum(single(p, t, column) for p, t in zip(outputs, values, strict=True)) / len(outputs)

    return plain


def _huber(p: float, t: float, delta: float) -> float:
    e = abs(p - t)
    return 0.5 * e * e if e <= delta else delta * (e - 0.5 * delta)


def _softmax_cross_entropy(z: list[float], label: int, smoothing: float) -> float:
    total = math.fsum(math.exp(value) for value in z)
    q = [(1 - smoothing) * (c == label) + smoothing / len(z) for c in range(len(z))]
    return -math.fsum(share * math.log(math.exp(value) / total) for share, value in zip(q, z, strict=True))


def _hinge(z: list[float], label: int, margin: float) -> float:
    if len(z) == 1:
        return max(0.0, margin - (1.0 if label == 1 else -1.0) * z[0])
    return sum(max(0.0, margin - z[label] + z[c]) for c in range(len(z)) if c != label) / len(z)


def _binary(p: float, t: float, _: float) -> float:
    return -t * math.log(p) - (1 - t) * math.log(1 - p)


def _binary_logits(z: float, t: float, _: float) -> float:
    return _binary(1 / (1 + math.exp(-z)), t, _)


SQUARE = _mean_over_outputs(lambda p, t, _: (p - t) ** 2)
ABSOLUTE = _mean_over_outputs(lambda p, t, _: abs(p - t))
HUBER = _mean_over_outputs(_huber)
BINARY = _mean_over_outputs(_binary)
BINARY_LOGITS = _mean_over_outputs(_binary_logits)
DELTAS = {"delta": [0.3, 1.0, 2.5]}
SMOOTHINGS = {"label_smoothing": [0.0, 0.1, 0.7]}
MARGINS = {"margin": [0.5, 1.0, 2.0]}

CASES = [
    Case("mse_values", MSE, (CLASSES,), "values", SQUARE),
    Case("mse_images", MSE, IMAGE, "values", SQUARE),
    Case("mse_labels", MSE, (CLASSES,), "labels", SQUARE),
    Case("mse_one_output", MSE, (1,), "labels", SQUARE),
    Case("mae_values", MAE, (CLASSES,), "values", ABSOLUTE),
    Case("mae_images", MAE, IMAGE, "values", ABSOLUTE),
    Case("mae_labels", MAE, (CLASSES,), "labels", ABSOLUTE),
    Case("huber_values", Huber, (CLASSES,), "values", HUBER, DELTAS),
    Case("huber_images", Huber, IMAGE, "values", HUBER, DELTAS),
    Case("huber_labels", Huber, (CLASSES,), "labels", HUBER, DELTAS),
    Case("softmax_cross_entropy", SoftmaxCrossEntropy, (CLASSES,), "labels", _softmax_cross_entropy, SMOOTHINGS),
    Case(
        "categorical_cross_entropy",
        CategoricalCrossEntropy,
        (CLASSES,),
        "labels",
        lambda p, label, _: -math.log(p[label]),
    ),
    Case("binary_logits_values", BinaryCrossEntropyLogits, (CLASSES,), "shares", BINARY_LOGITS),
    Case("binary_logits_images", BinaryCrossEntropyLogits, IMAGE, "shares", BINARY_LOGITS),
    Case("binary_logits_labels", BinaryCrossEntropyLogits, (CLASSES,), "labels", BINARY_LOGITS),
    Case("binary_logits_one_output", BinaryCrossEntropyLogits, (1,), "labels", BINARY_LOGITS),
    Case("binary_values", BinaryCrossEntropy, (CLASSES,), "shares", BINARY),
    Case("binary_images", BinaryCrossEntropy, IMAGE, "shares", BINARY),
    Case("binary_labels", BinaryCrossEntropy, (CLASSES,), "labels", BINARY),
    Case("binary_one_output", BinaryCrossEntropy, (1,), "labels", BINARY),
    Case("hinge_classes", Hinge, (CLASSES,), "labels", _hinge, MARGINS),
    Case("hinge_one_output", Hinge, (1,), "labels", _hinge, MARGINS),
]
