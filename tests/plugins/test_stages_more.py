"""Stages around the rule: averages, lookahead, noise, masks and momentum, against plain loops a run at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from chains import Falling, chain, follow, optimizer_class, recorded, relative, run

from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.registry import manager
from framework.training.update import Update

SETTINGS = [
    ("lookahead", {"k": 3, "alpha": [0.3, 0.5, 0.8]}),
    ("ema", {"decay": [0.5, 0.9, 0.99]}),
    ("ema", {"decay": [0.5, 0.9, 0.99], "debias": False}),
    ("polyak_average", {"start": 4}),
    ("gradient_centralization", {}),
    ("gradient_noise", {"eta": [0.1, 0.2, 0.3], "gamma": [0.3, 0.55, 1.0]}),
    ("cautious", {}),
    ("sign", {}),
    ("trace", {"decay": [0.5, 0.8, 0.9]}),
    ("trace", {"decay": [0.5, 0.8, 0.9], "nesterov": True}),
]
NAMES = sorted({name for name, _ in SETTINGS})


def stage(name, **fields):
    return manager.find("stage", name).cls(**fields)


def of_run(fields, place):
    return {key: value[place] if isinstance(value, list) else value for key, value in fields.items()}


def shaped(stages, start, optimizer="sgd", **fields):
    """Return an update over a matrix (4, 3), a kernel (2, 2, 2, 3) and a vector: 39 numbers a run or more."""
    runs, size = start.shape
    parameters = Parameters({"w": (4, 3), "k": (2, 2, 2, 3), "b": (size - 36,)}, runs, start.dtype)
    parameters.flat[...] = start
    return Update(optimizer_class(optimizer)(**fields), parameters, parameters.like(), stages=stages)


def points(update, gradients):
    """Return the trained parameters and the evaluated ones after each step, ``(steps, R, size)`` each."""
    trained, evaluated = np.empty_like(gradients), np.empty_like(gradients)
    for at, gradient in enumerate(gradients):
        update.gradients.flat[...] = gradient
        update.step(at + 1)
        trained[at] = update.parameters.flat
        with update.evaluating():
            evaluated[at] = update.parameters.flat
        assert np.array_equal(update.parameters.flat, trained[at], equal_nan=True)
    return trained, evaluated


def test_lookahead_is_the_papers_double_loop():
    start, gradients = recorded(2, 6, 23)
    k, alphas, lr, momentum = 5, [0.5, 0.8], 0.05, 0.9
    update = chain(
        optimizer_class("sgd")(lr=lr, momentum=momentum), start, stages=[stage("lookahead", k=k, alpha=alphas)]
    )
    trained, evaluated = points(update, gradients)
    for place, alpha in enumerate(alphas):
        slow, b, step = start[place].copy(), np.zeros(6), 0
        while step < len(gradients):
            fast = slow.copy()
            for _ in range(min(k, len(gradients) - step)):
                b = momentum * b + gradients[step, place]
                fast = fast - lr * b
                step += 1
                if step % k:
                    assert relative(trained[step - 1, place][None], fast[None]) <= 1e-12
                    assert relative(evaluated[step - 1, place][None], slow[None]) <= 1e-12
            if step % k == 0:
                slow = slow + alpha * (fast - slow)
                assert relative(trained[step - 1, place][None], slow[None]) <= 1e-12
                assert relative(evaluated[step - 1, place][None], slow[None]) <= 1e-12


@pytest.mark.parametrize("debias", [True, False])
def test_ema_is_the_weighted_sum_of_what_was_seen(debias):
    start, gradients = recorded(2, 6, 30)
    decays = [0.5, 0.97]
    update = chain(optimizer_class("adam")(lr=0.1), start, stages=[stage("ema", decay=decays, debias=debias)])
    assert np.array_equal(update.evaluation_point(), start)
    trained, evaluated = points(update, gradients)
    assert np.array_equal(trained, run("adam", start, gradients, lr=0.1))
    for place, decay in enumerate(decays):
        for t in range(1, len(gradients) + 1):
            weights = [(1 - decay) * decay ** (t - i) for i in range(1, t + 1)]
            total = sum(weight * trained[i, place] for i, weight in enumerate(weights))
            expected = total / (1 - decay**t) if debias else total + decay**t * start[place]
            assert relative(evaluated[t - 1, place][None], expected[None]) <= 1e-12


@pytest.mark.parametrize("first", [1, 4])
def test_polyak_average_is_the_mean_from_its_start_on(first):
    start, gradients = recorded(2, 6, 12)
    update = chain(optimizer_class("sgd")(lr=0.1), start, stages=[stage("polyak_average", start=first)])
    trained, evaluated = points(update, gradients)
    for t in range(1, len(gradients) + 1):
        seen = trained[min(first, t) - 1 : t]
        if t <= first:
            assert np.array_equal(evaluated[t - 1], trained[t - 1])
        assert relative(evaluated[t - 1][None], (sum(seen) / len(seen))[None]) <= 1e-12


def test_an_average_of_one_point_is_that_point_exactly():
    parameters = Parameters({"w": (3,)}, 1, np.float64)
    parameters.flat[...] = 1e8
    for name in ("polyak_average", "ema"):
        made = stage(name)
        state = made.initial_state(parameters)
        moved = parameters.like()
        moved.flat[...] = [[0.1, 0.2, 0.3]]
        made.after(moved, moved, state, np.ones((1, 1)))
        assert np.array_equal(made.evaluation_point(moved, state), moved.flat)


def test_the_last_average_in_the_chain_is_evaluated():
    start, gradients = recorded(1, 6, 9)
    ema, uniform = stage("ema", decay=0.9), stage("polyak_average")
    found = {}
    for order in ((ema, uniform), (uniform, ema)):
        found[order[-1]] = points(chain(optimizer_class("sgd")(lr=0.1), start, stages=list(order)), gradients)[1]
    for last, evaluated in found.items():
        alone = points(chain(optimizer_class("sgd")(lr=0.1), start, stages=[last]), gradients)[1]
        assert np.array_equal(evaluated, alone)
    assert relative(found[ema][-1:], found[uniform][-1:]) > 1e-3


def seen_by_rule(name, gradients, **fields):
    """Return what a stage makes of each gradient, ``(steps, R, size)``."""
    return seen_by(stage(name, **fields), gradients)


def seen_by(made, gradients):
    """Return what the stage makes of each gradient; lr 1 makes it the move."""
    start = np.zeros(gradients.shape[1:], gradients.dtype)
    update = shaped([made], start, "iterative", lr=1.0)
    moved = np.empty_like(gradients)
    for at, gradient in enumerate(gradients):
        update.parameters.flat[...] = 0
        update.gradients.flat[...] = gradient
        update.step(at + 1)
        moved[at] = -update.parameters.flat
    return moved


def test_centralized_gradients_have_mean_zero_for_each_output():
    _, gradients = recorded(2, 40, 3)
    found = seen_by_rule("gradient_centralization", gradients)
    for step in range(3):
        for place in range(2):
            g, made = gradients[step, place], found[step, place]
            for shape, part in (((4, 3), slice(0, 12)), ((8, 3), slice(12, 36))):
                tensor, expected = g[part].reshape(shape), np.empty(shape)
                for output in range(3):
                    mean = math.fsum(tensor[:, output]) / shape[0]
                    expected[:, output] = tensor[:, output] - mean
                assert np.abs(made[part].reshape(shape) - expected).max() <= 1e-14 * np.abs(tensor).max()
            assert np.array_equal(made[36:], g[36:])


def test_noise_has_the_variance_of_the_paper_and_depends_on_seed_and_step_alone():
    zeros = np.zeros((4, 2, 200_000))
    found = seen_by_rule("gradient_noise", zeros, eta=[0.3, 0.01], gamma=[0.55, 1.0])
    for t in range(4):
        for place, (eta, gamma) in enumerate([(0.3, 0.55), (0.01, 1.0)]):
            assert found[t, place].var() == pytest.approx(eta / (1 + t) ** gamma, rel=0.02)
            assert abs(found[t, place].mean()) <= 5 * math.sqrt(eta / 200_000)
    assert abs(np.corrcoef(found[0, 0], found[1, 0])[0, 1]) < 0.02
    assert np.allclose(found[2, 0] / found[2, 0].std(), found[2, 1] / found[2, 1].std(), rtol=1e-9)
    made = stage("gradient_noise", eta=[0.3, 0.01], gamma=[0.55, 1.0])
    made.seeds = [1, 0]
    other = seen_by(made, zeros[:1])
    assert abs(np.corrcoef(found[0, 0], other[0, 0])[0, 1]) < 0.02
    assert np.array_equal(found[0, 1], other[0, 1])


def test_sign_keeps_zero_and_nan():
    gradients = np.zeros((1, 1, 39))
    gradients[0, 0, :4] = [-1e-300, 5.0, np.nan, 0.0]
    found = seen_by_rule("sign", gradients)[0, 0]
    assert found[[0, 1, 3]].tolist() == [-1.0, 1.0, 0.0]
    assert np.isnan(found[2])


@pytest.mark.parametrize("nesterov", [False, True])
def test_trace_before_plain_descent_is_sgd_with_momentum(nesterov):
    start, gradients = recorded(2, 6, 30)
    decays = [0.5, 0.9]
    traced = run("iterative", start, gradients, lr=0.05, stages=[stage("trace", decay=decays, nesterov=nesterov)])
    sgd = run("sgd", start, gradients, lr=0.05, momentum=decays, nesterov=nesterov)
    assert relative(traced, sgd) <= 1e-12
    assert relative(traced, run("iterative", start, gradients, lr=0.05)) > 1e-3


def cautious_by_hand(p, moved, g, parts):
    """Return the paper's step from ``p`` in place of ``moved``, number by number."""
    new = p.copy()
    for part in parts:
        places = range(*part.indices(len(p)))
        kept = [i for i in places if (p[i] - moved[i]) * g[i] > 0]
        for i in kept:
            new[i] = p[i] - (p[i] - moved[i]) * len(places) / (len(kept) + 1)
    return new


