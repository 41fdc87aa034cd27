"""Helpers for tests of optimizers, stages and updates: schedules, chains and a loop over recorded gradients."""

from __future__ import annotations

import numpy as np

from framework.base.parameters import Parameters
from framework.base.schedule import Schedule
from framework.registry import manager
from framework.training.update import Update

STANDARD = ("sgd", "iterative", "momentum", "rmsprop", "adagrad", "adam", "adamax", "adadelta")
PUBLISHED = tuple(f"blog/{name}" for name in STANDARD)


class Constant(Schedule):
    """The factor 1 at every step."""

    def factor(self, t, total):
        return np.ones_like(t)


class Falling(Schedule):
    """The factors 1, 1/2, 1/4, 1/8, repeated every four steps; all are exact in binary."""

    def factor(self, t, total):
        return 0.5 ** ((t - 1) % 4)


def optimizer_class(name):
    """Return the class of a registered optimizer."""
    return manager.find("optimizer", name).cls


def with_lr():
    """Return the names in `STANDARD` and `PUBLISHED` of optimizers with a learning rate."""
    return [name for name in (*STANDARD, *PUBLISHED) if "lr" in optimizer_class(name).fields]


def flags(name):
    """Return all flags of an optimizer as True, with the other fields that its constraints require."""
    chosen = {key: True for key, field in optimizer_class(name).fields.items() if field.kind == "flag"}
    return {**chosen, "momentum": 0.9} if "nesterov" in chosen else chosen


def recorded(runs, size, steps=20, seed=0, dtype=np.float64):
    """Return starting points ``(runs, size)`` and gradients ``(steps, runs, size)``."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-3, 1, (runs, size))
    gradients = sizes * (rng.standard_normal((steps, runs, size)) + 0.5)
    return rng.standard_normal((runs, size)).astype(dtype), gradients.astype(dtype)


def chain(optimizer, start, *, schedule=None, stages=(), total=None):
    """Return an update of two tensors whose parameters have the values ``start``, shape ``(R, size)``."""
    runs, size = start.shape
    half = size // 2
    parameters = Parameters({"a": (half,), "b": (size - half,)}, runs, start.dtype)
    parameters.flat[...] = start
    return Update(optimizer, parameters, parameters.like(), schedule=schedule or Constant(), stages=stages, total=total)


def follow(update, gradients, first=1):
    """Take one step per gradient; return the parameters after each step, shape ``(steps, R, size)``."""
    path = np.empty_like(gradients)
    for at, gradient in enumerate(gradients):
        update.gradients.flat[...] = gradient
        update.step(first + at)
        path[at] = update.parameters.flat
    return path


def run(name, start, gradients, *, schedule=None, stages=(), **fields):
    """Return the path of a registered optimizer under recorded gradients, shape ``(steps, R, size)``."""
    return follow(chain(optimizer_class(name)(**fields), start, schedule=schedule, stages=stages), gradients)


def relative(found, expected):
    """Return the largest value of max |difference| / max |expected| over the first axis (the steps)."""
    axes = tuple(range(1, found.ndim))
    return (np.abs(found - expected).max(axis=axes) / np.abs(expected).max(axis=axes)).max()
