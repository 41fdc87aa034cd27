"""Whole models: gradients by finite differences, and the same bits in any population."""

from __future__ import annotations

import numpy as np
import pytest
from gradients import check_model

from framework.base.loss import Loss, as_values
from framework.training.model import Model
from plugins.layers.batch_norm import BatchNorm
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.dropout import Dropout
from plugins.layers.elu import Elu
from plugins.layers.flatten import Flatten
from plugins.layers.gelu import Gelu
from plugins.layers.layer_norm import LayerNorm
from plugins.layers.leaky_relu import LeakyRelu
from plugins.layers.pool2d import Pool2d
from plugins.layers.relu import Relu
from plugins.layers.sigmoid import Sigmoid
from plugins.layers.silu import Silu
from plugins.layers.softmax import Softmax
from plugins.layers.tanh import Tanh
from plugins.layers.upsample2d import Upsample2d


class HalfSquare(Loss):
    """Half the squared error, averaged over the batch."""

    def forward(self, predictions, targets):
        self._error = predictions - as_values(targets, predictions)
        return 0.5 * (self._error**2).reshape(len(predictions), -1).sum(axis=1) / predictions.shape[1]

    def backward(self):
        return self._error / self._error.shape[1]


def mlp():
    return [
        ("dense", Dense(units=6)),
        ("tanh", Tanh()),
        ("dense", Dense(units=5)),
        ("gelu", Gelu()),
        ("layer_norm", LayerNorm()),
        ("dense", Dense(units=3)),
        ("softmax", Softmax()),
    ]


def conv_net():
    return [
        ("conv2d", Conv2d(filters=3, padding="same", bias=False)),
        ("batch_norm", BatchNorm()),
        ("relu", Relu()),
        ("pool2d", Pool2d()),
        ("dropout", Dropout(rate=0.3)),
        ("conv2d", Conv2d(filters=4, kernel_size=2)),
        ("silu", Silu()),
        ("pool2d", Pool2d(mode="average", size=2, stride=1)),
        ("flatten", Flatten()),
        ("dense", Dense(units=3)),
    ]


def conv_autoencoder():
    return [
        ("conv2d", Conv2d(filters=3, padding="same")),
        ("elu", Elu()),
        ("pool2d", Pool2d()),
        ("conv2d", Conv2d(filters=2, padding="same", stride=2)),
        ("leaky_relu", LeakyRelu()),
        ("upsample2d", Upsample2d(factor=4)),
        ("conv2d", Conv2d(filters=1, padding="same")),
        ("sigmoid", Sigmoid()),
    ]


MODELS = {"mlp": (mlp, (4,)), "conv_net": (conv_net, (8, 8, 1)), "conv_autoencoder": (conv_autoencoder, (8, 8, 1))}


def problem(layers, shape, seeds, batch, dtype=np.float64):
    model = Model(layers, shape, seeds, dtype)
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((1, batch, *shape)).astype(dtype)
    return model, inputs, rng.standard_normal((1, batch, *model.output_shape)).astype(dtype)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("runs", [1, 3])
def test_gradients_of_whole_models(name, runs, batch, training):
    layers, shape = MODELS[name]
    model, inputs, targets = problem(layers(), shape, range(runs), batch)
    for one in (inputs, np.repeat(inputs, runs, axis=0)):
        check_model(model, HalfSquare(), one, np.repeat(targets, runs, axis=0), training=training)


def trained(name, seeds, dtype):
    """Return run 7's tensors after five plain gradient steps with batches of 6, 6, 2, 6 and 1."""
    layers, shape = MODELS[name]
    model, inputs, targets = problem(layers(), shape, seeds, 6, dtype)
    loss, row = HalfSquare(), seeds.index(7)
    for epoch, batch in enumerate((6, 6, 2, 6, 1)):
        model.begin_epoch(epoch)
        loss.forward(model.forward(inputs[:, :batch], training=True), np.repeat(targets[:, :batch], len(seeds), axis=0))
        model.backward(loss.backward())
        model.parameters.flat -= 0.1 * model.gradients.flat
    assert np.isfinite(model.parameters.flat).all()
    return model.parameters.flat[row].tobytes() + model.buffers.flat[row].tobytes()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_whole_models_have_the_same_bits_alone_and_in_any_population(name, dtype):
    alone = trained(name, [7], dtype)
    assert trained(name, [7, 1, 2], dtype) == alone
    assert trained(name, [1, 2, 7], dtype) == alone
