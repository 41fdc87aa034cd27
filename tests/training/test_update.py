"""One step as a chain: coefficients in tables, state out and back in, the schedule's rate."""

from __future__ import annotations

import numpy as np
import pytest
from chains import PUBLISHED, STANDARD, Constant, Falling, chain, flags, follow, optimizer_class, recorded, with_lr

from framework.base.fields import hyper
from framework.base.schedule import Schedule
from framework.errors import InputError
from framework.registry import manager
from framework.training.update import TABLE

EVERY = (*STANDARD, *PUBLISHED)


class Drop(Schedule):
    """Falls by ``factor`` wherever the validation loss is above the last one."""

    cut: float = hyper(0.5, above=0)

    def factor(self, t, total):
        return np.ones_like(t)

    def initial_state(self, runs):
        return {"last": np.full((runs, 1), np.inf), "scale": np.ones((runs, 1))}

    def observe(self, state, val_loss):
        state["scale"] *= np.where(val_loss[:, None] > state["last"], self.cut, 1.0)
        state["last"][...] = val_loss[:, None]
        return state["scale"]


def copied(state):
    return {name: array.copy() for name, array in state.items()}


@pytest.mark.parametrize("name", EVERY)
def test_n_plus_m_steps_are_n_then_restore_then_m(name):
    start, gradients = recorded(2, 9, 30)
    schedule = Falling() if name in with_lr() else Constant()
    optimizer = optimizer_class(name)(**flags(name))
    unbroken = follow(chain(optimizer, start, schedule=schedule), gradients)
    first = chain(optimizer, start, schedule=schedule)
    follow(first, gradients[:13])
    saved, stood = copied(first.state), first.parameters.flat.copy()
    follow(first, gradients[13:], first=14)
    second = chain(optimizer, stood, schedule=schedule)
    second.restore(saved)
    assert np.array_equal(follow(second, gradients[13:], first=14), unbroken[13:], equal_nan=True)
    assert all(np.array_equal(array, second.state[key], equal_nan=True) for key, array in first.state.items())


@pytest.mark.parametrize("name", EVERY)
def test_coefficients_in_tables_are_those_of_single_steps(name):
    steps = TABLE + 5
    start, gradients = recorded(2, 3, steps)
    schedule = Falling() if name in with_lr() else Constant()
    optimizer = optimizer_class(name)(**flags(name))
    tabled = follow(chain(optimizer, start, schedule=schedule), gradients)
    single = chain(optimizer, start, schedule=schedule)
    for step, gradient in enumerate(gradients, start=1):
        fresh = chain(optimizer, single.parameters.flat.copy(), schedule=schedule, total=step)
        fresh.restore(copied(single.state))
        follow(fresh, gradient[None], first=step)
        single = fresh
        if step in (1, 2, TABLE - 1, TABLE, TABLE + 1, steps):
            assert np.array_equal(tabled[step - 1], single.parameters.flat, equal_nan=True), step


def test_steps_may_be_taken_again_from_before():
    start, gradients = recorded(1, 5, 3)
    update = chain(optimizer_class("adam")(), start)
    update.gradients.flat[...] = gradients[0]
    saved = copied(update.state)
    update.step(TABLE + 1)
    update.parameters.flat[...] = start
    update.restore(saved)
    update.step(1)
    assert np.array_equal(update.parameters.flat, follow(chain(optimizer_class("adam")(), start), gradients[:1])[0])


def test_state_is_live_and_has_a_runs_axis():
    update = chain(optimizer_class("adam")(amsgrad=True), recorded(3, 5)[0], schedule=Drop())
    assert set(update.state) == {"rule/m", "rule/v", "rule/vmax", "schedule/last", "schedule/scale", "schedule_scale"}
    assert all(len(array) == 3 for array in update.state.values())
    update.state["rule/m"][...] = 7.0
    assert (update.state["rule/m"] == 7.0).all()


def test_restore_refuses_the_state_of_another_structure():
    start, _ = recorded(1, 5)
    other = chain(optimizer_class("adam")(amsgrad=True), start)
    with pytest.raises(InputError, match="rule/vmax"):
        chain(optimizer_class("adam")(), start).restore(other.state)


@pytest.mark.parametrize("name", ["blog/iterative", "blog/adam", "blog/adadelta"])
def test_a_schedule_needs_an_optimizer_with_lr(name):
    start, _ = recorded(1, 5)
    with pytest.raises(InputError, match=r"schedule: optimizer .* has no learning rate for a schedule to change"):
        chain(optimizer_class(name)(), start, schedule=Falling())
    assert chain(optimizer_class(name)(), start).lr(1) is None


