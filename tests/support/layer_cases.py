"""Layers with fields and input shapes that together cover every branch; shared by the layer tests."""

from __future__ import annotations

from plugins.layers.batch_norm import BatchNorm
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.dropout import Dropout
from plugins.layers.elu import Elu
from plugins.layers.flatten import Flatten
from plugins.layers.gelu import Gelu
from plugins.layers.layer_norm import LayerNorm
from plugins.layers.leaky_relu import LeakyRelu
from plugins.layers.linear import Linear
from plugins.layers.point import Point
from plugins.layers.pool2d import Pool2d
from plugins.layers.relu import Relu
from plugins.layers.reshape import Reshape
from plugins.layers.sigmoid import Sigmoid
from plugins.layers.silu import Silu
from plugins.layers.softmax import Softmax
from plugins.layers.softplus import Softplus
from plugins.layers.tanh import Tanh
from plugins.layers.upsample2d import Upsample2d

CASES = {
    "dense": (Dense, {"units": 3}, (4,)),
    "dense no bias": (Dense, {"units": 7, "bias": False}, (4,)),
    "dense one unit": (Dense, {"units": 1}, (5,)),
    "dense wide": (Dense, {"units": 33}, (65,)),
    "conv2d": (Conv2d, {"filters": 3}, (5, 6, 2)),
    "conv2d planes": (Conv2d, {"filters": 2}, (8, 7, 1)),
    "conv2d one filter": (Conv2d, {"filters": 1, "bias": False}, (4, 4, 3)),
    "conv2d same": (Conv2d, {"filters": 4, "padding": "same"}, (5, 4, 3)),
    "conv2d same even": (Conv2d, {"filters": 2, "kernel_size": 4, "padding": "same"}, (5, 6, 2)),
    "conv2d same stride": (Conv2d, {"filters": 2, "padding": "same", "stride": 2}, (6, 7, 1)),
    "conv2d stride": (Conv2d, {"filters": 3, "stride": 2, "kernel_size": 2}, (6, 7, 2)),
    "conv2d stride above size": (Conv2d, {"filters": 2, "stride": 3, "kernel_size": 2}, (8, 6, 2)),
    "conv2d padding": (Conv2d, {"filters": 2, "padding": 2, "stride": 2}, (5, 4, 2)),
    "conv2d 1x1": (Conv2d, {"filters": 3, "kernel_size": 1}, (3, 2, 4)),
    "conv2d 1x1 stride": (Conv2d, {"filters": 3, "kernel_size": 1, "stride": 2}, (3, 4, 2)),
    "conv2d whole": (Conv2d, {"filters": 3, "kernel_size": 4}, (4, 4, 2)),
    "pool2d max": (Pool2d, {}, (4, 6, 2)),
    "pool2d min": (Pool2d, {"mode": "min"}, (4, 4, 3)),
    "pool2d average": (Pool2d, {"mode": "average", "size": 3}, (6, 3, 2)),
    "pool2d max overlap": (Pool2d, {"size": 3, "stride": 2}, (7, 6, 2)),
    "pool2d average overlap": (Pool2d, {"mode": "average", "size": 3, "stride": 1}, (5, 4, 1)),
    "pool2d edge": (Pool2d, {}, (5, 7, 2)),
    "pool2d gaps": (Pool2d, {"size": 2, "stride": 3}, (7, 8, 2)),
    "pool2d size 1": (Pool2d, {"size": 1, "stride": 2}, (4, 3, 2)),
    "upsample2d": (Upsample2d, {}, (3, 2, 2)),
    "upsample2d 3": (Upsample2d, {"factor": 3}, (2, 3, 1)),
    "dropout": (Dropout, {"rate": 0.4}, (6,)),
    "dropout images": (Dropout, {"rate": 0.3}, (2, 3, 4)),
    "dropout nothing": (Dropout, {"rate": 0.0}, (6,)),
    "flatten": (Flatten, {}, (2, 3, 4)),
    "flatten flat": (Flatten, {}, (5,)),
    "reshape": (Reshape, {"shape": (3, 2, 2)}, (12,)),
    "point": (Point, {"units": 3, "start": [0.5, -1.0, 2.0]}, (2,)),
    "point spread": (Point, {"units": 2, "spread": 1.5}, (4,)),
    "batch_norm": (BatchNorm, {}, (4,)),
    "batch_norm images": (BatchNorm, {"eps": 1e-3, "momentum": 0.3}, (3, 4, 2)),
    "batch_norm one channel": (BatchNorm, {}, (3, 1, 1)),
    "layer_norm": (LayerNorm, {}, (6,)),
    "layer_norm images": (LayerNorm, {"eps": 1e-3}, (2, 3, 4)),
    "linear": (Linear, {}, (4,)),
    "relu": (Relu, {}, (7,)),
    "relu images": (Relu, {}, (3, 2, 2)),
    "leaky_relu": (LeakyRelu, {"slope": 0.2}, (7,)),
    "elu": (Elu, {"alpha": 0.7}, (7,)),
    "gelu": (Gelu, {}, (7,)),
    "gelu tanh": (Gelu, {"approximate": True}, (7,)),
    "silu": (Silu, {}, (7,)),
    "softplus": (Softplus, {}, (7,)),
    "sigmoid": (Sigmoid, {}, (7,)),
    "tanh": (Tanh, {}, (7,)),
    "softmax": (Softmax, {}, (7,)),
    "softmax images": (Softmax, {}, (2, 3, 4)),
}
COLUMNS = {
    Dense: {"init_scale": (1.0, 0.5, 2.0)},
    Conv2d: {"init_scale": (1.0, 0.5, 2.0)},
    Dropout: {"rate": (0.4, 0.0, 0.7)},
    BatchNorm: {"momentum": (0.1, 0.0, 0.9), "eps": (1e-5, 1e-3, 0.1)},
    LayerNorm: {"eps": (1e-5, 1e-3, 0.1)},
    LeakyRelu: {"slope": (0.2, 0.0, 1.0)},
    Elu: {"alpha": (0.7, 0.0, 2.0)},
}
SEEDS = (7, 1, 2)


def rows_of(case):
    """Return the fields of three runs: the case's own in row 0, other values of the layer's columns in rows 1 and 2."""
    cls, fields, _ = CASES[case]
    columns = COLUMNS.get(cls, {})
    return [fields] + [fields | {name: values[row] for name, values in columns.items()} for row in (1, 2)]