def test_cautious_masks_each_tensor_by_the_present_gradient():
    start, gradients = recorded(2, 40, 25)
    update = shaped([stage("cautious")], start, "sgd", lr=0.05, momentum=0.9)
    parts = [slice(0, 12), slice(12, 36), slice(36, 40)]
    found = follow(update, gradients)
    p, b = start.copy(), np.zeros_like(start)
    held = 0
    for step, g in enumerate(gradients):
        b = 0.9 * b + g if step else g.copy()
        for place in range(2):
            new = cautious_by_hand(p[place], p[place] - 0.05 * b[place], g[place], parts)
            held += int((new == p[place]).sum())
            p[place] = new
        assert relative(found[step : step + 1], p[None]) <= 1e-11
    assert held > 100


def test_cautious_leaves_decay_alone_that_stands_before_it():
    start, gradients = recorded(1, 40, 1)
    decay = stage("decoupled_weight_decay", weight_decay=0.5)
    update = shaped([decay, stage("cautious")], start, "iterative", lr=0.1)
    found = follow(update, gradients)[0, 0]
    p = start[0] * (1 - 0.05)
    parts = [slice(0, 12), slice(12, 36), slice(36, 40)]
    assert relative(found[None], cautious_by_hand(p, p - 0.1 * gradients[0, 0], gradients[0, 0], parts)[None]) <= 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_a_run_has_the_same_bits_alone_and_in_any_order(name, fields, dtype):
    start, gradients = recorded(3, 701, 12, dtype=dtype)
    rates, order = [0.1, 0.2, 0.3], [2, 0, 1]
    trained, evaluated = points(shaped([stage(name, **fields)], start, lr=rates, momentum=0.9), gradients)
    assert trained.dtype == dtype
    plain = follow(shaped([], start, lr=rates, momentum=0.9), gradients)
    assert not np.array_equal(evaluated, plain)
    turned = {key: [value[i] for i in order] if isinstance(value, list) else value for key, value in fields.items()}
    other = shaped([stage(name, **turned)], start[order], lr=[rates[i] for i in order], momentum=0.9)
    assert all(
        np.array_equal(found, known[:, order])
        for found, known in zip(points(other, gradients[:, order]), (trained, evaluated), strict=True)
    )
    for place in range(3):
        one = slice(place, place + 1)
        alone = shaped([stage(name, **of_run(fields, place))], start[one], lr=rates[place], momentum=0.9)
        for found, known in zip(points(alone, gradients[:, one]), (trained, evaluated), strict=True):
            assert np.array_equal(found, known[:, one])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_a_diverged_run_leaves_its_neighbours_alone(name, fields, bad):
    start, gradients = recorded(3, 50, 9)
    clean = points(shaped([stage(name, **fields)], start, momentum=0.9), gradients)
    gradients[3, 1, 5] = bad
    mixed = points(shaped([stage(name, **fields)], start, momentum=0.9), gradients)
    for found, known in zip(mixed, clean, strict=True):
        assert np.array_equal(found[:, [0, 2]], known[:, [0, 2]])
    if name != "sign" or np.isnan(bad):
        assert not np.isfinite(mixed[0][-1, 1]).all()
        assert not np.isfinite(mixed[1][-1, 1]).all()


