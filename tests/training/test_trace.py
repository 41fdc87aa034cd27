"""The path of an optimizer on a plain function."""

from __future__ import annotations

import numpy as np
import pytest
import tensor_loops
from chains import STANDARD, Constant, optimizer_class, relative

import framework
from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.training.trace import trace
from framework.training.update import TABLE, Update

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


SIZES = {"weight": (4, 3), "bias": (3,), "kernel": (2, 2, 3, 4), "scale": ()}


def bowl(shape, x):
    """Return the gradient of a bowl whose curvature differs from number to number."""
    return x * (1 + np.arange(x.size).reshape(shape) / 7)


def gradients(point):
    return {name: bowl(x.shape, x) for name, x in point.items()}


def starts(dtype=np.float64):
    rng = np.random.default_rng(3)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SIZES.items()}


@pytest.mark.parametrize("name", ["adam", "muon", "split", "shampoo", "soap", "sm3", "adafactor", "lamb"])
def test_tensors_take_the_path_that_training_would_take(name):
    steps, start = 20, starts()
    parameters = Parameters(SIZES, 1, np.float64)
    for key, value in start.items():
        parameters.views[key][0] = value
    update = Update(optimizer_class(name)(), parameters, parameters.like(), schedule=Constant(), total=steps)
    paths = trace(name, gradients, start, steps)
    assert {key: path.shape for key, path in paths.items()} == {k: (steps + 1, *shape) for k, shape in SIZES.items()}
    for t in range(1, steps + 1):
        for key, view in update.gradients.views.items():
            view[0] = bowl(SIZES[key], parameters.views[key][0])
        update.step(t)
        assert all(np.array_equal(path[t], parameters.views[key][0]) for key, path in paths.items())


@pytest.mark.parametrize("name", ["muon", "shampoo", "soap", "came"])
def test_a_matrix_takes_the_path_of_the_papers_loop(name):
    start = starts()["weight"]
    path = trace(name, lambda x: bowl(x.shape, x), start, 10)
    slopes = np.array([bowl(start.shape, x) for x in path[:-1]])
    expected = np.array(list(getattr(tensor_loops, name)(start, slopes)))
    assert relative(path[1:], expected) <= 1e-10
    vectors = trace(name, lambda x: bowl((12,), x), start.ravel(), 10)
    assert relative(vectors[1:].reshape(path[1:].shape), expected) > 1e-4


@pytest.mark.parametrize("name", ["adam", "muon", "shampoo", "sm3"])
def test_tensors_together_and_alone_take_the_same_path(name):
    paths = trace(name, gradients, starts(), 12)
    for key, start in starts().items():
        alone = trace(name, lambda x: bowl(x.shape, x), start, 12)
        assert alone.shape == (13, *start.shape)
        assert np.array_equal(alone, paths[key])


def test_a_number_is_a_vector_of_one_number_and_an_empty_tensor_stands_still():
    path = trace("muon", lambda x: 2 * x, 3.0, 9, fun=lambda x: x**2)
    assert path.shape == (10,)
    assert np.array_equal(path, trace("muon", lambda x: 2 * x, [3.0], 9)[:, 0])
    paths = trace("muon", lambda x: x, {"none": np.zeros((0, 3)), "some": np.ones((2, 2))}, 4)
    assert paths["none"].shape == (5, 0, 3)
    assert np.array_equal(paths["some"], trace("muon", lambda x: x, np.ones((2, 2)), 4))


def test_named_tensors_are_routed_by_their_names_and_keep_their_dtype():
    start = {name: value for name, value in starts(np.float32).items() if name != "scale"}
    fields = {"matrices": "sgd", "rest": "adam", "lr": 0.1, "rest_lr": 0.2}
    paths = trace("split", gradients, start, 5, names="^kernel", **fields)
    assert {path.dtype for path in paths.values()} == {np.dtype(np.float32)}
    for name, rule, lr in (("weight", "sgd", 0.1), ("bias", "adam", 0.2), ("kernel", "adam", 0.2)):
        assert np.array_equal(paths[name], trace(rule, lambda x: bowl(x.shape, x), start[name], 5, lr=lr))


def test_line_searches_and_losses_see_the_named_tensors():
    def value(point):
        return sum((x * bowl(x.shape, x)).sum() for x in point.values()) / 2

    for name in ("lbfgs", "polyak_sgd"):
        paths = trace(name, gradients, starts(), 15, fun=value)
        ends = [value({key: path[place] for key, path in paths.items()}) for place in (0, -1)]
        assert ends[1] < 0.01 * ends[0]


WRONG = [
    ({"optimizer": "adm"}, "no optimizer is called adm; did you mean .*adam"),
    ({"optimizer": 3}, "optimizer=3 is neither a name nor"),
    ({"optimizer": int}, "is neither a name nor"),
    ({"rate": 1.0}, "rate: .* has no such field"),
    ({"lr": -1.0}, "lr=-1 is out of range: it must be > 0"),
    ({"lr": [0.1, 0.2]}, "settings of 2 runs"),
    ({"x0": [1.0, np.nan]}, "not finite, the first at index 1"),
    ({"x0": np.inf}, "x0 has numbers that are not finite, the first at index 0"),
    ({"x0": [[1.0, 2.0], [3.0, np.nan]]}, "not finite, the first at index 1, 1"),
    ({"x0": {"a": [1.0, np.nan]}}, r"x0\['a'\] has numbers that are not finite, the first at index 1"),
    ({"x0": []}, "x0 has no numbers"),
    ({"x0": {}}, "x0 has no numbers"),
    ({"x0": {"a": np.zeros((0, 3))}}, "x0 has no numbers"),
    ({"x0": [[1.0], [1.0, 2.0]]}, "x0 is not an array"),
    ({"x0": {1: [1.0]}}, "x0 has the key 1: its keys must be strings"),
    ({"x0": {"a": np.ones(2, np.float32), "b": np.ones(2)}}, "one dtype: a is float32, b is float64"),
    ({"x0": {"a": START}, "grad": lambda x: x["a"]}, r"grad returned ndarray; it must return a dict .* \['a'\]"),
    ({"x0": {"a": START}, "grad": lambda x: {"b": x["a"]}}, r"grad returned \['b'\]; it must .* the keys \['a'\]"),
    ({"x0": {"a": START}, "grad": lambda x: {"a": x["a"][:1]}}, r"shape \(1,\) for x0\['a'\] of shape \(3,\)"),
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
