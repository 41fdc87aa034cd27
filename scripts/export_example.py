"""Train a small torch model with a rule of this project, and the same model here; compare the trajectories.

Run it in an environment with torch::

    python scripts/export_example.py --optimizer adan --lr 0.01 --steps 200

It prints both training losses and the largest difference between the weights. The exit code is 1 if that difference is
more than 1e-6 of the largest weight. Line searches on small batches (lbfgs) are chaotic: rounding errors grow, and the
trajectories diverge from each other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
import torch

import framework
from framework.registry import manager
from framework.training.model import Model
from framework.training.update import Update
from plugins.datasets.digits import Digits
from plugins.layers.dense import Dense
from plugins.layers.tanh import Tanh
from plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy

BATCH, BOUND = 32, 1e-6
LAYERS = {"1_dense": "0", "3_dense": "2"}
"""Names of the dense layers in our model, mapped to their names in torch's."""


class Here:
    """A 64-32-10 network and its update in this project; also the objective of rules that evaluate the loss again.

    Args:
        optimizer: registered name.
        lr: learning rate, or None for the optimizer's default.
    """

    def __init__(self, optimizer: str, lr: float | None) -> None:
        layers = [("dense", Dense(units=32)), ("tanh", Tanh()), ("dense", Dense(units=10))]
        self.model = Model(layers, (64,), [0], np.float64)
        self.loss = SoftmaxCrossEntropy()
        made = manager.find("optimizer", optimizer).cls(**({} if lr is None else {"lr": lr}))
        self.update = Update(made, self.model.parameters, self.model.gradients)

    def evaluate(self) -> np.ndarray:
        """Return the batch's loss, shape ``(1,)``, and write the gradients."""
        outputs = self.model.forward(self.x, training=True)
        losses = self.loss.forward(outputs, self.y)
        self.model.backward(self.loss.backward())
        return losses

    def step(self, t: int, x: np.ndarray, y: np.ndarray) -> float:
        """Take step ``t``, counted from 1, on a batch; return the loss before the step."""
        self.x, self.y = x[None], y[None]
        self.losses = self.evaluate()
        self.update.step(t, self)
        return float(self.losses[0])


def in_torch(here: Here) -> torch.nn.Module:
    """Return the same network in torch, with the same weights, in float64."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)).double()
    held = here.model.parameters.row(0)
    with torch.no_grad():
        for ours, theirs in LAYERS.items():
            layer = model.get_submodule(theirs)
            layer.weight.copy_(torch.from_numpy(held[f"{ours}/weight"].T))
            layer.bias.copy_(torch.from_numpy(held[f"{ours}/bias"]))
    return model


def apart(here: Here, model: torch.nn.Module) -> float:
    """Return the largest ratio, over layers, of max |difference between the weights| to max |weight|."""
    held = here.model.parameters.row(0)
    pairs = [(held[f"{ours}/weight"].T, model.get_submodule(theirs).weight) for ours, theirs in LAYERS.items()]
    return max(float(np.abs(ours - theirs.detach().numpy()).max() / np.abs(ours).max()) for ours, theirs in pairs)


def closure_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: np.ndarray, y: np.ndarray) -> Callable:
    """Return the usual closure of a torch training script: clear the gradients, evaluate the loss, call backward."""

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        return loss

    return closure


def main() -> int:
    """Train both models on the same batches; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--optimizer", default="adan")
    parser.add_argument("--lr", type=float, default=None, help="default: the optimizer's own")
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    train = Digits().prepare(np.float64).train
    x, y = train.inputs.reshape(len(train.inputs), 64), train.targets
    here = Here(given.optimizer, given.lr)
    model = in_torch(here)
    rate = {} if given.lr is None else {"lr": given.lr}
    optimizer = framework.export.torch(given.optimizer, model.parameters(), **rate)  # the only change for torch users
    order = np.random.default_rng(0)
    sys.stdout.write(f"{given.optimizer}\n  step   loss here  loss in torch  weights apart\n")
    for t in range(1, given.steps + 1):
        batch = order.integers(0, len(x), BATCH)
        loss = here.step(t, x[batch], y[batch])
        theirs = optimizer.step(closure_of(model, optimizer, x[batch], y[batch])).item()
        if t in (1, 2, 5) or t % max(1, given.steps // 8) == 0:
            sys.stdout.write(f"{t:6}{loss:12.6f}{theirs:15.6f}{apart(here, model):15.1e}\n")
    return 0 if apart(here, model) <= BOUND else 1


if __name__ == "__main__":
    raise SystemExit(main())
