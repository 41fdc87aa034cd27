"""A test function for optimizers that read or evaluate the loss: a valley whose tilt changes at each step."""

from __future__ import annotations

import numpy as np
from chains import Constant, optimizer_class

from framework.base.parameters import Parameters
from framework.training.update import Update


class Valley:
    """f(x) = sum w_i x_i^2 / 2 + sum (x_{i+1} - x_i^2)^2 + <c, x> for R runs, each with its own tilt c.

    Attributes:
        parameters: the points x.
        gradients: buffer for the gradients of f.
        weights: the weights w, shape ``(size,)``.
        evaluations: number of evaluations since the last `begin`.
    """

    def __init__(self, parameters, gradients, weights):
        self.parameters, self.gradients, self.weights = parameters, gradients, weights
        self.evaluations = 0

    def begin(self, tilts):
        """Set new tilts, shape ``(R, size)``, and evaluate at the current parameters."""
        self.tilts = tilts
        self.losses = self.evaluate()
        self.evaluations = 0

    def evaluate(self):
        """Return the losses at the current parameters, shape ``(R,)``, and write the gradients."""
        self.evaluations += 1
        x, w = self.parameters.flat, self.weights.astype(self.parameters.dtype)
        with np.errstate(all="ignore"):
            off = x[:, 1:] - x[:, :-1] ** 2
            slope = w * x + self.tilts
            slope[:, 1:] += 2 * off
            slope[:, :-1] -= 4 * off * x[:, :-1]
            self.gradients.flat[...] = slope
            return (w * x**2).sum(axis=1) / 2 + (off**2).sum(axis=1) + (self.tilts * x).sum(axis=1)


def problem(runs, size=9, steps=25, seed=0, dtype=np.float64, tilt=0.1):
    """Return random starting points ``(runs, size)`` and tilts ``(steps, runs, size)``."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(-1.5, 1.5, (runs, size))
    return start.astype(dtype), (tilt * rng.standard_normal((steps, runs, size))).astype(dtype)


def weights_of(size):
    """Return the weights w of a valley: a geometric sequence from 0.1 to 3."""
    return np.geomspace(0.1, 3, size)


def prepare(name, start, **fields):
    """Return the update of a registered optimizer and its valley; the parameters are a matrix and a vector."""
    runs, size = start.shape
    rows = size // 3
    parameters = Parameters({"matrix": (2, rows), "vector": (size - 2 * rows,)}, runs, start.dtype)
    parameters.flat[...] = start
    gradients = parameters.like()
    made = optimizer_class(name)(**fields)
    return Update(made, parameters, gradients, schedule=Constant()), Valley(parameters, gradients, weights_of(size))


def descend(update, valley, tilts, first=1):
    """Take one step per tilt; return the parameters after each step, shape ``(steps, R, size)``."""
    path = np.empty_like(tilts)
    for at, tilt in enumerate(tilts):
        valley.begin(tilt)
        update.step(first + at, valley)
        path[at] = update.parameters.flat
    return path


def travel(name, start, tilts, **fields):
    """Return the path of a registered optimizer, shape ``(steps, R, size)``."""
    return descend(*prepare(name, start, **fields), tilts)
