"""Problems with one bug each, and the check that must detect it; also a plugin file with their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from framework import LayerSpec, LossSpec, hookimpl
from plugins.layers.point import Point
from plugins.losses.quadratic import Quadratic

BOWL: dict[str, Any] = {
    "dataset": {"name": "gradient_noise", "dimensions": 3, "samples": 40, "std": 0.1},
    "model": {"name": "point", "layers": [{"layer": "point", "units": "outputs", "start": [1.0]}]},
    "loss": {"name": "quadratic"},
    "batch_size": 10,
    "epochs": 5,
    "metrics": [],
    "target": 0.01,
    "target_source": "chosen",
    "problem_source": "this file",
}
"""A correct problem: a noisy bowl in three dimensions, whose loss is 0.555 at the start."""

PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "slanted": ("gradients", {"loss": {"name": "slanted"}}),
    "displaced": ("minima", {"loss": {"name": "displaced"}}),
    "lower": ("minima", {"loss": {"name": "raised"}}),
    "unseeded": ("noise_is_paired", {"model": {"name": "point", "layers": [{"layer": "unseeded", "units": 3}]}}),
    "easy": ("target_is_reachable", {"target": 0.6}),
    "impossible": ("target_is_reachable", {"target": -0.001}),
    "batch": ("budget_fits", {"batch_size": 41}),
    "short": ("budget_fits", {"steps": 3}),
    "timed": ("budget_fits", {"epochs": None, "max_seconds": 1.0}),
    "silent": ("names_its_source", {"problem_source": None}),
    "aimless": ("names_its_source", {"target_source": None}),
}
"""The check that must fail, and the changes to `BOWL`, by a short name."""


class Slanted(Quadratic):
    """Returns a gradient whose first coordinate is 1 % too large."""

    def slope(self, x: np.ndarray) -> np.ndarray:
        return super().slope(x) * np.array([1.01, 1, 1], x.dtype)


class Displaced(Quadratic):
    """Declares a minimum that it does not have."""

    minima = (0.01,)


class Raised(Quadratic):
    """Declares a value at its minimum that is too high."""

    minimum = 1e-3


class Unseeded(Point):
    """Starts at a point that the seed does not determine."""

    generator = np.random.default_rng()

    def weights(self, shape: Any) -> Any:
        return {
            name: replace(weight, offset=self.generator.random(3)) for name, weight in super().weights(shape).items()
        }


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    yield LossSpec("slanted", Slanted)
    yield LossSpec("displaced", Displaced)
    yield LossSpec("raised", Raised)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    yield LayerSpec("unseeded", Unseeded)
