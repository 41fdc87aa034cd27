"""Function problems: values against plain loops and SciPy, published figures, and the convergence tests of optax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from chains import Constant
from runs import config, trained
from scipy.optimize import rosen, rosen_der

from framework import Loss
from framework.base.parameters import Parameters
from framework.config.resolved import RunConfig
from framework.registry.manager import find
from framework.training.loop import evaluate
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.update import Update

PLACES = np.random.default_rng(5).uniform(-2, 2, (4, 2))


def plain(name: str, u: float, v: float) -> float:
    """Return a two-dimensional function in plain Python, as its source writes it."""
    pi = math.pi
    return {
        "beale": lambda: (1.5 - u + u * v) ** 2 + (2.25 - u + u * v**2) ** 2 + (2.625 - u + u * v**3) ** 2,
        "branin": lambda: (
            (v - 5.1 / (4 * pi**2) * u**2 + 5 / pi * u - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * math.cos(u) + 10
        ),
        "himmelblau": lambda: (u**2 + v - 11) ** 2 + (u + v**2 - 7) ** 2,
        "saddle": lambda: u**2 / 2 - v**2 / 2 + v**4 / 4,
        "plateau": lambda: 1 - 1 / (1 + math.hypot(u, v) ** 2),
        "ravine": lambda: ((u - v) / math.sqrt(2)) ** 2 / 2 + ((u + v) / math.sqrt(2)) ** 2 / 2 / 100,
        "rastrigin": lambda: 20 + u**2 + v**2 - 10 * math.cos(2 * pi * u) - 10 * math.cos(2 * pi * v),
        "quadratic": lambda: (u**2 + v**2 / 100) / 2,
        "rosenbrock": lambda: float(rosen([u, v])),
    }[name]()


def loss_of(name: str, **fields: Any) -> Loss:
    return find("loss", name).cls(**fields)


@pytest.mark.parametrize(
    "name",
    ["rosenbrock", "beale", "branin", "himmelblau", "saddle", "plateau", "ravine", "rastrigin", "quadratic"],
)
def test_values(name: str) -> None:
    noise = np.random.default_rng(6).standard_normal(PLACES.shape)
    found = [float(loss_of(name).forward(x[None, None], z[None, None])[0]) for x, z in zip(PLACES, noise, strict=True)]
    expected = [plain(name, *x) + float(z @ x) for x, z in zip(PLACES.tolist(), noise, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rosenbrock_in_many_dimensions() -> None:
    x = np.random.default_rng(1).uniform(-2, 2, 100)
    loss = loss_of("rosenbrock")
    assert float(loss.forward(x[None, None], np.zeros((1, 1, 100)))[0]) == pytest.approx(rosen(x), rel=1e-12)
    np.testing.assert_allclose(loss.backward()[0, 0], rosen_der(x), rtol=1e-10)


def test_curvatures() -> None:
    loss, d = loss_of("quadratic", condition=[1e6, 1.0]), 4
    slopes = []
    for axis in np.eye(d):
        loss.forward(np.broadcast_to(axis, (2, 1, d)), np.zeros((1, 1, d)))
        slopes.append(loss.backward()[:, 0] @ axis)
    np.testing.assert_allclose(np.transpose(slopes), [[1, 1e-2, 1e-4, 1e-6], [1, 1, 1, 1]], rtol=1e-12)


def point(loss: str | dict[str, Any], start: list[float], **changes: Any) -> RunConfig:
    """Return a run of one function from a start, without noise."""
    named = {"name": loss} if isinstance(loss, str) else loss
    base: dict[str, Any] = {
        "dataset": {"name": "gradient_noise", "samples": 1, "dimensions": len(start), "std": 0.0},
        "model": {"name": "point", "layers": [{"layer": "point", "units": "outputs", "start": start}]},
        "loss": named,
        "batch_size": 1,
        "metrics": [],
    }
    return config(**{**base, **changes})


def test_noise_and_spread_depend_on_the_seed() -> None:
    layers = [{"layer": "point", "units": 2, "start": [1.0, -1.0], "spread": 0.5}]
    runs = [
        point("saddle", [0.0, 0.0], model={"name": "point", "layers": layers}, seed=seed, **noise)
        for seed in (0, 1)
        for noise in [{"dataset": {"name": "gradient_noise", "samples": 20}, "batch_size": 5}]
    ]
    starts = Population(runs).model.parameters.flat
    assert abs(starts[0] - starts[1]).min() > 0.01
    first, second = trained(*runs)
    assert first.history[-1]["train/loss"] != second.history[-1]["train/loss"]
    population = Population(runs)
    loss = population.loss.forward(np.ones((2, 1, 2), np.float32), population.data.test.targets[None])
    assert loss.tolist() == [0.25, 0.25]  # without noise


def deep(seeds: range, **changes: Any) -> list[RunConfig]:
    """Return runs of the problem quadratic_deep, as its file sets it."""
    settings: dict[str, Any] = {
        "dataset": {"name": "quadratic_deep"},
        "model": {"name": "point", "layers": [{"layer": "point", "units": "outputs", "start": [1.0]}]},
        "loss": {"name": "quadratic_deep"},
        "batch_size": 128,
        "epochs": 100,
        "drop_last": True,
        "replay_order": True,
        "metrics": [],
    }
    return [config(**{**settings, **changes, "seed": seed}) for seed in seeds]


def test_deepobs_start() -> None:
    population = Population(deep(range(1), dtype="float64"))
    assert float(evaluate(population, population.data.test)["loss"][0]) == pytest.approx(353.4468, abs=5e-5)


@pytest.mark.parametrize(
    ("optimizer", "mean", "deviation"),
    [
        ({"name": "sgd", "lr": 1.585e-2}, 87.3975, 0.169),
        ({"name": "momentum", "momentum": 0.99, "lr": 2.512e-3}, 87.0450, 0.025),
        ({"name": "adam", "lr": 3.981e-2}, 87.1119, 0.024),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_deepobs_tuned(optimizer: dict[str, Any], mean: float, deviation: float) -> None:
    runs = deep(range(10), optimizer=optimizer)
    outcomes = trained(*runs)
    assert abs(np.mean([outcome.metrics["test/loss"] for outcome in outcomes]) - mean) < 2 * deviation


class Losses(Observer):
    """Collects the losses ``(R,)`` at given steps."""

    def __init__(self, steps: list[int]) -> None:
        self.at = dict.fromkeys(steps)

    def step(self, runs, step, losses):
        if step in self.at:
            self.at[step] = losses.tolist()


def test_rosenbrock_as_optax() -> None:
    steps = [25_002, 50_002]  # the loss before step t is that after t - 1 steps
    published = [[8.6184, 8.3700, 8.7576], [0.26171, 0.17760, 1.4611]]
    runs = [
        point(
            "rosenbrock",
            [-3.0, 5.0],
            steps=50_002,
            optimizer={"name": "adam", "lr": 3e-3, "beta1": b, "beta2": 0.9999},
            dataset={"name": "gradient_noise", "samples": 50_002, "std": 0.0},
        )
        for b in (0.9, 0.99, 0.999)
    ]
    losses = Losses(steps)
    trained(*runs, observers=[losses])
    np.testing.assert_allclose(list(losses.at.values()), published, rtol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("target", ["parabola", "rosenbrock"])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("sgd", {"lr": 1e-3, "momentum": 0.9}),
        ("adam", {"lr": 1e-1}),
        ("rmsprop", {"lr": 5e-3}),
        ("yogi", {"lr": 1e-1}),
    ],
    ids=["sgd", "adam", "rmsprop", "yogi"],
)
def test_converges_as_in_optax(name: str, fields: dict[str, float], target: str, dtype: Any) -> None:
    """The problems, steps and tolerance of optax's tests of its optimizers, with the learning rates set there."""
    start, end = {
        "parabola": ([-1.0, 10.0, 1.0], [1.0, -1.0, 1.0]),
        "rosenbrock": ([0.0, 0.0], [1.0, 1.0]),
    }[target]
    parameters = Parameters({"x": (len(start),)}, 1, dtype)
    gradients = parameters.like()
    parameters.flat[...] = start
    update = Update(find("optimizer", name).cls(**fields), parameters, gradients, schedule=Constant(), total=10_000)
    for t in range(1, 10_001):
        x = parameters.flat[0]
        gradients.flat[0] = 2 * (x - end) if target == "parabola" else rosen_der(x)
        update.step(t)
    np.testing.assert_allclose(parameters.flat[0], end, rtol=3e-2, atol=3e-2)
