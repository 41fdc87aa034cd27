"""Optimizers beside a live torch on problems whose gradients depend on where the parameters are.

With feedback, rounding errors grow by nature, so the bound is looser than under recorded gradients: 1e-9 of the largest
parameter over 300 steps on Rosenbrock's function (observed: below 1e-12).
"""

from __future__ import annotations

import numpy as np
import pytest
from extras import extra

from framework.training.trace import trace

torch = extra("torch")

BOUND = 1e-9
START = [-1.2, 1.0, 0.7]
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


def rosenbrock(x):
    """The gradient of sum 100 (x[i + 1] - x[i]^2)^2 + (1 - x[i])^2."""
    found = np.zeros_like(x)
    inner = x[1:] - x[:-1] ** 2
    found[:-1] = -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    found[1:] += 200 * inner
    return found


def with_torch(name, fields, steps):
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([x], foreach=False, **fields)
    path = [x.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum().backward()
        optimizer.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize(("name", "torch_name", "fields"), CASES)
def test_agrees_with_torch_under_feedback(name, torch_name, fields):
    ours = trace(name, rosenbrock, START, 300, **fields)
    theirs = with_torch(torch_name, fields, 300)
    error = np.abs(ours - theirs).max(axis=1) / np.abs(theirs).max(axis=1)
    assert error.max() <= BOUND
    assert np.abs(ours[-1] - ours[0]).max() > 0.01


@pytest.mark.parametrize("fields", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_torch_refuses_the_same_nesterov_settings(fields):
    with pytest.raises(ValueError, match="Nesterov momentum requires"):
        torch.optim.SGD([torch.zeros(1)], nesterov=True, **fields)
    with pytest.raises(ValueError, match="nesterov=true needs"):
        trace("sgd", rosenbrock, START, 1, nesterov=True, **fields)
