"""What each layer computes, against formulas and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gradients import one_layer
from layer_cases import CASES

from framework.training.model import Model
from plugins.layers.batch_norm import BatchNorm
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.dropout import Dropout
from plugins.layers.elu import Elu
from plugins.layers.flatten import Flatten
from plugins.layers.layer_norm import LayerNorm
from plugins.layers.leaky_relu import LeakyRelu
from plugins.layers.pool2d import Pool2d
from plugins.layers.relu import Relu
from plugins.layers.reshape import Reshape
from plugins.layers.sigmoid import Sigmoid
from plugins.layers.softmax import Softmax
from plugins.layers.softplus import Softplus
from plugins.layers.upsample2d import Upsample2d


@pytest.mark.parametrize(
    "case", ["linear", "relu", "gelu", "gelu tanh", "silu", "softplus", "sigmoid", "tanh", "softmax"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_activations_bear_large_numbers(case, dtype):
    layer = CASES[case][0](**CASES[case][1])
    x = np.array([-1e4, -800.0, -100.0, 0.0, 100.0, 800.0, 1e4], dtype).reshape(1, 7, 1)
    y = layer.forward(np.concatenate([x, -x], axis=2), training=True)
    assert np.isfinite(y).all()
    assert np.isfinite(layer.backward(np.ones_like(y), need_dx=True)).all()


def test_activations_are_their_formulas():
    points = np.linspace(-4.0, 4.0, 41)
    formulas = {
        "linear": lambda x: x,
        "relu": lambda x: max(x, 0.0),
        "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
        "elu": lambda x: x if x > 0 else 0.7 * (math.exp(x) - 1.0),
        "gelu": lambda x: 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0))),
        "gelu tanh": lambda x: 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))),
        "silu": lambda x: x / (1.0 + math.exp(-x)),
        "softplus": lambda x: math.log(1.0 + math.exp(x)),
        "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
        "tanh": math.tanh,
    }
    for case, formula in formulas.items():
        cls, fields, _ = CASES[case]
        y = cls(**fields).forward(points.reshape(1, -1, 1), training=False)
        assert np.allclose(y.ravel(), [formula(x) for x in points], rtol=1e-13, atol=1e-14), case


@pytest.mark.parametrize("layer", [Sigmoid(), Softplus()])
def test_small_outputs_keep_their_digits(layer):
    y = layer.forward(np.array([-20.0, -50.0, -300.0]).reshape(1, 3, 1), training=False)
    assert np.allclose(y.ravel(), np.exp([-20.0, -50.0, -300.0]), rtol=1e-8, atol=0)


def test_weights_start_by_their_fans_and_the_scale():
    dense = Dense(units=7, initial="lecun_normal", init_scale=[1.0, 3.0]).weights((5,))["weight"]
    conv = Conv2d(filters=7, kernel_size=3, initial="zeros").weights((9, 9, 5))["weight"]
    assert (dense.fan_in, dense.fan_out, dense.initial) == (5, 7, "lecun_normal")
    assert (conv.fan_in, conv.fan_out, conv.initial) == (9 * 5, 9 * 7, "zeros")
    model = Model([("dense", Dense(units=7, init_scale=[1.0, 3.0]))], (5,), [4, 4], np.float64)
    weight = model.parameters.views["1_dense/weight"]
    assert np.array_equal(weight[1], 3.0 * weight[0])
    assert not model.parameters.views["1_dense/bias"].any()


def test_the_slope_of_a_rectifier_at_zero():
    zero, one = np.zeros((1, 1, 1)), np.ones((1, 1, 1))
    for layer, slope in ((Relu(), 0.0), (LeakyRelu(slope=0.3), 0.3), (Elu(alpha=0.5), 0.5)):
        layer.forward(zero, training=True)
        assert layer.backward(one, need_dx=True).item() == slope


def test_softmax_rows_sum_to_one():
    y = Softmax().forward(np.random.default_rng(0).standard_normal((2, 3, 4, 5)), training=False)
    assert np.allclose(y.sum(axis=-1), 1.0, rtol=0, atol=1e-15)
    assert y.min() > 0


def convolved(x, weight, bias, stride, before, windows):
    """Convolve one image (H, W, C) by plain loops; pixels outside are zero."""
    size, _, _, filters = weight.shape
    y = np.zeros((*windows, filters))
    for row, column in np.ndindex(*windows):
        for i, j in np.ndindex(size, size):
            r, c = row * stride + i - before[0], column * stride + j - before[1]
            if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                y[row, column] += x[r, c] @ weight[i, j]
    return y + bias


@pytest.mark.parametrize(
    ("fields", "shape", "before", "windows"),
    [
        ({}, (5, 6, 2), (0, 0), (3, 4)),
        ({"stride": 2}, (6, 7, 2), (0, 0), (2, 3)),
        ({"padding": 1}, (4, 5, 1), (1, 1), (4, 5)),
        ({"padding": 2, "stride": 3}, (4, 5, 2), (2, 2), (2, 3)),
        ({"padding": "same"}, (4, 5, 2), (1, 1), (4, 5)),
        ({"padding": "same", "stride": 2}, (6, 7, 2), (0, 1), (3, 4)),
        ({"padding": "same", "kernel_size": 4}, (5, 6, 2), (1, 1), (5, 6)),
        ({"padding": "same", "kernel_size": 1, "stride": 3}, (5, 6, 2), (0, 0), (2, 2)),
    ],
)
def test_conv2d_is_the_plain_loop(fields, shape, before, windows):
    model = one_layer(Conv2d(filters=3, **fields), shape, range(2))
    assert model.output_shape == (*windows, 3)
    x = np.random.default_rng(1).standard_normal((2, 4, *shape))
    y = model.forward(x)
    views = model.parameters.views
    for run, sample in np.ndindex(2, 4):
        weight, bias = views["1_layer/weight"][run], views["1_layer/bias"][run]
        wanted = convolved(x[run, sample], weight, bias, fields.get("stride", 1), before, windows)
        assert np.allclose(y[run, sample], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("mode", ["max", "min", "average"])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1), (3, 2), (2, 3)])
def test_pool2d_is_the_plain_loop(mode, size, stride):
    x = np.random.default_rng(0).integers(-3, 3, (2, 3, 7, 8, 2)).astype(float)  # many ties
    layer = Pool2d(mode=mode, size=size, stride=stride)
    one_layer(layer, x.shape[2:], range(2))
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    step = stride or size
    wanted, wanted_dx = np.zeros_like(y), np.zeros_like(x)
    for run, sample, row, column, channel in np.ndindex(*y.shape):
        corner = (
            run,
            sample,
            slice(row * step, row * step + size),
            slice(column * step, column * step + size),
            channel,
        )
        window, share = x[corner], dy[run, sample, row, column, channel]
        if mode == "average":
            wanted[run, sample, row, column, channel] = window.mean()
            wanted_dx[corner] += share / size**2
        else:
            first = window.argmax() if mode == "max" else window.argmin()
            wanted[run, sample, row, column, channel] = window.flat[first]
            wanted_dx[corner][divmod(first, size)] += share
    assert y.shape[2:4] == ((7 - size) // step + 1, (8 - size) // step + 1)
    assert np.allclose(y, wanted, rtol=0, atol=1e-14)
    assert np.allclose(layer.backward(dy, need_dx=True), wanted_dx, rtol=0, atol=1e-14)


def test_upsample2d_is_the_plain_loop():
    layer = Upsample2d(factor=3)
    one_layer(layer, (2, 3, 2), [0])
    x = np.random.default_rng(0).standard_normal((1, 2, 2, 3, 2))
    y = layer.forward(x, training=True).copy()
    dx = layer.backward(y, need_dx=True)
    for row, column in np.ndindex(6, 9):
        assert np.array_equal(y[:, :, row, column], x[:, :, row // 3, column // 3])
    assert np.allclose(dx, 9 * x, rtol=1e-14)


def test_flatten_and_reshape_keep_row_major_order():
    x = np.arange(24.0).reshape(1, 2, 2, 3, 2)
    flatten, reshape = Flatten(), Reshape(shape=[2, 3, 2])
    one_layer(flatten, (2, 3, 2), [0])
    one_layer(reshape, (12,), [0])
    flat = flatten.forward(x, training=True)
    assert flat[0, 1].tolist() == list(range(12, 24))
    assert np.array_equal(reshape.forward(flat, training=True), x)


def test_dropout_drops_the_stated_share_and_keeps_the_mean():
    layer = Dropout(rate=[0.25, 0.5, 0.75])
    model = one_layer(layer, (200,), [3, 3, 3])
    y = layer.forward(np.ones((1, 200, 200)), training=True)
    assert np.allclose((y == 0).mean(axis=(1, 2)), [0.25, 0.5, 0.75], atol=0.01)
    assert [sorted(set(row.ravel())) for row in y] == [[0.0, 1 / 0.75], [0.0, 2.0], [0.0, 4.0]]
    first = y.copy()
    assert not np.array_equal(layer.forward(np.ones((1, 200, 200)), training=True), first)
    model.begin_epoch(0)
    assert np.array_equal(layer.forward(np.ones((1, 200, 200)), training=True), first)


def test_dropout_masks_follow_the_seed():
    layer = Dropout(rate=0.5)
    one_layer(layer, (50,), [3, 4, 3])
    y = layer.forward(np.ones((3, 2, 50)), training=True)
    assert np.array_equal(y[0], y[2])
    assert not np.array_equal(y[0], y[1])


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)])
def test_batch_norm_is_its_formula(shape):
    layer = BatchNorm(momentum=0.2, eps=0.01)
    model = one_layer(layer, shape, range(2))
    gamma, beta = (model.parameters.views[f"1_layer/{name}"] for name in ("gamma", "beta"))
    running_mean, running_variance = np.zeros((2, 3)), np.ones((2, 3))
    rng = np.random.default_rng(0)
    for batch in (6, 4):
        x = 3.0 * rng.standard_normal((2, batch, *shape)) + 5.0
        y = layer.forward(x, training=True).copy()
        for run, channel in np.ndindex(2, 3):
            numbers = x[run, ..., channel].ravel()
            normal = (x[run, ..., channel] - numbers.mean()) / math.sqrt(numbers.var() + 0.01)
            assert np.allclose(y[run, ..., channel], gamma[run, channel] * normal + beta[run, channel], atol=1e-13)
            running_mean[run, channel] = 0.8 * running_mean[run, channel] + 0.2 * numbers.mean()
            running_variance[run, channel] = 0.8 * running_variance[run, channel] + 0.2 * numbers.var(ddof=1)
    assert np.allclose(model.buffers.views["1_layer/mean"], running_mean, rtol=1e-13)
    assert np.allclose(model.buffers.views["1_layer/variance"], running_variance, rtol=1e-13)
    spot = (slice(None), None) + (None,) * (len(shape) - 1)
    wanted = (x - running_mean[spot]) / np.sqrt(running_variance[spot] + 0.01) * gamma[spot] + beta[spot]
    assert np.allclose(layer.forward(x, training=False), wanted, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_batch_norm_of_one_sample_is_beta(dtype):
    layer = BatchNorm()
    model = one_layer(layer, (3,), range(2), dtype)
    y = layer.forward(np.random.default_rng(0).standard_normal((2, 1, 3)).astype(dtype), training=True)
    assert np.array_equal(y[:, 0], model.parameters.views["1_layer/beta"])
    assert (model.buffers.views["1_layer/variance"] == 1.0).all()
    assert (model.buffers.views["1_layer/mean"] != 0.0).all()
    assert not layer.backward(np.ones((2, 1, 3), dtype), need_dx=True).any()


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_layer_norm_is_its_formula(shape):
    model = one_layer(LayerNorm(eps=0.01), shape, range(2))
    gamma, beta = (model.parameters.views[f"1_layer/{name}"] for name in ("gamma", "beta"))
    x = 3.0 * np.random.default_rng(0).standard_normal((2, 4, *shape)) + 5.0
    y = model.forward(x)
    for place in np.ndindex(*x.shape[:-1]):
        normal = (x[place] - x[place].mean()) / math.sqrt(x[place].var() + 0.01)
        assert np.allclose(y[place], gamma[place[0]] * normal + beta[place[0]], atol=1e-13)
