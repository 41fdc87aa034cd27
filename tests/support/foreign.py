"""Helpers for tests of other libraries' optimizers: descend a `Valley` with a registered optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from chains import optimizer_class
from extras import without
from valleys import Valley, weights_of

from framework.base.parameters import Parameters
from framework.registry import manager
from framework.training.update import Update

OPTIMIZERS = manager.current().names("optimizer")
TORCH = [name for name in OPTIMIZERS if name.startswith("torch/")]
OPTAX = [name for name in OPTIMIZERS if name.startswith("optax/")]
SHAPES = {"w": (2, 3), "u": (3, 1)}
"""Matrices only, which every optimizer accepts. JAX sorts tensors by name, which gives another order than this one."""


def each(names, library):
    """Parametrize a test with names; if there are none, the library is missing, and one skipped case has the reason."""
    missing = [pytest.param("", id="none", marks=pytest.mark.skip(reason=without(library)))]
    return pytest.mark.parametrize("name", sorted(names) or missing)


def prepare(name, start, shapes=SHAPES, schedule=None, **fields):
    """Return the update of a registered optimizer and its valley, starting at ``start``, shape ``(R, size)``."""
    parameters = Parameters(shapes, len(start), start.dtype)
    parameters.flat[...] = start
    gradients = parameters.like()
    update = Update(optimizer_class(name)(**fields), parameters, gradients, schedule=schedule)
    return update, Valley(parameters, gradients, weights_of(start.shape[1]))


def descend(update, valley, tilts, first=1):
    """Take one step per tilt; return the parameters after each step, shape ``(steps, R, size)``.

    Assert that no step changes the gradients.
    """
    path = []
    for step, tilt in enumerate(tilts, start=first):
        valley.begin(tilt)
        slopes = valley.gradients.flat.copy()
        update.step(step, valley)
        assert np.array_equal(valley.gradients.flat, slopes)
        path.append(update.parameters.flat.copy())
    return np.array(path)