@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_n_plus_m_steps_are_n_then_restore_then_m(name, fields):
    start, gradients = recorded(3, 50, 20)
    unbroken = points(shaped([stage(name, **fields)], start, momentum=0.9), gradients)
    first = shaped([stage(name, **fields)], start, momentum=0.9)
    follow(first, gradients[:13])
    saved = {key: array.copy() for key, array in first.state.items()}
    assert all(len(array) == 3 for array in saved.values())
    second = shaped([stage(name, **fields)], first.parameters.flat.copy(), momentum=0.9)
    second.restore(saved)
    assert np.array_equal(follow(second, gradients[13:], first=14), unbroken[0][13:])
    with second.evaluating():
        assert np.array_equal(second.parameters.flat, unbroken[1][-1])


@pytest.mark.parametrize(
    ("name", "field", "value", "allowed"),
    [
        ("lookahead", "k", 0, ">= 1"),
        ("lookahead", "alpha", 1.5, "in (0, 1]"),
        ("ema", "decay", 1.0, "in [0, 1)"),
        ("polyak_average", "start", 0, ">= 1"),
        ("gradient_noise", "eta", -0.1, ">= 0"),
        ("gradient_noise", "gamma", -1.0, ">= 0"),
        ("trace", "decay", 1.0, "in [0, 1)"),
    ],
)
def test_a_value_out_of_range_is_named(name, field, value, allowed):
    with pytest.raises(InputError) as caught:
        manager.find("stage", name).cls.resolve({field: value}, f"stages.{name}")
    assert str(caught.value) == f"stages.{name}.{field}={value:g} is out of range: it must be {allowed}"


def test_a_schedule_reaches_the_rule_through_every_stage():
    start, gradients = recorded(1, 40, 6)
    for name, fields in SETTINGS:
        stages = [stage(name, **of_run(fields, 0))]
        falling = follow(chain(optimizer_class("sgd")(lr=0.1), start, schedule=Falling(), stages=stages), gradients)
        assert not np.array_equal(falling, run("sgd", start, gradients, lr=0.1, stages=stages)), name
