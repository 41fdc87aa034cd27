"""The path of an optimizer on a plain function."""

from __future__ import annotations

import numpy as np
import pytest
from chains import STANDARD, Constant, optimizer_class

import framework
from framework.errors import InputError
from framework.optimizer import Optimizer
from framework.parameters import Parameters
from framework.tracing import trace
from framework.update import TABLE, Update

CURVATURE = np.array([1.0, 10.0, 0.1])
START = [3.0, -1.0, 2.0]


def grad(x):
    return CURVATURE.astype(x.dtype) * x


def test_gradient_descent_on_a_quadratic_has_its_closed_form():
    path = trace("iterative", grad, START, 50, lr=0.05)
    expected = np.array(START) * (1 - 0.05 * CURVATURE) ** np.arange(51)[:, None]
    assert path.shape == (51, 3)
    assert np.allclose(path, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", STANDARD)
def test_is_the_path_that_training_would_take(name):
    steps = TABLE + 20
    parameters = Parameters({"x": (3,)}, 1, np.float64)
    parameters.flat[0] = START
    update = Update(optimizer_class(name)(), parameters, parameters.like(), schedule=Constant(), total=steps)
    path = trace(name, grad, START, steps)
    for t in range(1, steps + 1):
        update.gradients.flat[0] = grad(parameters.flat[0])
        update.step(t)
        assert np.array_equal(path[t], parameters.flat[0])


def test_takes_a_name_a_class_or_an_instance():
    cls = optimizer_class("adam")
    path = trace("adam", grad, START, 9, lr=0.1)
    assert np.array_equal(path, trace(cls, grad, START, 9, lr=0.1))
    assert np.array_equal(path, trace(cls(lr=0.1), grad, START, 9))
    assert np.array_equal(
        path, framework.trace("adam", grad, START, 9, lr=0.1, fun=lambda x: (CURVATURE * x * x).sum() / 2)
    )
    assert not np.array_equal(path, trace("adam", grad, START, 9))


@pytest.mark.parametrize(
    ("start", "dtype"),
    [(np.array(START, np.float32), np.float32), (np.array(START), np.float64), ([3, -1, 2], np.float64)],
)
def test_keeps_the_dtype_and_the_start(start, dtype):
    before = np.array(start)
    path = trace("adam", grad, start, 4, lr=0.1)
    assert path.dtype == dtype
    assert np.array_equal(path[0], before)
    assert np.array_equal(start, before)


def test_no_steps_give_the_start_alone():
    assert trace("sgd", grad, START, 0).tolist() == [START]


def test_a_gradient_function_may_work_in_place():
    def greedy(x):
        x *= CURVATURE
        return x

    assert np.array_equal(trace("adam", greedy, START, 20), trace("adam", grad, START, 20))


def test_a_path_may_diverge():
    path = trace("iterative", lambda x: np.where(x > 1e3, np.inf, -x), [1.0], 10, lr=100.0)
    assert path[-1, 0] == -np.inf


WRONG = [
    ({"optimizer": "adm"}, "no optimizer is called adm; did you mean .*adam"),
    ({"optimizer": 3}, "optimizer=3 is neither a name nor"),
    ({"optimizer": int}, "is neither a name nor"),
    ({"rate": 1.0}, "rate: .* has no such field"),
    ({"lr": -1.0}, "lr=-1 is out of range: it must be > 0"),
    ({"lr": [0.1, 0.2]}, "settings of 2 runs"),
    ({"x0": [1.0, np.nan]}, "not finite, the first at place 1"),
    ({"x0": [[1.0]]}, r"x0 has shape \(1, 1\)"),
    ({"x0": 1.0}, r"x0 has shape \(\)"),
    ({"x0": []}, r"x0 has shape \(0,\)"),
    ({"x0": [1j]}, "x0 has dtype complex128"),
    ({"x0": ["a"]}, "x0 has dtype"),
    ({"steps": -1}, "steps=-1 must be a whole number >= 0"),
    ({"steps": 2.5}, "steps=2.5 must be"),
    ({"steps": True}, "steps=True must be"),
    ({"grad": lambda x: x[:1]}, r"grad returned shape \(1,\) for a point of shape \(3,\)"),
    ({"grad": lambda x: x * 1j}, "grad returned dtype complex128"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_says_what_is_wrong(change, words):
    arguments = {"optimizer": "adam", "grad": grad, "x0": START, "steps": 3, **change}
    with pytest.raises(InputError, match=words):
        trace(**arguments)


def test_an_instance_takes_no_further_fields():
    with pytest.raises(InputError, match="lr cannot change an instance"):
        trace(optimizer_class("adam")(), grad, START, 1, lr=0.1)


def test_the_abstract_class_is_no_optimizer():
    with pytest.raises(TypeError, match="abstract"):
        trace(Optimizer, grad, START, 1)
