"""torch's optimizers on our buffers, against torch used directly."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from chains import Falling, optimizer_class
from extras import extra
from foreign import TORCH, descend, each, prepare
from valleys import Valley, problem, weights_of

from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.training.trace import trace
from plugins.optimizers.bridges import torch_bridge


@pytest.fixture
def torch():
    return extra("torch")


def with_torch(torch, made, start, tilts, lrs):
    """Return the path of a torch optimizer that a person would write for one run of the valley."""
    w, u = (torch.tensor(part) for part in (start[:6].reshape(2, 3), start[6:].reshape(3, 1)))
    optimizer, path = made([w, u]), []
    for tilt, lr in zip(tilts, lrs, strict=True):

        def closure(tilt=tilt):
            parameters = Parameters({"x": (9,)}, 1, start.dtype)
            parameters.flat[0] = np.concatenate([w.numpy().ravel(), u.numpy().ravel()])
            valley = Valley(parameters, parameters.like(), weights_of(9))
            valley.begin(tilt[None])
            slope = torch.tensor(valley.gradients.flat[0])
            w.grad, u.grad = slope[:6].reshape(2, 3), slope[6:].reshape(3, 1)
            return float(valley.losses[0])

        closure()
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step(closure)
        path.append(np.concatenate([w.numpy().ravel(), u.numpy().ravel()]))
    return np.array(path)


@each(TORCH, "torch")
def test_torch_takes_the_steps_it_takes_by_itself(name, torch):
    cls = optimizer_class(name)
    start, tilts = problem(2, steps=6)
    rates = [0.05, 0.1]
    path = descend(*prepare(name, start, schedule=Falling(), lr=rates), tilts)
    for place, lr in enumerate(rates):
        lrs = [lr * 0.5 ** (step % 4) for step in range(6)]
        expected = with_torch(
            torch,
            lambda held, lr=lr: getattr(torch.optim, cls.signature.name)(held, lr=lr),
            start[place],
            tilts[:, place],
            lrs,
        )
        assert np.array_equal(path[:, place], expected)
    assert not np.array_equal(path[:, 0], path[:, 1])


@pytest.mark.parametrize(
    ("name", "fields", "keywords"),
    [
        ("torch/adam", {"beta1": 0.5, "beta2": 0.9, "amsgrad": True}, {"betas": (0.5, 0.9), "amsgrad": True}),
        ("torch/sgd", {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "dampening": 0.3}),
        ("torch/adafactor", {"eps2": 10.0}, {"eps": (None, 10.0)}),
        ("torch/rprop", {"step_size1": 0.01, "eta2": 1.5}, {"step_sizes": (0.01, 50), "etas": (0.5, 1.5)}),
        (
            "torch/muon",
            {"ns_steps": 2, "adjust_lr_fn": "match_rms_adamw"},
            {"ns_steps": 2, "adjust_lr_fn": "match_rms_adamw"},
        ),
        (
            "torch/lbfgs",
            {"line_search_fn": "strong_wolfe", "max_iter": 3},
            {"line_search_fn": "strong_wolfe", "max_iter": 3},
        ),
    ],
)
def test_fields_reach_torch(name, fields, keywords, torch):
    start, tilts = problem(1, steps=5)
    path = descend(*prepare(name, start, lr=0.1, **fields), tilts)
    cls = getattr(torch.optim, optimizer_class(name).signature.name)
    expected = with_torch(torch, lambda held: cls(held, lr=0.1, **keywords), start[0], tilts[:, 0], [0.1] * 5)
    plain = with_torch(torch, lambda held: cls(held, lr=0.1), start[0], tilts[:, 0], [0.1] * 5)
    assert np.array_equal(path[:, 0], expected)
    assert not np.array_equal(path[:, 0], plain)


@each(TORCH, "torch")
@pytest.mark.parametrize("fields", [{}, {"amsgrad": True}, {"momentum": 0.9}, {"history_size": 3, "max_iter": 2}])
def test_torch_goes_on_from_a_checkpoint(name, fields):
    if not fields.keys() <= optimizer_class(name).fields.keys():
        fields = {}
    start, tilts = problem(2, steps=9, dtype=np.float32)
    unbroken = descend(*prepare(name, start, **fields), tilts)
    update, valley = prepare(name, start, **fields)
    descend(update, valley, tilts[:5])
    saved = {key: array.copy() for key, array in update.state.items()}
    stood = update.parameters.flat.copy()
    assert all(len(array) == 2 for array in saved.values())
    second, other = prepare(name, stood, **fields)
    second.restore(saved)
    assert np.array_equal(descend(second, other, tilts[5:], first=6), unbroken[5:])
    assert np.array_equal(descend(update, valley, tilts[5:], first=6), unbroken[5:])
    elsewhere, fourth = prepare(name, start[::-1].copy(), **fields)  # and takes over what is as old as it is
    descend(elsewhere, fourth, tilts)
    update.parameters.flat[...] = elsewhere.parameters.flat
    update.restore({key: array.copy() for key, array in elsewhere.state.items()})
    onward = descend(elsewhere, fourth, tilts[:2], first=10)
    assert np.array_equal(descend(update, valley, tilts[:2], first=10), onward)
    update.parameters.flat[...] = stood  # and the same object goes back
    update.restore(saved)
    assert np.array_equal(descend(update, valley, tilts[5:], first=6), unbroken[5:])
    fresh, third = prepare(name, start, **fields)
    update.parameters.flat[...] = start
    update.restore({key: array.copy() for key, array in fresh.state.items()})
    assert np.array_equal(descend(update, valley, tilts), descend(fresh, third, tilts))


def test_memory_inside_torch_is_not_lost_in_silence(monkeypatch, torch):
    start, tilts = problem(1, steps=3)
    monkeypatch.setattr(torch_bridge.TorchOptimizer, "layout", lambda self, parameters: None)
    update, valley = prepare("torch/adam", start)
    descend(update, valley, tilts)
    second, other = prepare("torch/adam", start)
    second.restore(update.state)
    with pytest.raises(InputError, match="torch/adam keeps its memory inside torch: it cannot go on after 3 steps"):
        descend(second, other, tilts, first=4)


@each(TORCH, "torch")
def test_fields_are_those_of_torchs_signature(name, torch):
    cls = optimizer_class(name)
    defaults = {}
    for key, argument in inspect.signature(getattr(torch.optim, cls.signature.name).__init__).parameters.items():
        if key not in {"self", *torch_bridge.OMITTED}:
            many = isinstance(argument.default, tuple)
            stem = key if key == "eps" else key.removesuffix("s")
            values = {f"{stem}{i}": v for i, v in enumerate(argument.default, 1)} if many else {key: argument.default}
            defaults |= values
    assert cls.defaults() == defaults
    assert cls.summary() == f"torch.optim.{cls.signature.name}, as torch runs it."


def test_every_optimizer_of_torch_is_registered_or_left_out_with_a_reason(torch):
    known = {
        name
        for name, cls in vars(torch.optim).items()
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
    }
    assert known == {optimizer_class(name).signature.name for name in TORCH} | set(torch_bridge.LEFT_OUT)


def test_what_torch_refuses_to_hold_is_refused(torch):
    start, _ = problem(2)
    with pytest.raises(InputError, match=r"torch/muon: Muon only supports 2D parameters.*: choose another optimizer"):
        prepare("torch/muon", start, {"w": (2, 3), "b": (3,)})


@pytest.mark.parametrize(
    ("name", "part"), [("split", "matrices"), ("split", "rest"), ("mechanize", "base")], ids=lambda value: value
)
def test_what_steps_one_run_at_a_time_is_no_part_of_another_optimizer(torch, name, part):
    with pytest.raises(InputError, match=f"{part}=torch/adamw steps one run at a time in torch: choose one that steps"):
        optimizer_class(name).resolve({part: "torch/adamw"})


@pytest.mark.parametrize("name", ["adam", "torch/adam", "torch/rprop"])
def test_a_number_is_stepped_as_a_vector_of_one_number(torch, name):
    path = trace(name, lambda x: 2 * x, 3.0, 9)
    assert np.array_equal(path, trace(name, lambda x: 2 * x, [3.0], 9)[:, 0])
