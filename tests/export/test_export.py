"""The way out: our rules as torch optimizers, against our own trajectories and torch's habits."""

from __future__ import annotations

import copy
import io
import math
import pickle
import runpy
import sys

import numpy as np
import pytest
from chains import optimizer_class
from extras import extra
from places import ROOT

import framework
from framework.base.schedule import Schedule
from framework.training.model import Model
from framework.training.update import Update
from plugins.layers.conv2d import Conv2d
from plugins.layers.dense import Dense
from plugins.layers.flatten import Flatten
from plugins.layers.tanh import Tanh
from plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy

torch = extra("torch")

STEPS, BATCH = 200, 16
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((80, 4, 4, 2)), RNG.integers(0, 3, 80)
PAIRS = {
    "1_conv2d/weight": "0.weight",
    "1_conv2d/bias": "0.bias",
    "4_dense/weight": "3.weight",
    "4_dense/bias": "3.bias",
}


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small are not worth a second thread, which would only wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Ours:
    """A small convolutional net of this project, trained by `Update`."""

    def __init__(self, name, dtype=np.float64, schedule=None, **fields):
        layers = [("conv2d", Conv2d(filters=5, kernel_size=4)), ("tanh", Tanh()), ("flatten", Flatten())]
        self.model = Model([*layers, ("dense", Dense(units=3))], (4, 4, 2), [0], dtype)
        self.loss = SoftmaxCrossEntropy()
        optimizer = optimizer_class(name)(**fields)
        self.update = Update(optimizer, self.model.parameters, self.model.gradients, schedule=schedule)

    def evaluate(self):
        outputs = self.model.forward(self.x, training=True)
        losses = self.loss.forward(outputs, self.y)
        self.model.backward(self.loss.backward())
        return losses

    def step(self, t):
        at = (t * BATCH) % len(X) + np.arange(BATCH)
        self.x, self.y = X[at % len(X)][None].astype(self.model.parameters.dtype), Y[at % len(X)][None]
        self.losses = self.evaluate()
        self.update.step(t, self)

    def tensors(self):
        return {name: view[0].copy() for name, view in self.model.parameters.views.items()}


class Theirs:
    """The same net in torch, with the same weights."""

    def __init__(self, ours, channels_last=False):
        parts = [torch.nn.Conv2d(2, 5, 4), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(5, 3)]
        self.dtype = torch.float64 if ours.model.parameters.dtype == np.float64 else torch.float32
        self.model = torch.nn.Sequential(*parts).to(self.dtype)
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        held = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in ours.tensors().items():
                held[PAIRS[name]].copy_(torch.from_numpy(as_torch(tensor)))

    def closure(self, t, optimizer):
        at = ((t * BATCH) % len(X) + np.arange(BATCH)) % len(X)
        x, y = torch.from_numpy(X[at].transpose(0, 3, 1, 2).copy()).to(self.dtype), torch.from_numpy(Y[at])

        def closure():
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            return loss

        return closure

    def train(self, optimizer, first, last, scheduler=None):
        for t in range(first, last + 1):
            optimizer.step(self.closure(t, optimizer))
            if scheduler is not None:
                scheduler.step()

    def tensors(self):
        held = dict(self.model.named_parameters())
        return {ours: as_ours(held[theirs].detach().numpy()) for ours, theirs in PAIRS.items()}


def as_torch(array):
    return array if array.ndim < 2 else np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1)))


def as_ours(array):
    return array.copy() if array.ndim < 2 else np.moveaxis(array, (0, 1), (-1, -2)).copy()


def error(found, expected):
    """Return the largest max |difference| / max |expected| over the tensors."""
    return max(np.abs(found[name] - value).max() / np.abs(value).max() for name, value in expected.items())


