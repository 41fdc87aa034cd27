"""The blog's eight forms against plain loops written from what was published, and their known consequences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from chains import PUBLISHED, STANDARD, optimizer_class, recorded, relative, run

from framework.errors import InputError
from framework.training.trace import trace

# Each loop moves one number w by recorded d = -dL/dw, in plain Python floats.


def sgd(w, ds, lr, mr):
    pd = 0.0
    for d in ds:
        w += pd * mr + d * lr
        pd = d
        yield w


def iterative(w, ds):
    for d in ds:
        w -= 0.01 * d
        yield w


def momentum(w, ds, lr):
    v = 0.0
    for d in ds:
        v = 0.9 * v + lr * d - 0.0005 * lr * w
        w += v
        yield w


def rmsprop(w, ds, lr):
    r = 0.0
    for d in ds:
        r = 0.9 * r + 0.1 * d**2
        w += lr * d / math.sqrt(r + 1e-8)
        yield w


def adagrad(w, ds, lr):
    total = 0.0
    for d in ds:
        total += d**2
        w += lr * d / math.sqrt(total + 1e-8)
        yield w


def adam(w, ds):
    m = v = pd = 0.0
    mr = 0.001
    for t, d in enumerate(ds, start=1):
        m = 0.9 * m + 0.1 * d
        v = 0.999 * v + 0.001 * d**2
        s = (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w += pd * mr + 0.001 * s
        pd = 0 * s
        yield w


def adamax(w, ds, lr):
    m = u = 0.0
    for d in ds:
        m = 0.9 * m + 0.1 * d
        u = max(0.999 * u, abs(d))
        w += (lr / (1 - 0.9)) * m / (u + 1e-8)
        yield w


def adadelta(w, ds):
    v = acc = 0.0
    for d in ds:
        v = 0.9 * v + 0.1 * d**2
        inside = (acc + 1e-8) / (v + 1e-8)
        s = math.sqrt(inside) * d if inside >= 0 else math.nan
        acc = 0.9 * acc + 0.1 * s
        w += s
        yield w


LOOPS = {
    "blog/sgd": (sgd, {"lr": 0.05, "mr": 0.02}),
    "blog/iterative": (iterative, {}),
    "blog/momentum": (momentum, {"lr": 0.05}),
    "blog/rmsprop": (rmsprop, {"lr": 0.005}),
    "blog/adagrad": (adagrad, {"lr": 0.05}),
    "blog/adam": (adam, {}),
    "blog/adamax": (adamax, {"lr": 0.005}),
    "blog/adadelta": (adadelta, {}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_is_what_was_published(name):
    loop, fields = LOOPS[name]
    start, gradients = recorded(1, 8, 100)
    gradients[:, :, :2] *= 1e-5  # small enough for each epsilon to matter
    gradients[:, :, ::2] = -np.abs(gradients[:, :, ::2])  # d > 0, where adadelta stays a number
    path = run(name, start, gradients, **fields)[:, 0]
    numbers = [list(loop(w, (-gradients[:, 0, i]).tolist(), **fields)) for i, w in enumerate(start[0].tolist())]
    expected = np.array(numbers).T
    assert np.array_equal(np.isnan(path), np.isnan(expected))
    assert np.isnan(expected).any() == (name == "blog/adadelta")
    known = ~np.isnan(expected[-1])
    assert relative(path[:, known], expected[:, known]) <= 1e-12
    lost = ~known
    assert np.allclose(path[:, lost], expected[:, lost], rtol=1e-12, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_live_settings_are_fields_and_their_defaults_are_the_blogs(name):
    expected = {"lr": 0.01} if "lr" in LOOPS[name][1] else {}
    assert optimizer_class(name).defaults() == ({**expected, "mr": 0.001} if name == "blog/sgd" else expected)


@pytest.mark.parametrize(
    ("name", "field", "words"),
    [
        ("blog/adam", "lr", "optimizer.lr: the published form ignores the user's learning rate"),
        ("blog/adam", "mr", "optimizer.mr: the published form multiplies the momentum rate by zero"),
        ("blog/iterative", "lr", "take optimizer=iterative to set it"),
        ("blog/adadelta", "lr", "take optimizer=adadelta to set one"),
    ],
)
def test_a_setting_that_was_ignored_is_refused_with_the_reason(name, field, words):
    with pytest.raises(InputError) as caught:
        optimizer_class(name).resolve({field: 0.1}, "optimizer")
    assert words in str(caught.value)


@pytest.mark.parametrize("name", [name for name in STANDARD if name != "adam"])
def test_a_published_form_is_not_the_standard_one(name):
    start, gradients = recorded(1, 8, 100)
    if name in ("adagrad", "rmsprop"):
        gradients *= 1e-5  # where an epsilon inside the root shows
    fields = {key: 0.01 for key in ("lr",) if key in optimizer_class(f"blog/{name}").fields}
    standard = run(name, start, gradients, **fields)
    published = run(f"blog/{name}", start, gradients, **fields)
    agree = np.abs(published - standard) <= 1e-3 * np.abs(standard - start).max()
    assert not agree.all()


def test_adam_is_the_papers_at_its_fixed_rate():
    start, gradients = recorded(1, 8, 100)
    assert relative(run("blog/adam", start, gradients), run("adam", start, gradients, lr=0.001)) <= 1e-12


def quadratic(w):
    """The gradient of (w - 1)^2 / 2."""
    return w - 1


def test_iterative_climbs():
    reached = trace("blog/iterative", quadratic, [3.0], 2000)[-1, 0]
    assert reached == pytest.approx(1 + 2 * 1.01**2000, rel=1e-9)
    assert reached == pytest.approx(8.8e8, rel=0.005)
    assert abs(trace("iterative", quadratic, [3.0], 2000, lr=0.01)[-1, 0] - 1) < 1e-6


def test_momentum_decays_the_optimum_away():
    assert trace("blog/momentum", quadratic, [3.0], 5000, lr=0.01)[-1, 0] == pytest.approx(1 / 1.0005, abs=1e-10)
    assert trace("momentum", quadratic, [3.0], 5000, lr=0.01)[-1, 0] == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize(("t", "ratio"), [(1, 1.0), (2, 1.9), (10, 6.5132), (400, 10.0)])
def test_adamax_takes_too_long_steps(t, ratio):
    def step(name):
        path = trace(name, lambda w: np.ones_like(w), [0.0], t, lr=0.001)[:, 0]
        return path[t - 1] - path[t]

    assert step("blog/adamax") / step("adamax") == pytest.approx(ratio, rel=1e-4)


def test_adadelta_is_nan_at_step_two():
    path = trace("blog/adadelta", quadratic, [3.0], 3)[:, 0]
    assert np.isnan(path).tolist() == [False, False, True, True]
    assert np.isfinite(trace("adadelta", quadratic, [3.0], 3)).all()


def test_adagrad_brakes_small_gradients():
    def first(name):
        return -trace(name, lambda w: np.full_like(w, 1e-6), [0.0], 1, lr=0.5)[1, 0] / 0.5

    assert first("blog/adagrad") == pytest.approx(0.01, rel=1e-3)
    assert first("adagrad") == pytest.approx(1, rel=1e-3)
