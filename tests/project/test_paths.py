"""The ways of a learning rate, a batch and a metric through the packages: down, without turning back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import PACKAGES, ROOT, package_of
from processes import command

PLUGIN = '''
import json
import traceback
from pathlib import Path

import numpy as np

from framework import Dataset, ElementwiseOptimizer, Loss, Metric, Raw, Samples, as_values, hookimpl, hyper


def note(what):
    with Path("stacks.jsonl").open("a") as file:
        file.write(json.dumps([what, [frame.filename for frame in traceback.extract_stack()]]) + "\\n")


class NotedRule(ElementwiseOptimizer):
    """Gradient descent."""

    lr: float = hyper(0.1, above=0)

    def coefficients(h, t):
        note("coefficients")
        return {"lr": h.lr}

    def rule(p, g, *, lr):
        return p - lr * g


class NotedData(Dataset):
    """Points on a line."""

    task = "regression"

    def load(self):
        note("samples")
        x = np.linspace(-1, 1, 50)[:, None]
        return Raw(Samples(x, 3 * x))


class NotedLoss(Loss):
    """Mean squared error."""

    def forward(self, predictions, targets):
        self._error = predictions - as_values(targets, predictions)
        return (self._error**2).mean(axis=(1, 2))

    def backward(self):
        note("gradient")
        return 2 * self._error / self._error[0].size


class NotedMetric(Metric):
    """Mean absolute error."""

    tasks = ("regression",)
    greater_is_better = False

    def start(self, runs):
        self._sum, self._count = np.zeros(runs), 0

    def update(self, predictions, targets):
        self._sum += np.abs(predictions - targets).sum(axis=(1, 2))
        self._count += predictions[0].size

    def value(self):
        note("metric")
        return self._sum / self._count
'''
WORDS = ["optimizer=noted_rule", "dataset=noted_data", "loss=noted_loss", "metrics=[noted_metric]", "epochs=1"]


@pytest.fixture(scope="module")
def stacks(tmp_path_factory) -> dict[str, list[list[str]]]:
    """The packages on the stack of each noted call, from the command line inwards."""
    folder = tmp_path_factory.mktemp("noted")
    (folder / "noted.py").write_text(PLUGIN)
    done = command("--plugin", "noted.py", *WORDS, "tracking.enabled=false", cwd=folder)
    assert done.returncode == 0, done.stderr
    noted: dict[str, list[list[str]]] = {}
    for line in (folder / "stacks.jsonl").read_text().splitlines():
        what, files = json.loads(line)
        inside = [Path(name) for name in files if Path(name).is_relative_to(ROOT / "framework")]
        noted.setdefault(what, []).append([package_of(path) for path in inside])
    return noted


@pytest.mark.parametrize("what", ["coefficients", "samples", "gradient", "metric"])
def test_a_call_goes_down_the_packages(stacks, what):
    for packages in stacks[what]:
        assert packages == sorted(packages, key=PACKAGES.index)
        assert {"cli", "hydra_app", "runs", "training"} <= {*packages}