def test_lr_is_that_of_each_run_with_the_schedule():
    update = chain(optimizer_class("adam")(lr=[0.1, 0.2]), recorded(2, 5)[0], schedule=Falling())
    assert np.allclose([update.lr(t) for t in (1, 2, 3, 5)], [[0.1, 0.2], [0.05, 0.1], [0.025, 0.05], [0.1, 0.2]])


def test_a_watching_schedule_changes_the_next_step_of_its_run_only():
    start, gradients = recorded(2, 5, 4)
    update = chain(optimizer_class("sgd")(lr=0.1), start, schedule=Drop())
    update.observe(np.array([1.0, 1.0]))
    follow(update, gradients[:2])
    update.observe(np.array([2.0, 0.5]))
    assert np.allclose(update.lr(3), [0.05, 0.1])
    before = update.parameters.flat.copy()
    after = follow(update, gradients[2:3], first=3)[0]
    assert np.allclose(after - before, -np.array([[0.05], [0.1]]) * gradients[2], rtol=1e-9)


def test_a_watching_schedule_goes_on_after_restore():
    start, gradients = recorded(2, 5, 4)
    first = chain(optimizer_class("sgd")(lr=0.1), start, schedule=Drop())
    first.observe(np.array([1.0, 1.0]))
    first.observe(np.array([2.0, 0.5]))
    second = chain(optimizer_class("sgd")(lr=0.1), start, schedule=Drop())
    follow(second, gradients)
    second.parameters.flat[...] = start
    second.restore(copied(first.state))
    assert np.array_equal(follow(first, gradients), follow(second, gradients))
    assert np.allclose(second.lr(5), [0.05, 0.1])


def test_stages_keep_state_beside_the_rule():
    class Counter(manager.find("stage", "clip_value").cls):
        """Counts its calls."""

        def initial_state(self, parameters):
            return {"calls": np.zeros((parameters.runs, 1))}

        def after(self, parameters, gradients, state, lr):
            state["calls"] += 1

    start, gradients = recorded(2, 5, 4)
    update = chain(optimizer_class("sgd")(), start, stages=[Counter(), Counter()])
    follow(update, gradients)
    assert update.state["stage0/calls"].tolist() == update.state["stage1/calls"].tolist() == [[4.0], [4.0]]


@pytest.mark.parametrize("total", [1, 7, TABLE, TABLE + 3])
def test_a_schedule_is_never_asked_beyond_the_budget(total):
    class Budgeted(Constant):
        def factor(self, t, total):
            assert t.max() <= total
            return 1 - (t - 1) / total

    start, gradients = recorded(1, 4, total)
    path = follow(chain(optimizer_class("sgd")(lr=0.1), start, schedule=Budgeted(), total=total), gradients)
    factors = 1 - np.arange(total)[:, None, None] / total
    assert np.allclose(path, start - 0.1 * (factors * gradients).cumsum(axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("other", [recorded(3, 9), recorded(2, 8), recorded(2, 9, dtype=np.float32)])
def test_restore_refuses_other_shapes_and_dtypes_and_changes_nothing(other):
    given = chain(optimizer_class("adam")(), other[0])
    follow(given, other[1])
    update = chain(optimizer_class("adam")(), recorded(2, 9)[0])
    before = copied(update.state)
    with pytest.raises(InputError, match=r"this state's rule/m is float\d\d of shape .*; the chain needs float64 of"):
        update.restore(given.state)
    assert all(np.array_equal(array, before[name]) for name, array in update.state.items())


@pytest.mark.parametrize("name", ["rprop", "split", "mechanize"])
@pytest.mark.parametrize("every", [1, 2])
def test_a_slot_that_starts_at_lr_starts_at_the_first_steps(name, every):
    """As torch does: its Rprop takes the group's lr when it makes its state, under a warm-up a small one."""
    fields = {"rprop": {}, "split": {"rest": "rprop", "rest_lr": 0.1}, "mechanize": {"base": "rprop"}}[name]
    fields |= {} if name == "split" else {"lr": [0.1, 0.2]}
    start, _ = recorded(2, 7)
    accumulate = manager.find("stage", "accumulate").cls(every=every)
    schedule = manager.find("schedule", "constant").cls(warmup_steps=4)
    update = chain(optimizer_class(name)(**fields), start, schedule=schedule, stages=[accumulate], total=20)
    slot = next(array for key, array in update.state.items() if key.rpartition("/")[2] == "s" and array.shape[1] == 7)
    expected = np.array([[0.1], [0.1 if name == "split" else 0.2]]) * every / 4
    np.testing.assert_allclose(slot, np.broadcast_to(expected, slot.shape), rtol=1e-15)