RULES = [
    ("sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("adam", {"lr": 0.01, "amsgrad": True}),
    ("adamw", {"lr": 0.01, "weight_decay": 0.1}),
    ("nadam", {"lr": 0.01}),
    ("rprop", {}),
    ("muon", {"lr": 0.02}),
    ("lamb", {"lr": 0.02, "weight_decay": 0.1}),
    ("adafactor", {"lr": 0.05}),
    ("novograd", {"lr": 0.05}),
    ("prodigy", {}),
    ("dog", {}),
    ("schedule_free_adamw", {"lr": 0.02}),
    ("polyak_sgd", {}),
    ("sam", {}),
    ("split", {"lr": 0.02, "rest_lr": 0.01}),
]


@pytest.mark.parametrize(("name", "fields"), RULES)
def test_the_exported_rule_takes_our_trajectory(name, fields):
    ours = Ours(name, **fields)
    theirs = Theirs(ours)
    start = ours.tensors()
    optimizer = framework.export.torch(name, theirs.model.parameters(), **fields)
    for t in range(1, STEPS + 1):
        ours.step(t)
        theirs.train(optimizer, t, t)
        assert error(theirs.tensors(), ours.tensors()) <= 1e-6, t
    assert error(start, theirs.tensors()) > 0.01
    with ours.update.evaluating(), optimizer.evaluating():
        assert error(theirs.tensors(), ours.tensors()) <= 1e-6
    assert error(theirs.tensors(), ours.tensors()) <= 1e-6


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_torchs_memory_formats_change_nothing(name):
    ours = Ours(name, lr=0.01)
    theirs = Theirs(ours, channels_last=True)
    assert not theirs.model[0].weight.is_contiguous()
    optimizer = framework.export.torch(name, theirs.model.parameters(), lr=0.01)
    for t in range(1, 21):
        ours.step(t)
        theirs.train(optimizer, t, t)
    assert error(theirs.tensors(), ours.tensors()) <= 1e-9


def test_line_searches_evaluate_through_the_closure():
    ours = Ours("lbfgs")
    theirs = Theirs(ours)
    optimizer = framework.export.torch("lbfgs", theirs.model.parameters())
    losses = []
    for t in range(1, 6):
        ours.step(5)
        losses.append(optimizer.step(theirs.closure(5, optimizer)).item())
        assert error(theirs.tensors(), ours.tensors()) <= 1e-6, t
    assert losses[-1] < losses[0] / 10


class Following(Schedule):
    """The factors that a list holds, one a step."""

    factors_listed = ()

    def factor(self, t, total):
        return np.array([self.factors_listed[int(step) - 1] for step in t.ravel()]).reshape(t.shape)


SCHEDULERS = {
    "StepLR": ({"step_size": 7, "gamma": 0.5}, lambda t: 0.5 ** ((t - 1) // 7)),
    "CosineAnnealingLR": ({"T_max": 30}, lambda t: (1 + math.cos(math.pi * (t - 1) / 30)) / 2),
    "LambdaLR": ({"lr_lambda": lambda epoch: min(1, epoch / 10)}, lambda t: min(1, (t - 1) / 10)),
    "OneCycleLR": (
        {"max_lr": 0.05, "total_steps": 40, "cycle_momentum": False, "anneal_strategy": "linear"},
        lambda t: np.interp(t - 1, [0, 11, 39], [1 / 25, 1, 1 / 25e4]),
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "prodigy"])
def test_torchs_schedulers_act_on_lr(name, scheduler, monkeypatch):
    keywords, factor = SCHEDULERS[scheduler]
    monkeypatch.setattr(Following, "factors_listed", [factor(t) for t in range(1, 10_001)])
    ours, plain = Ours(name, lr=0.05, schedule=Following()), Ours(name, lr=0.05)
    theirs = Theirs(ours)
    optimizer = framework.export.torch(name, theirs.model.parameters(), lr=0.05)
    made = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **keywords)
    for t in range(1, 31):
        ours.step(t)
        plain.step(t)
    theirs.train(optimizer, 1, 30, made)
    assert error(theirs.tensors(), ours.tensors()) <= 1e-6
    assert error(plain.tensors(), ours.tensors()) > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "fields"), RULES)
def test_a_state_dict_goes_through_a_file_without_losing_a_bit(name, fields, dtype):
    whole = Theirs(Ours(name, dtype, **fields))
    first = copy.deepcopy(whole)
    unbroken = framework.export.torch(name, whole.model.parameters(), **fields)
    whole.train(unbroken, 1, 20)
    broken = framework.export.torch(name, first.model.parameters(), **fields)
    first.train(broken, 1, 12)
    file = io.BytesIO()
    torch.save({"model": first.model.state_dict(), "optimizer": broken.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    second = Theirs(Ours(name, dtype))
    second.model.load_state_dict(saved["model"])
    resumed = framework.export.torch(name, second.model.parameters())
    resumed.load_state_dict(saved["optimizer"])
    second.train(resumed, 13, 20)
    first.train(broken, 13, 20)
    for found in (first, second):
        assert all(torch.equal(a, b) for a, b in zip(found.model.parameters(), whole.model.parameters(), strict=True))
    with unbroken.evaluating(), resumed.evaluating():
        pairs = zip(second.model.parameters(), whole.model.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_the_example_shows_one_trajectory(monkeypatch, capsys):
    script = ROOT / "scripts" / "export_example.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--optimizer", "adan", "--lr", "0.01"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert ended.value.code == 0
    assert int(rows[-1][0]) == STEPS
    assert float(rows[-1][1]) < 0.5 * float(rows[0][1])
    assert all(float(apart) <= 1e-6 for *_, apart in rows)


def test_copies_and_pickles_go_on_by_themselves():
    theirs = Theirs(Ours("adam"))
    optimizer = framework.export.torch("adam", theirs.model.parameters(), lr=0.01)
    theirs.train(optimizer, 1, 5)
    for other, made in (copy.deepcopy((theirs, optimizer)), pickle.loads(pickle.dumps((theirs, optimizer)))):  # noqa: S301 - our own
        other.train(made, 6, 10)
        fresh = copy.deepcopy((theirs, optimizer))
        fresh[0].train(fresh[1], 6, 10)
        assert error(other.tensors(), fresh[0].tensors()) == 0
        assert error(other.tensors(), theirs.tensors()) > 1e-3
