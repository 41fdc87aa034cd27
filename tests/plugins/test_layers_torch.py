"""Layers against torch, forward and backward, in float64. Skipped where torch is not installed."""

from __future__ import annotations

import numpy as np
import pytest
from extras import extra
from gradients import one_layer

from plugins.layers.batch_norm import BatchNorm
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.elu import Elu
from plugins.layers.gelu import Gelu
from plugins.layers.layer_norm import LayerNorm
from plugins.layers.leaky_relu import LeakyRelu
from plugins.layers.pool2d import Pool2d
from plugins.layers.relu import Relu
from plugins.layers.sigmoid import Sigmoid
from plugins.layers.silu import Silu
from plugins.layers.softmax import Softmax
from plugins.layers.softplus import Softplus
from plugins.layers.tanh import Tanh
from plugins.layers.upsample2d import Upsample2d

torch = extra("torch")
RUNS, BATCH = 2, 4


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def near(ours, theirs):
    return np.allclose(ours, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)


def channels_first(images):
    return images.permute(0, 3, 1, 2)


def compare(layer, shape, reference, *, training=True, ties=False):
    """Compare y, dx and every weight gradient of each run with ``reference(x, weights, run)`` under autograd."""
    model = one_layer(layer, shape, range(RUNS))
    rng = np.random.default_rng(3)
    x = 2.0 * rng.standard_normal((RUNS, BATCH, *shape))
    if ties:
        x = np.round(x)
    y = layer.forward(x, training=training).copy()
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy, need_dx=True)
    for run in range(RUNS):
        images, weights = leaf(x[run]), {name: leaf(array[run]) for name, array in layer.weight.items()}
        theirs = reference(images, weights, run)
        theirs.backward(torch.tensor(dy[run]))
        assert near(y[run], theirs)
        assert near(dx[run], images.grad)
        for name, weight in weights.items():
            assert near(layer.gradient[name][run], weight.grad), name
    return model


def test_dense():
    compare(Dense(units=3), (5,), lambda x, w, run: x @ w["weight"] + w["bias"])


@pytest.mark.parametrize(
    ("fields", "shape", "padding"),
    [
        ({}, (6, 5, 2), (0, 0)),
        ({"padding": "same"}, (12, 12, 1), (1, 1)),
        ({"padding": "same", "kernel_size": 4}, (6, 7, 3), (1, 2)),
        ({"padding": 2, "kernel_size": 5, "stride": 3}, (9, 8, 2), (2, 2)),
        ({"padding": 1, "stride": 2}, (8, 7, 4), (1, 1)),
        ({"kernel_size": 1}, (3, 4, 5), (0, 0)),
    ],
)
def test_conv2d(fields, shape, padding):
    def reference(x, w, run):
        kernel = w["weight"].permute(3, 2, 0, 1)
        stride = fields.get("stride", 1)
        padded = torch.nn.functional.pad(channels_first(x), padding * 2)
        y = torch.nn.functional.conv2d(padded, kernel, w["bias"], stride=stride)
        return y.permute(0, 2, 3, 1)

    compare(Conv2d(filters=6, **fields), shape, reference)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("mode", ["max", "min", "average"])
def test_pool2d(mode, size, stride):
    def reference(x, w, run):
        images = channels_first(x)
        if mode == "average":
            return torch.nn.functional.avg_pool2d(images, size, stride).permute(0, 2, 3, 1)
        sign = 1 if mode == "max" else -1
        return sign * torch.nn.functional.max_pool2d(sign * images, size, stride).permute(0, 2, 3, 1)

    compare(Pool2d(mode=mode, size=size, stride=stride), (7, 8, 3), reference, ties=True)


def test_upsample2d():
    def reference(x, w, run):
        return torch.nn.functional.interpolate(channels_first(x), scale_factor=3, mode="nearest").permute(0, 2, 3, 1)

    compare(Upsample2d(factor=3), (3, 2, 4), reference)


@pytest.mark.parametrize("shape", [(3,), (4, 5, 3)])
def test_batch_norm_and_its_running_figures(shape):
    layer = BatchNorm(momentum=0.3, eps=1e-3)
    running = [(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)) for _ in range(RUNS)]

    def reference(training):
        def normalised(x, w, run):
            last_to_second = x.movedim(-1, 1)
            y = torch.nn.functional.batch_norm(
                last_to_second, *running[run], w["gamma"], w["beta"], training=training, momentum=0.3, eps=1e-3
            )
            return y.movedim(1, -1)

        return normalised

    model = compare(layer, shape, reference(True))
    for run, (mean, variance) in enumerate(running):
        assert near(model.buffers.views["1_layer/mean"][run], mean)
        assert near(model.buffers.views["1_layer/variance"][run], variance)
    running = [(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)) for _ in range(RUNS)]
    compare(layer, shape, reference(False), training=False)


@pytest.mark.parametrize("shape", [(3,), (4, 5, 3)], ids=["flat", "image"])
def test_recomputed_figures_of_batch_norm_are_those_of_update_bn(shape):
    rng = np.random.default_rng(5)
    batches = [3.0 + 2.0 * rng.standard_normal((1, size, *shape)) for size in (4, 4, 3)]
    model = one_layer(BatchNorm(momentum=0.3), shape, range(RUNS))
    model.recompute_buffers(batches, 1)
    theirs = (torch.nn.BatchNorm1d if len(shape) == 1 else torch.nn.BatchNorm2d)(3, momentum=0.3).double()
    torch.optim.swa_utils.update_bn([torch.tensor(batch[0]).movedim(-1, 1) for batch in batches], theirs)
    for run in range(RUNS):
        assert near(model.buffers.views["1_layer/mean"][run], theirs.running_mean)
        assert near(model.buffers.views["1_layer/variance"][run], theirs.running_var)


@pytest.mark.parametrize("shape", [(6,), (3, 2, 6)])
def test_layer_norm(shape):
    def reference(x, w, run):
        return torch.nn.functional.layer_norm(x, (6,), w["gamma"], w["beta"], eps=1e-4)

    compare(LayerNorm(eps=1e-4), shape, reference)


ACTIVATIONS = {
    "relu": (Relu(), lambda f, x: f.relu(x)),
    "leaky_relu": (LeakyRelu(slope=0.1), lambda f, x: f.leaky_relu(x, 0.1)),
    "elu": (Elu(alpha=0.6), lambda f, x: f.elu(x, 0.6)),
    "gelu": (Gelu(), lambda f, x: f.gelu(x)),
    "gelu tanh": (Gelu(approximate=True), lambda f, x: f.gelu(x, approximate="tanh")),
    "silu": (Silu(), lambda f, x: f.silu(x)),
    "softplus": (Softplus(), lambda f, x: f.softplus(x, threshold=1000)),
    "sigmoid": (Sigmoid(), lambda f, x: torch.sigmoid(x)),
    "tanh": (Tanh(), lambda f, x: torch.tanh(x)),
    "softmax": (Softmax(), lambda f, x: torch.softmax(x, -1)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(9,), (2, 3, 5)])
def test_activations_zero_included(name, shape):
    layer, formula = ACTIVATIONS[name]
    compare(layer, shape, lambda x, w, run: formula(torch.nn.functional, x), ties=True)
