"""Helpers for tests of per-tensor optimizers: their names, settings, and paths of named tensors."""

from __future__ import annotations

import numpy as np
from chains import Constant, optimizer_class

from framework.base.parameters import Parameters
from framework.training.update import Update

NAMES = ("novograd", "madgrad", "fromage", "sm3", "adafactor", "lamb", "lars", "muon", "shampoo", "soap", "came")
PER_TENSOR = tuple(name for name in NAMES if name != "madgrad")
SHAPES = {"matrix": (4, 3), "vector": (5,), "kernel": (2, 2, 3, 4), "wide": (3, 7), "one": (1,), "thin": (6, 1)}

# Settings that cover every branch; the golden cases and LOOPS set every field.
VARIANTS = {
    "lars": [{"nesterov": True, "weight_decay": 0.1}],
    "adafactor": [{"eps1": 1e-3}],
    "muon": [{"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}],
    "shampoo": [{"precondition_every": 3, "eps": 0.1}, {"max_size": 3, "momentum": 0.9}],
    "soap": [
        {"precondition_frequency": 2, "precondition_1d": True, "normalize_grads": True, "max_precond_dim": 5},
        {"correct_bias": False},
    ],
}
SETTINGS = [(name, fields) for name in NAMES for fields in ({}, *VARIANTS.get(name, []))]


def drawn(shapes, runs, steps, seed=0, dtype=np.float64):
    """Return random starting points ``(R, *shape)`` and gradients ``(steps, R, *shape)`` by tensor."""
    rng = np.random.default_rng(seed)
    start = {name: rng.standard_normal((runs, *shape)).astype(dtype) for name, shape in shapes.items()}
    sizes = {name: 10.0 ** rng.uniform(-1, 1, (runs, *shape)) for name, shape in shapes.items()}
    gradients = {
        name: (sizes[name] * (rng.standard_normal((steps, runs, *shape)) + 0.5)).astype(dtype)
        for name, shape in shapes.items()
    }
    return start, gradients


def update_from(optimizer, start, **options):
    """Return an update of tensors with the values ``start``, each of shape ``(R, *shape)``."""
    shapes = {name: value.shape[1:] for name, value in start.items()}
    first = next(iter(start.values()))
    parameters = Parameters(shapes, len(first), first.dtype)
    for name, value in start.items():
        parameters.views[name][...] = value
    return Update(optimizer, parameters, parameters.like(), schedule=options.get("schedule", Constant()))


def follow(update, gradients, first=1):
    """Take one step per gradient; return the path of each tensor, shape ``(steps, R, *shape)``."""
    path = {name: np.empty_like(value) for name, value in gradients.items()}
    for at in range(len(next(iter(gradients.values())))):
        for name, value in gradients.items():
            update.gradients.views[name][...] = value[at]
        update.step(first + at)
        for name in path:
            path[name][at] = update.parameters.views[name]
    return path


def paths(name, start, gradients, fields, **options):
    """Return the path of each tensor under a registered optimizer, shape ``(steps, R, *shape)``."""
    return follow(update_from(optimizer_class(name)(**fields), start, **options), gradients)


def same_bits(one, other):
    """Return whether the arrays in ``one`` equal those in ``other``; NaN equals NaN."""
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def rows(held, places, axis=0):
    """Return the entries at ``places`` along an axis of each array."""
    return {name: np.take(value, places, axis) for name, value in held.items()}


def worst(found, expected):
    """Return the largest value of max |difference| / max |expected| over the steps."""
    axes = tuple(range(1, found.ndim))
    return (np.abs(found - expected).max(axis=axes) / np.abs(expected).max(axis=axes)).max()
