"""The elementwise catalogue beside a live torch, with feedback: the gradients depend on where the parameters are.

With feedback, rounding errors grow by nature, so the bound is looser than under recorded gradients: 1e-9 of the largest
parameter over 200 steps on Rosenbrock's function.
"""

from __future__ import annotations

import numpy as np
import pytest
from chains import Constant, optimizer_class
from extras import extra
from feedback import START, assert_same_path, path_by_torch, rosenbrock

from framework.base.parameters import Parameters
from framework.training.trace import trace
from framework.training.update import Update

torch = extra("torch")

CASES = [
    ("asgd", "ASGD", {"lr": 2e-4, "lambd": 1e-2}),
    ("rprop", "Rprop", {"lr": 0.02}),
    ("nadam", "NAdam", {"lr": 2e-3}),  # at 0.02 the problem itself multiplies any difference by 1e11
    ("nadam", "NAdam", {"lr": 2e-3, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("radam", "RAdam", {"lr": 0.02}),
    ("radam", "RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("adamw", "AdamW", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
]


@pytest.fixture(autouse=True)
def float64_scalars():
    """Let torch keep NAdam's and ASGD's scalars in float64, as we do."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize(("name", "torch_name", "fields"), CASES)
def test_agrees_with_torch_under_feedback(name, torch_name, fields):
    assert_same_path(trace(name, rosenbrock, START, 200, **fields), path_by_torch(torch_name, fields, 200))


def test_the_mean_that_asgd_carries_is_torchs():
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(5), rng.standard_normal((60, 5))
    x = torch.tensor(start, requires_grad=True)
    theirs = torch.optim.ASGD([x], lr=0.1, lambd=0.01, t0=10, foreach=False)
    parameters = Parameters({"x": (5,)}, 1, np.float64)
    parameters.flat[0] = start
    ours = Update(
        optimizer_class("asgd")(lr=0.1, lambd=0.01, t0=10.0), parameters, parameters.like(), schedule=Constant()
    )
    for step, gradient in enumerate(gradients, start=1):
        x.grad = torch.tensor(gradient)
        theirs.step()
        ours.gradients.flat[0] = gradient
        ours.step(step)
        mean = theirs.state[x]["ax"].numpy()
        assert np.abs(ours.state["rule/ax"][0] - mean).max() / np.abs(mean).max() <= 1e-12
    assert np.abs(mean - x.detach().numpy()).max() > 1e-3
