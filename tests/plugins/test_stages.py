"""Stages around the rule: clipping and decoupled weight decay, against plain loops a run at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from chains import Falling, chain, follow, optimizer_class, recorded, relative, run
from extras import extra

from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.registry import manager

NAMES = ("clip_value", "clip_norm", "decoupled_weight_decay")
FIELD = {"clip_value": "max_value", "clip_norm": "max_norm", "decoupled_weight_decay": "weight_decay"}


def stage(name, value):
    return manager.find("stage", name).cls(**{FIELD[name]: value})


def clipped(name, value, gradients):
    """Return what a clipping stage makes of gradients ``(R, size)``, held as two tensors."""
    runs, size = gradients.shape
    parameters = Parameters({"a": (2,), "b": (size - 2,)}, runs, gradients.dtype)
    held = parameters.like()
    held.flat[...] = gradients
    made = stage(name, value)
    made.before(parameters, held, made.initial_state(parameters), np.ones((runs, 1), gradients.dtype))
    assert not parameters.flat.any()
    return held.flat


def test_clip_value_bounds_every_number():
    _, gradients = recorded(3, 7)
    bounds = [0.01, 0.1, 1.0]
    found = clipped("clip_value", bounds, gradients[0])
    for place, bound in enumerate(bounds):
        expected = [min(max(number, -bound), bound) for number in gradients[0, place].tolist()]
        assert found[place].tolist() == expected


def test_clip_norm_scales_each_run_by_the_norm_of_all_its_parameters():
    _, gradients = recorded(3, 7)
    bounds = [0.5, 2.0, 1e6]
    found = clipped("clip_norm", bounds, gradients[0])
    for place, bound in enumerate(bounds):
        numbers = gradients[0, place].tolist()
        scale = min(1.0, bound / (math.sqrt(sum(number**2 for number in numbers)) + 1e-6))
        assert np.allclose(found[place], [scale * number for number in numbers], rtol=1e-13, atol=0)
    assert np.linalg.norm(found[0]) == pytest.approx(0.5, rel=1e-5)
    assert np.array_equal(found[2], gradients[0, 2])


def test_clip_norm_leaves_a_zero_gradient():
    assert not clipped("clip_norm", 1e-12, np.zeros((1, 5))).any()


def test_clip_norm_bounds_float32_gradients_whose_squares_overflow():
    found = clipped("clip_norm", 2.0, np.full((1, 4), 1e30, dtype=np.float32))
    assert found.tolist() == [[1.0] * 4]


@pytest.mark.parametrize("name", ["clip_value", "clip_norm"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_run_leaves_its_neighbours_alone(name, bad):
    _, gradients = recorded(3, 7)
    expected = clipped(name, 0.5, gradients[0])
    gradients[0, 1, 3] = bad
    found = clipped(name, 0.5, gradients[0])
    assert np.array_equal(found[[0, 2]], expected[[0, 2]])
    if name == "clip_norm" or np.isnan(bad):
        assert np.isnan(found[1, 3])


@pytest.mark.parametrize("norm_type", ["clip_value", "clip_norm"])
@pytest.mark.parametrize("special", [0.0, np.nan, np.inf])
def test_clipping_agrees_with_torch(norm_type, special):
    torch = extra("torch")
    _, gradients = recorded(1, 7)
    gradients[0, 0, 3] = special
    tensors = [torch.zeros(2, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)]
    tensors[0].grad, tensors[1].grad = torch.tensor(gradients[0, 0, :2]), torch.tensor(gradients[0, 0, 2:])
    if norm_type == "clip_value":
        torch.nn.utils.clip_grad_value_(tensors, 0.5)
    else:
        torch.nn.utils.clip_grad_norm_(tensors, 0.5)
    expected = np.concatenate([tensor.grad.numpy() for tensor in tensors])
    assert np.allclose(clipped(norm_type, 0.5, gradients[0])[0], expected, rtol=1e-13, atol=0, equal_nan=True)


def test_decoupled_decay_shrinks_by_the_scheduled_rate_and_stays_out_of_the_state():
    start, gradients = recorded(2, 6)
    decays = [0.1, 0.3]
    cls = optimizer_class("adam")
    plain = chain(cls(lr=0.05), start, schedule=Falling())
    decayed = chain(cls(lr=0.05), start, schedule=Falling(), stages=[stage("decoupled_weight_decay", decays)])
    moves = np.diff(np.concatenate([start[None], follow(plain, gradients)]), axis=0)
    found = follow(decayed, gradients)
    for place, decay in enumerate(decays):
        p = start[place]
        for step in range(len(gradients)):
            p = p * (1 - 0.05 * 0.5 ** (step % 4) * decay) + moves[step, place]
            assert relative(found[step, place][None], p[None]) <= 1e-12
    for key in ("rule/m", "rule/v"):
        assert np.array_equal(plain.state[key], decayed.state[key])


@pytest.mark.parametrize("name", ["blog/adam", "blog/iterative", "blog/adadelta"])
def test_decoupled_decay_needs_an_optimizer_with_lr(name):
    with pytest.raises(InputError, match="stages: decoupled_weight_decay needs a learning rate"):
        run(name, *recorded(1, 4), stages=[stage("decoupled_weight_decay", 0.1)])


def test_stages_run_in_the_order_given():
    start, gradients = recorded(1, 6)
    value, norm = stage("clip_value", 0.1), stage("clip_norm", 0.5)
    found = {}
    for order in ((value, norm), (norm, value)):
        p = start[0].copy()
        for g in gradients[:, 0]:
            for link in order:
                length = math.sqrt(sum(number**2 for number in g.tolist()))
                g = np.clip(g, -0.1, 0.1) if link is value else g * min(1, 0.5 / (length + 1e-6))
            p = p - 0.1 * g
        path = run("iterative", start, gradients, lr=0.1, stages=order)
        assert relative(path[-1], p[None]) <= 1e-12
        found[order] = path[-1]
    assert relative(found[value, norm], found[norm, value]) > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_has_the_same_bits_alone(name, dtype):
    start, gradients = recorded(3, 701, 12, dtype=dtype)
    values, rates = [0.05, 0.3, 0.9], [0.1, 0.2, 0.3]
    together = run("sgd", start, gradients, stages=[stage(name, values)], lr=rates)
    assert together.dtype == dtype
    assert not np.array_equal(together, run("sgd", start, gradients, lr=rates))
    for place in range(3):
        one = slice(place, place + 1)
        alone = run("sgd", start[one], gradients[:, one], stages=[stage(name, values[place])], lr=rates[place])
        assert np.array_equal(alone, together[:, one])


@pytest.mark.parametrize(
    ("name", "value"), [("clip_value", 0.0), ("clip_norm", -1.0), ("decoupled_weight_decay", -0.1)]
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(InputError, match=f"{FIELD[name]}={value:g} is out of range: it must be >=? 0"):
        stage(name, value)
