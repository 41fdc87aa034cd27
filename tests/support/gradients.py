"""Central-difference gradient checks along random directions, in float64, for layers, losses and whole models.

A directional derivative depends on every element of a gradient. A single wrong element changes it by about the error of
that element, which is far above `TOLERANCE` (relative to the gradient's norm). All runs are checked at once: run r's
loss depends only on run r's tensors, so a derivative along a direction is one number per run.
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
    """Return the sums over all axes except the runs axis, shape ``(R,)``."""
    return values.reshape(len(values), -1).sum(axis=1)


def check_along(
    value: Callable[[], np.ndarray], place: np.ndarray, gradient: np.ndarray, rng: np.random.Generator, what: str
) -> None:
    """Compare ``gradient`` with central differences of ``value()`` along random directions.

    Args:
        value: returns one number per run, as a function of ``place``.
        place: the point; modified in place and restored. One row per run, or one row that all runs share.
        gradient: the claimed gradient, one row per run.
        rng: generator of the directions.
        what: name of the gradient in the error message.

    Raises:
        AssertionError: the relative error of a run is not below `TOLERANCE`.
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
    """Return a model of ``layer`` alone, with noise added to its parameters.

    Initial values of zero or one could hide errors in a gradient.
    """
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
        layer: a layer that is not yet part of a model; its columns have 1 or ``runs`` rows.
        input_shape: shape of one sample.
        runs: number of runs; each has its own seed.
        batch: samples per run.
        training: mode of the forward pass.
        shared: whether all runs share one input, with a runs axis of length 1.

    Raises:
        AssertionError: a gradient is wrong, depends on ``need_dx`` or was added instead of written; or the layer
            modified its arguments.
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
    model.gradients.flat.fill(np.nan)  # backward must overwrite gradients, not add to them
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
    """Check the gradient with respect to the predictions.

    Args:
        loss: the loss.
        predictions: shape ``(R, B, *output)``, float64.
        targets: targets with a runs axis of length R or 1.

    Raises:
        AssertionError: the gradient or a shape is wrong, or the loss modified the targets.
    """
    rng = np.random.default_rng(0)
    before = targets.copy()
    assert loss.forward(predictions, targets).shape == (len(predictions),)
    gradient = loss.backward().copy()
    assert gradient.shape == predictions.shape
    check_along(lambda: loss.forward(predictions, targets), predictions, gradient, rng, "predictions")
    assert np.array_equal(targets, before), "the loss altered the targets"


def check_model(model: Model, loss: Loss, inputs: np.ndarray, targets: np.ndarray, *, training: bool = True) -> None:
    """Check the gradients of all tensors of a float64 model under a loss.

    Raises:
        AssertionError: a gradient is wrong.
    """
    rng = np.random.default_rng(0)

    def value() -> np.ndarray:
        model.begin_epoch(0)
        return loss.forward(model.forward(inputs, training=training), targets)

    value()
    model.gradients.flat.fill(np.nan)
    model.backward(loss.backward())
    for name, gradient in model.gradients.views.items():
        check_along(value, model.parameters.views[name], gradient.copy(), rng, name)
