"""A fully typed third-party plugin of each kind; `test_typing.py` checks this module with mypy in strict mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from framework import (
    Columns,
    Dataset,
    DatasetSpec,
    ElementwiseOptimizer,
    Layer,
    LayerSpec,
    Loss,
    LossSpec,
    Metric,
    MetricSpec,
    Objective,
    Optimizer,
    OptimizerSpec,
    Parameters,
    Raw,
    Run,
    Samples,
    Schedule,
    ScheduleSpec,
    Shape,
    Stage,
    StageSpec,
    Start,
    State,
    TensorOptimizer,
    as_values,
    hookimpl,
    hyper,
    integer,
    stream,
)
from framework.elementwise import sign
from framework.tensors import norm


class SignStep(ElementwiseOptimizer):
    """Step by the sign of the gradient."""

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 1e-2))

    @staticmethod
    def rule(p: Any, g: Any, *, lr: Any) -> Any:
        return p - lr * sign(g)


class UnitStep(TensorOptimizer):
    """Steps of one length, tensor by tensor."""

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0))

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        return {}

    @staticmethod
    def rule(p: np.ndarray, g: np.ndarray, s: Any, c: Any) -> np.ndarray:
        return np.asarray(p - c.lr * g / np.maximum(norm(g), 1e-12))


class Plain(Optimizer):
    """Descent, written without a formula."""

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-3, 0.1))

    def initial_state(self, parameters: Parameters) -> State:
        return {}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        parameters.flat -= columns["lr"] * gradients.flat


class Square(Layer):
    """The square of its input."""

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        self._x = x
        return np.asarray(x * x)

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        return np.asarray(2 * self._x * dy) if need_dx else None


class Squares(Loss):
    """Half the mean of squares."""

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self._error = predictions - as_values(targets, predictions)
        return np.asarray(0.5 * (self._error**2).reshape(len(predictions), -1).mean(axis=1))

    def backward(self) -> np.ndarray:
        return np.asarray(self._error / self._error[0].size)


class Largest(Metric):
    """The largest absolute error."""

    tasks = ("regression",)
    greater_is_better = False

    def start(self, runs: int) -> None:
        self._seen = [np.full(runs, -np.inf)]

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        error = np.abs(predictions - targets).reshape(len(predictions), -1)
        self._seen.append(error.max(axis=1))

    def value(self) -> np.ndarray:
        largest = np.max(self._seen, axis=0)
        return np.where(np.isneginf(largest), np.nan, largest)


class Halving(Schedule):
    """Half the rate after so many steps."""

    after: int = integer(100, at_least=1)

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        return np.where(t > self.after, 0.5, 1.0)


class Doubled(Stage):
    """Twice the gradient."""

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        gradients.flat *= 2


class Noise(Dataset):
    """Points without a pattern."""

    samples: int = integer(100, at_least=10)

    def load(self) -> Raw:
        x = stream(self.split_seed, "noise").normal(size=(self.samples, 2))
        return Raw(Samples(x, (x[:, 0] > 0).astype(int)), source="generated")


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    yield OptimizerSpec("sign_step", SignStep)
    yield OptimizerSpec("unit_step", UnitStep)
    yield OptimizerSpec("plain", Plain)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    yield LayerSpec("square", Square)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    yield LossSpec("squares", Squares)


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec("largest", Largest)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    yield ScheduleSpec("halving", Halving)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    yield StageSpec("doubled", Doubled)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    yield DatasetSpec("noise", Noise)


@hookimpl
def run_finished(run: Run, metrics: dict[str, float]) -> None:
    assert metrics["test/loss"] >= 0, run.name
