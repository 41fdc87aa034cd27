"""What holds for each optimizer that finds its step, averages or lives on losses: bits, state, ranges."""

from __future__ import annotations

import numpy as np
import pytest
from chains import Constant, chain, optimizer_class, recorded
from test_catalogue_closure import CLOSURE
from test_catalogue_free import FREE
from valleys import descend, prepare, problem, travel

from framework.errors import InputError
from framework.training.update import Update

EVERY = (*FREE, *CLOSURE)
CALM = {"schedule_free_sgd": {"lr": 0.02}, "sam": {"lr": 0.01}, "lbfgs": {"max_iter": 3}}
"""Settings for those that leave the valley, or are through with it at once, with their defaults."""


def calm(name):
    return CALM.get(name, {})


def columns_of(name, runs):
    """Return a value for each run of every hyperparameter, within what it is searched in."""
    return {
        key: np.linspace(field.search[0] + 0.1 * (field.search[1] - field.search[0]), field.search[1], runs).tolist()
        for key, field in optimizer_class(name).fields.items()
        if field.column
    }


def of_runs(fields, places):
    return {key: [value[place] for place in places] for key, value in fields.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERY)
def test_a_run_has_the_same_bits_alone_and_in_any_order(name, dtype):
    start, tilts = problem(3, size=999, steps=6, dtype=dtype)
    fields = columns_of(name, 3)
    together = travel(name, start, tilts, **fields)
    order = [2, 0, 1]
    turned = travel(name, start[order], tilts[:, order], **of_runs(fields, order))
    assert np.array_equal(turned, together[:, order], equal_nan=True)
    for place in range(3):
        alone = travel(name, start[[place]], tilts[:, [place]], **of_runs(fields, [place]))
        assert np.array_equal(alone[:, 0], together[:, place], equal_nan=True)
    assert not np.array_equal(together[0], start)


@pytest.mark.parametrize("name", EVERY)
def test_a_diverged_run_leaves_its_neighbours_alone(name):
    start, tilts = problem(3, steps=12)
    clean = travel(name, start, tilts, **calm(name))
    tilts[5, 1] = np.nan
    tilts[7, 1, :4] = np.inf
    mixed = travel(name, start, tilts, **calm(name))
    for place in (0, 2):
        assert np.array_equal(mixed[:, place], clean[:, place])
    assert not np.array_equal(mixed[:, 1], clean[:, 1], equal_nan=True)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_left_as_they_are(name):
    start, tilts = problem(2)
    update, valley = prepare(name, start, **calm(name))
    for t, tilt in enumerate(tilts, start=1):
        valley.begin(tilt)
        before = update.gradients.flat.copy()
        update.step(t, valley)
        assert np.array_equal(update.gradients.flat, before)


@pytest.mark.parametrize("name", EVERY)
def test_float32_stays_float32(name):
    start, tilts = problem(2, steps=3, dtype=np.float32)
    update, valley = prepare(name, start, **calm(name))
    path = descend(update, valley, tilts)
    kept = {key: held.dtype for key, held in update.state.items() if key.startswith("rule/")}
    scalars = {f"rule/{key}" for key in optimizer_class(name).scalars}
    assert all(dtype == (np.float64 if key in scalars else np.float32) for key, dtype in kept.items())
    assert update.parameters.dtype == np.float32
    exact = travel(name, start.astype(np.float64), tilts.astype(np.float64), **calm(name))
    assert np.allclose(path, exact, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_a_restored_run_goes_on_as_if_nothing_had_happened(name):
    start, tilts = problem(2, steps=24)
    whole = travel(name, start, tilts, **calm(name))
    first, valley = prepare(name, start, **calm(name))
    descend(first, valley, tilts[:13])
    then, valley = prepare(name, 0 * start, **calm(name))
    then.restore({key: held.copy() for key, held in first.state.items()})
    then.parameters.flat[...] = first.parameters.flat
    assert np.array_equal(descend(then, valley, tilts[13:], first=14), whole[13:])


@pytest.mark.parametrize("name", EVERY)
def test_stays_where_there_is_no_slope(name):
    update, valley = prepare(name, np.zeros((2, 9)))
    path = descend(update, valley, np.zeros((12, 2, 9)))
    assert not path.any()
    assert all(np.isfinite(held).all() for held in update.state.values())


@pytest.mark.parametrize("name", [name for name in EVERY if "lr" in optimizer_class(name).fields])
def test_schedule_multiplies_lr(name):
    class Half(Constant):
        def factor(self, t, total):
            return np.full_like(t, 0.5)

    start, tilts = problem(1, steps=5)
    update, valley = prepare(name, start, lr=0.2)
    halved = Update(update.optimizer, update.parameters, update.gradients, schedule=Half())
    assert np.array_equal(descend(halved, valley, tilts), travel(name, start, tilts, lr=0.1))
    assert not np.array_equal(travel(name, start, tilts, lr=0.2), travel(name, start, tilts, lr=0.1))


@pytest.mark.parametrize("name", EVERY)
def test_every_hyperparameter_declares_its_prior_and_search(name):
    cls = optimizer_class(name)
    assert cls.own_step_size == ("lr" not in cls.fields)
    assert cls.summary().endswith(".")
    for key, field in cls.fields.items():
        assert field.help, key
        if field.column:
            assert field.prior in ("log", "log 1-x", "linear"), key
            for end in field.search:
                field.check_bounds(end, key)


RANGES = [
    ("prodigy", "lr", 0.0, "> 0"),
    ("prodigy", "beta3", 1.0, "in [0, 1), or null"),
    ("prodigy", "estim_lr0", 0.0, "> 0"),
    ("dadapt_adam", "beta2", 1.0, "in [0, 1)"),
    ("dog", "init_step_value", 0.0, "> 0"),
    ("dowg", "init_estim_sq_dist", 0.0, "> 0, or null"),
    ("cocob", "alpha", 0.0, "> 0"),
    ("mechanize", "num_betas", 0, "in [1, 15]"),
    ("schedule_free_sgd", "momentum", 0.0, "in (0, 1)"),
    ("schedule_free_adamw", "beta1", 1.0, "in (0, 1)"),
    ("polyak_sgd", "max_learning_rate", 0.0, "> 0"),
    ("lbfgs", "history_size", 0, ">= 1"),
    ("lbfgs", "max_eval", 0, ">= 1, or null"),
    ("sam", "rho", -0.1, ">= 0"),
    ("sophia", "update_interval", 0, ">= 1"),
]


@pytest.mark.parametrize(("name", "field", "value", "allowed"), RANGES)
def test_a_value_out_of_range_is_named_with_its_range(name, field, value, allowed):
    with pytest.raises(InputError) as caught:
        optimizer_class(name).resolve({field: value}, "optimizer")
    assert str(caught.value) == f"optimizer.{field}={value:g} is out of range: it must be {allowed}"


@pytest.mark.parametrize("name", CLOSURE)
def test_recorded_gradients_do_not_do(name):
    start, gradients = recorded(1, 4, 1)
    update = chain(optimizer_class(name)(), start)
    update.gradients.flat[...] = gradients[0]
    with pytest.raises(InputError, match=r"uses the loss: pass an objective|evaluates the loss within a step"):
        update.step(1)
