"""Optimizers beside a live torch on problems whose gradients depend on where the parameters are.

With feedback, rounding errors grow by nature, so the bound is looser than under recorded gradients: 1e-9 of the largest
parameter over 300 steps on Rosenbrock's function (observed: below 1e-12).
"""

from __future__ import annotations

import pytest
from extras import extra
from feedback import START, assert_same_path, path_by_torch, rosenbrock

from framework.training.trace import trace

torch = extra("torch")

CASES = [
    ("sgd", "SGD", {"lr": 2e-4}),
    ("sgd", "SGD", {"lr": 1e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}),
    ("iterative", "SGD", {"lr": 2e-4}),
    ("momentum", "SGD", {"lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-2}),
    ("rmsprop", "RMSprop", {"lr": 1e-3}),
    ("rmsprop", "RMSprop", {"lr": 1e-3, "centered": True, "momentum": 0.5}),
    ("adagrad", "Adagrad", {"lr": 0.3, "lr_decay": 0.01}),
    ("adam", "Adam", {"lr": 0.02}),
    ("adam", "Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 1e-2}),
    ("adamax", "Adamax", {"lr": 0.02}),
    ("adadelta", "Adadelta", {"lr": 3.0}),
]


@pytest.mark.parametrize(("name", "torch_name", "fields"), CASES)
def test_agrees_with_torch_under_feedback(name, torch_name, fields):
    assert_same_path(trace(name, rosenbrock, START, 300, **fields), path_by_torch(torch_name, fields, 300))


@pytest.mark.parametrize("fields", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_torch_refuses_the_same_nesterov_settings(fields):
    with pytest.raises(ValueError, match="Nesterov momentum requires"):
        torch.optim.SGD([torch.zeros(1)], nesterov=True, **fields)
    with pytest.raises(ValueError, match="nesterov=true needs"):
        trace("sgd", rosenbrock, START, 1, nesterov=True, **fields)
