"""Central-difference gradient checks along random directions, in float64, for layers, losses and whole models.

A directional derivative sees every number of a gradient at once: a single wrong one shifts it by about its own size,
which `TOLERANCE` (relative to the gradient's length) resolves by far. All runs are checked in one go: run r's
loss depends on run r's tensors alone, and so its derivative along a direction is one number a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from framework.base.layer import Layer
from framework.base.loss import Loss
from framework.training.model import Model

TOLERANCE = 1e-6
STEP = 1e-5
DIRECTIONS = 3


def per_run(values: np.ndarray) -> np.ndarray:
    """Sum all but the runs axis."""
    return values.reshape(len(values), -1).sum(axis=1)


def check_along(
    value: Callable[[], np.ndarray], place: np.ndarray, gradient: np.ndarray, rng: np.random.Generator, what: str
) -> None:
    """Compare ``gradient`` with how ``value()``, one number a run, changes when ``place`` is moved, in place.

    ``place`` has one row a run, or one row that all runs share; ``gradient`` has one row a run.
    """
    length = np.sqrt(per_run(gradient**2))
    start = place.copy()
    for _ in range(DIRECTIONS):
        direction = rng.standard_normal(place.shape)
        place[...] = start + STEP * direction
        above = value().copy()
        place[...] = start - STEP * direction
        below = value().copy()
        place[...] = start
        measured = (above - below) / (2 * STEP)
        claimed = per_run(gradient * direction)
        error = np.abs(measured - claimed) / (length + 1e-3)
        assert (error < TOLERANCE).all(), f"{what}: measured {measured}, backward says {claimed}"


def one_layer(layer: Layer, input_shape: Sequence[int], seeds: Sequence[int], dtype=np.float64) -> Model:
    """Wrap ``layer`` in a model with every trained tensor away from its start, so that zeros and ones hide nothing."""
    model = Model([("layer", layer)], tuple(input_shape), list(seeds), dtype)
    for row, seed in enumerate(seeds):
        rng = np.random.default_rng([seed, 5])
        model.parameters.flat[row] += (0.5 * rng.standard_normal(model.parameters.size)).astype(dtype)
    return model


def check_layer(
    layer: Layer, input_shape: Sequence[int], runs: int, batch: int, *, training: bool = True, shared: bool = False
) -> None:
    """Check the gradients of the input and of each trained tensor.

    Args:
        layer: not yet part of a model; its columns have 1 or ``runs`` rows.
        input_shape: of one sample.
        runs: how many runs; each has its own seed.
        batch: samples a run.
        training: the mode of the forward.
        shared: whether all runs see one input with a runs axis of 1.
    """
    model = one_layer(layer, input_shape, range(runs))
    rng = np.random.default_rng(0)
    for buffer in model.buffers.views.values():
        buffer += rng.uniform(0.1, 0.9, buffer.shape)
    x = rng.standard_normal((1 if shared else runs, batch, *input_shape))
    weights = rng.standard_normal((runs, batch, *model.output_shape))

    def value() -> np.ndarray:
        model.begin_epoch(0)
        return per_run(weights * layer.forward(x, training=training))

    value()
    before_x, before_weights = x.copy(), weights.copy()
    model.gradients.flat.fill(np.nan)  # backward must write, not add
    dx = layer.backward(weights, need_dx=True)
    assert dx is not None
    assert dx.shape == (runs, batch, *input_shape)
    dx, gradients = dx.copy(), {name: array.copy() for name, array in layer.gradient.items()}
    assert np.array_equal(x, before_x), "the layer altered x"
    assert np.array_equal(weights, before_weights), "the layer altered dy"
    check_along(value, x, dx, rng, "input")
    for name, gradient in gradients.items():
        check_along(value, layer.weight[name], gradient, rng, name)
    value()
    if gradients:
        model.gradients.flat.fill(np.nan)
        layer.backward(weights, need_dx=False)
        for name, gradient in gradients.items():
            assert np.array_equal(layer.gradient[name], gradient), f"{name} differs without need_dx"


def check_loss(loss: Loss, predictions: np.ndarray, targets: np.ndarray) -> None:
    """Check the gradient of the predictions ``(R, B, *output)``, float64; targets may have 1 in place of R."""
    rng = np.random.default_rng(0)
    before = targets.copy()
    assert loss.forward(predictions, targets).shape == (len(predictions),)
    gradient = loss.backward().copy()
    assert gradient.shape == predictions.shape
    check_along(lambda: loss.forward(predictions, targets), predictions, gradient, rng, "predictions")
    assert np.array_equal(targets, before), "the loss altered the targets"


def check_model(model: Model, loss: Loss, inputs: np.ndarray, targets: np.ndarray, *, training: bool = True) -> None:
    """Check the whole gradient buffer, tensor by tensor, of a float64 model under a loss."""
    rng = np.random.default_rng(0)

    def value() -> np.ndarray:
        model.begin_epoch(0)
        return loss.forward(model.forward(inputs, training=training), targets)

    value()
    model.gradients.flat.fill(np.nan)
    model.backward(loss.backward())
    for name, gradient in model.gradients.views.items():
        check_along(value, model.parameters.views[name], gradient.copy(), rng, name)
