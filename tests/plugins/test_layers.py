"""What holds for every layer: gradients, bits, dtypes, shapes, clear errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gradients import check_layer, one_layer
from layer_cases import CASES, SEEDS, rows_of

from framework.errors import InputError
from framework.registry import manager
from framework.training.model import Model
from plugins.layers import conv2d
from plugins.layers.batch_norm import BatchNorm
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.dropout import Dropout
from plugins.layers.leaky_relu import LeakyRelu
from plugins.layers.pool2d import Pool2d
from plugins.layers.reshape import Reshape
from plugins.layers.upsample2d import Upsample2d

EVERY = pytest.mark.parametrize("case", CASES)


def test_every_built_in_layer_has_a_case():
    built_in = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
    registered = {built_in.find("layer", name).cls for name in built_in.names("layer")}
    assert registered == {cls for cls, _, _ in CASES.values()}


@EVERY
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("runs", [1, 3])
def test_gradients(case, runs, batch, training):
    cls, _, shape = CASES[case]
    check_layer(cls.stack(rows_of(case)[:runs]), shape, runs, batch, training=training)


@EVERY
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_gradients_of_a_shared_input(case, training):
    cls, _, shape = CASES[case]
    check_layer(cls.stack(rows_of(case)), shape, 3, 4, training=training, shared=True)


def bits(case, order, dtype, shared):
    """Return everything run 7 computes in the population ``order`` (places in SEEDS), batch sizes changing."""
    cls, _, shape = CASES[case]
    rows = rows_of(case)
    layer = cls.stack([rows[place] for place in order])
    model = one_layer(layer, shape, [SEEDS[place] for place in order], dtype)
    row, seen = order.index(0), []
    for step, (batch, training) in enumerate([(5, True), (2, True), (1, True), (5, True), (3, False), (1, False)]):
        inputs, outputs = [], []
        for place in order:
            rng = np.random.default_rng([0 if shared else place, step])
            inputs.append(rng.standard_normal((batch, *shape)).astype(dtype))
            rng = np.random.default_rng([place, step, 1])
            outputs.append(rng.standard_normal((batch, *model.output_shape)).astype(dtype))
        x = inputs[0][None] if shared else np.stack(inputs)
        y = layer.forward(x, training=training)
        seen.append(np.broadcast_to(y, (len(order), *y.shape[1:]))[row].copy())
        seen.append(layer.backward(np.stack(outputs), need_dx=True)[row].copy())
        seen.extend([model.gradients.flat[row].copy(), model.buffers.flat[row].copy()])
    return seen


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_a_run_has_the_same_bits_alone_and_in_any_population(case, dtype):
    alone = bits(case, (0,), dtype, shared=False)
    for order in ((0, 1, 2), (1, 2, 0)):
        for mine, theirs in zip(alone, bits(case, order, dtype, shared=False), strict=True):
            assert mine.dtype == theirs.dtype == dtype
            assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("conv2d")])
def test_conv2d_in_blocks_of_samples(case, monkeypatch):
    cls, fields, shape = CASES[case]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, *shape))
    layer = cls(**fields)
    model = one_layer(layer, shape, range(3))
    results = []
    for block in (conv2d.BLOCK, 2 * math.prod(shape) * 9, 1):
        monkeypatch.setattr(conv2d, "BLOCK", block)
        y = layer.forward(x, training=True).copy()
        dx = layer.backward(y, need_dx=True).copy()
        results.append((y, dx, model.gradients.flat.copy()))
    for cut in results[1:]:
        for mine, whole in zip(cut, results[0], strict=True):
            assert np.allclose(mine, whole, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(conv2d, "BLOCK", 2 * math.prod(shape) * 9)
    test_a_run_has_the_same_bits_alone_and_in_any_population(case, np.float32)
    check_layer(cls(**fields), shape, 3, 5, shared=True)


def test_backward_may_be_called_twice():
    layer = Conv2d(filters=2, padding="same")
    model = one_layer(layer, (4, 4, 2), [0])
    y = layer.forward(np.random.default_rng(0).standard_normal((1, 3, 4, 4, 2)), training=True).copy()
    layer.backward(y, need_dx=True)
    first = model.gradients.flat.copy()
    layer.backward(y, need_dx=True)
    assert np.array_equal(model.gradients.flat, first)


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_a_shared_input_gives_the_bits_of_copies(case, dtype):
    alone = bits(case, (0,), dtype, shared=True)
    for order in ((0, 1, 2), (1, 2, 0)):
        for mine, theirs in zip(alone, bits(case, order, dtype, shared=True), strict=True):
            assert mine.tobytes() == theirs.tobytes()


@EVERY
def test_float32_stays_float32_and_near_float64(case):
    cls, fields, shape = CASES[case]
    single, double = (one_layer(cls(**fields), shape, [0], dtype) for dtype in (np.float32, np.float64))
    double.parameters.flat[...] = single.parameters.flat
    x = np.random.default_rng(0).standard_normal((1, 5, *shape)).astype(np.float32)
    y = single.forward(x)
    dy = np.ones_like(y)
    wanted = double.forward(x.astype(np.float64))
    assert y.dtype == np.float32
    assert np.allclose(y, wanted, rtol=1e-5, atol=1e-5)
    dx = single.layers[0].backward(dy, need_dx=True)
    assert dx.dtype == np.float32
    assert np.allclose(dx, double.layers[0].backward(dy.astype(np.float64), need_dx=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (lambda: Dense(), (4,), "units=outputs is known only together with a data set"),
        (lambda: Dense(units=3), (2, 2), "put flatten before it"),
        (lambda: Conv2d(), (4,), "put reshape with three numbers before it"),
        (lambda: Conv2d(kernel_size=5), (4, 9, 1), "kernel_size=5 does not fit in 4 x 9 pixels"),
        (lambda: Conv2d(padding=3), (9, 9, 1), "keep it below kernel_size=3"),
        (lambda: Pool2d(size=5), (9, 4, 1), "size=5 does not fit in 9 x 4 pixels"),
        (lambda: Pool2d(), (4, 4), "put reshape with three numbers before it"),
        (lambda: Upsample2d(), (4,), "put reshape with three numbers before it"),
        (lambda: Reshape(shape="outputs"), (4,), "shape=outputs is known only together with a data set"),
        (lambda: Reshape(), (4,), "reshape needs a shape"),
        (lambda: Reshape(shape=(2, 3)), (4,), "6 numbers"),
    ],
)
def test_an_input_that_does_not_fit_is_one_clear_line(layer, shape, words):
    with pytest.raises(InputError, match="model layer 1_it: ") as caught:
        Model([("it", layer())], shape, [0], np.float32)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (Dense, {"units": 0}),
        (Dense, {"units": "many"}),
        (Dense, {"units": 2, "initial": "he"}),
        (Conv2d, {"padding": "full"}),
        (Conv2d, {"padding": -1}),
        (Conv2d, {"stride": 0}),
        (Pool2d, {"mode": "median"}),
        (Dropout, {"rate": 1.0}),
        (BatchNorm, {"momentum": 1.5}),
        (LeakyRelu, {"slope": -0.1}),
        (Reshape, {"shape": (2, 0)}),
        (Upsample2d, {"factor": 0}),
    ],
)
def test_fields_out_of_range_are_refused(cls, fields):
    with pytest.raises(InputError):
        cls(**fields)
