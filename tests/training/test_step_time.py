"""The time of a step: of what is timed and how it is averaged, with a clock of the test."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from runs import IMAGES, config

from framework.training import loop, step_time
from framework.training.population import Population
from framework.training.step_time import LEAST, MOST, WARM_UP, step_seconds, timed_steps
from framework.training.together import Together


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only as the test says: by ``cost(n)`` seconds in the n-th step, 1 s if that is not set."""
    state = SimpleNamespace(now=0.0, steps=0, cost=lambda n: 1.0)
    train_step = loop.train_step

    def costly(*given):
        state.steps += 1
        state.now += state.cost(state.steps)
        return train_step(*given)

    monkeypatch.setattr(loop, "train_step", costly)
    monkeypatch.setattr(step_time, "time", SimpleNamespace(perf_counter=lambda: state.now))
    return state


def test_slow_steps_are_few(clock):
    assert step_seconds(config()) == 1.0
    assert clock.steps == WARM_UP + LEAST


def test_quick_steps_are_many_but_not_more_than_needed(clock):
    clock.cost = lambda n: 1e-3
    assert step_seconds(config(epochs=500, kernel="numpy")) == pytest.approx(1e-3)
    assert clock.steps == pytest.approx(WARM_UP + 200, abs=1)
    clock.steps, clock.cost = 0, lambda n: 1e-6
    assert step_seconds(config(epochs=500, kernel="numpy")) == pytest.approx(1e-6)
    assert clock.steps == WARM_UP + MOST


def test_the_first_steps_and_a_disturbed_part_do_not_count(clock):
    clock.cost = lambda n: 9.0 if n <= WARM_UP or 40 <= n < 70 else 2e-3
    assert step_seconds(config(epochs=500, kernel="numpy")) == pytest.approx(2e-3)


def test_work_of_every_tenth_step_counts_with_its_share(clock):
    clock.cost = lambda n: 1.1e-3 if n % 10 == 0 else 1e-4
    assert step_seconds(config(epochs=500, kernel="numpy")) == pytest.approx(2e-4)


def test_a_run_of_one_step_is_repeated(clock):
    clock.cost = lambda n: 0.05
    assert step_seconds(config(epochs=None, steps=1)) == pytest.approx(0.05)
    assert clock.steps == WARM_UP + LEAST


def test_the_split_is_evaluated_outside(clock, monkeypatch):
    monkeypatch.delattr("framework.training.loop.evaluate")
    assert step_seconds(config()) == 1.0


def test_steps_of_one_call_share_its_time(monkeypatch):
    """Calls of one second: each of the steps that a call takes counts with its share."""
    clock = SimpleNamespace(now=0.0)
    take, taken = Together.take, []

    def costly(together, *given):
        clock.now += 1.0
        taken.append(given[-1])
        return take(together, *given)

    monkeypatch.setattr(Together, "take", costly)
    monkeypatch.setattr(step_time, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    population = Population([config(epochs=400, model__layers=IMAGES)])
    seconds = list(timed_steps(population))
    assert len(seconds) == population.total
    assert max(taken) > 1
    shares = [1.0 / count for count in taken for _ in range(count)]
    assert sorted(seconds) == sorted([*shares, *[0.0] * (len(seconds) - len(shares))])


def test_steps_go_on_through_epochs_up_to_the_budget():
    population = Population([config(epochs=None, steps=8, model__layers=IMAGES)])
    losses = []
    population.update.step = lambda t, objective: losses.append((t, float(objective.losses[0])))
    assert all(seconds > 0 for seconds in timed_steps(population))
    assert [t for t, _ in losses] == list(range(1, 9))
    endless = timed_steps(Population([config(epochs=None, max_seconds=1e9)]))
    assert len(list(itertools.islice(endless, 20))) == 20
