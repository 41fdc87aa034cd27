"""optax's optimizers on our buffers, against optax used directly."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from chains import optimizer_class
from extras import extra
from foreign import OPTAX, descend, each, prepare
from valleys import problem, weights_of

from plugins.optimizers.bridges import optax_bridge


@pytest.fixture
def optax():
    return extra("optax")


OPTAX_CASES = [
    ("optax/adam", {"b1": 0.8, "nesterov": True}),
    ("optax/sgd", {"momentum": 0.9}),
    ("optax/polyak_sgd", {"f_min": -3.0}),
    ("optax/lbfgs", {"memory_size": 3}),
    ("optax/schedule_free_sgd", {"warmup_steps": 2}),
    ("optax/prodigy", {"beta1": 0.8}),
    ("optax/noisy_sgd", {"key": 3}),
]


def with_optax(optax, cls, start, tilts, lr, keywords):
    """Return trained and evaluated points of an optax optimizer used as its documentation shows."""
    import jax
    import jax.numpy as jnp

    def loss(params, tilt):
        x = jnp.concatenate([params["w"].ravel(), params["u"].ravel()])
        return (weights_of(9) * x**2).sum() / 2 + ((x[1:] - x[:-1] ** 2) ** 2).sum() + (tilt * x).sum()

    module = optax.contrib if cls.module.endswith("contrib") else optax
    rate = {"learning_rate": lr} if "lr" in cls.fields else {}
    made = optax.with_extra_args_support(getattr(module, cls.signature.name)(**rate, **keywords))
    params = {"w": jnp.array(start[:6].reshape(2, 3)), "u": jnp.array(start[6:].reshape(3, 1))}
    state, trained_points, evaluated = made.init(params), [], []

    @jax.jit
    def step(params, state, tilt):
        value, grad = jax.value_and_grad(loss)(params, tilt)
        updates, state = made.update(
            grad, state, params, value=value, grad=grad, value_fn=lambda held: loss(held, tilt)
        )
        return optax.apply_updates(params, updates), state

    for tilt in tilts:
        params, state = step(params, state, tilt)
        averaged = isinstance(state, optax.contrib.ScheduleFreeState)
        shown = optax.contrib.schedule_free_eval_params(state, params) if averaged else params
        for points, held in ((trained_points, params), (evaluated, shown)):
            points.append(np.concatenate([np.asarray(held["w"]).ravel(), np.asarray(held["u"]).ravel()]))
    return np.array(trained_points), np.array(evaluated)


@pytest.mark.parametrize(("name", "fields"), OPTAX_CASES)
def test_optax_takes_the_steps_it_takes_by_itself(name, fields, optax):
    import jax

    cls = optimizer_class(name)
    lrs = [0.5] if cls.needs_closure else [0.5, 1.0]  # a line search takes seconds to compile
    start, tilts = problem(len(lrs), steps=5)
    rates = {"lr": lrs} if "lr" in cls.fields else {}
    update, valley = prepare(name, start, **rates, **fields)
    keywords = {key: value for key, value in fields.items() if not key.startswith("beta")}
    keywords |= {"betas": (fields["beta1"], 0.999)} if "beta1" in fields else {}
    path = descend(update, valley, tilts)
    with update.evaluating():
        evaluated = update.parameters.flat.copy()
    for place, lr in enumerate(lrs):
        with jax.enable_x64(True):
            expected, shown = with_optax(optax, cls, start[place], tilts[:, place], lr, keywords)
        assert np.abs(path[:, place] - expected).max() <= 1e-11 * np.abs(expected).max()
        assert np.abs(evaluated[place] - shown[-1]).max() <= 1e-11 * np.abs(shown[-1]).max()
    assert np.abs(path[-1] - start).max() > 1e-6


@each(OPTAX, "optax")
def test_optax_steps_in_our_precision_and_goes_on_from_a_checkpoint(name):
    start, tilts = problem(1, steps=4, dtype=np.float32)
    update, valley = prepare(name, start)
    path = descend(update, valley, tilts[:2])
    saved, stood = {key: array.copy() for key, array in update.state.items()}, update.parameters.flat.copy()
    path = np.concatenate([path, descend(update, valley, tilts[2:], first=3)])
    update.parameters.flat[...] = stood
    update.restore(saved)
    assert np.array_equal(descend(update, valley, tilts[2:], first=3), path[2:], equal_nan=True)
    assert not np.array_equal(path[-1], start)
    assert all(array.dtype != np.float64 for key, array in update.state.items() if key.startswith("rule/"))


def test_every_optimizer_of_optax_is_registered_or_left_out_with_a_reason(optax):
    known = set()
    for module in (optax, optax.contrib):
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__.startswith(("optax._src.alias", "optax.contrib")):
                arguments = inspect.signature(function).parameters
                rates = {"learning_rate", "max_learning_rate"} & set(arguments)
                another = arguments.get("base_optimizer")
                takes_another = another is not None and another.default is inspect.Parameter.empty
                if rates and not takes_another and not name.startswith(("_", "scale_by_")):
                    known.add(name)
    assert known == {optimizer_class(name).signature.name for name in OPTAX} | set(optax_bridge.LEFT_OUT)


def test_an_older_jax_has_its_precision_elsewhere(optax, monkeypatch):
    import jax
    import jax.experimental

    start, tilts = problem(1)
    expected = descend(*prepare("optax/adam", start), tilts)
    asked, real = [], jax.enable_x64
    monkeypatch.setattr(jax.experimental, "enable_x64", lambda on: asked.append(on) or real(on), raising=False)
    monkeypatch.delattr(jax, "enable_x64")
    assert np.array_equal(descend(*prepare("optax/adam", start), tilts), expected)
    assert set(asked) == {True}
