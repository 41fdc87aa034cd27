"""Rates and times left, on a clock of the test's own."""

from __future__ import annotations

import math

import pytest
from clocks import Clock

from framework.system.pace import (
    REPORT_SECONDS,
    WINDOW_SECONDS,
    Milestones,
    Pace,
    Remaining,
    Throttle,
    share_of_budget,
    time_left,
)


def paced(steps, seconds, *marks):
    """Return the pace of a run that reached ``step`` after ``at`` seconds, for marks ``(at, step)``, and its clock."""
    clock = Clock()
    pace = Pace(steps, seconds, clock)
    began = clock.now
    for at, step in marks:
        clock.now = began + at
        pace.reached(step)
    return pace, clock


@pytest.mark.parametrize(
    ("steps", "seconds", "expected"),
    [
        (100, None, 8.0),  # 80 steps at 10 steps/s
        (None, 60.0, 58.0),
        (100, 60.0, 8.0),
        (100, 5.0, 3.0),
        (None, None, None),
    ],
    ids=["steps", "seconds", "steps-first", "seconds-first", "unknown"],
)
def test_the_time_left_is_that_of_the_budget_that_ends_first(steps, seconds, expected):
    pace, _ = paced(steps, seconds, (2.0, 20))
    assert pace.rate == 10.0
    assert pace.left == pytest.approx(expected)


def test_the_time_left_counts_down_between_two_steps_and_ends_at_zero():
    pace, clock = paced(100, None, (2.0, 20))
    clock.now += 3
    assert pace.left == pytest.approx(5.0)
    clock.now += 30
    assert pace.left == 0.0


def test_before_the_first_step_only_a_budget_in_seconds_is_known():
    assert paced(100, None)[0].left is None
    assert paced(100, None)[0].rate is None
    assert paced(100, 7.0)[0].left == 7.0


def test_the_rate_is_that_of_the_last_seconds():
    slow = [(float(at), at) for at in range(1, 101)]
    fast = [(100.0 + at, 100 + 10 * at) for at in range(1, 61)]
    pace, _ = paced(2_000, None, *slow, *fast)
    assert pace.rate == pytest.approx(10.0)
    assert pace.left == pytest.approx((2_000 - 700) / 10)
    assert WINDOW_SECONDS < 60


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ((5, 10, 1.0, None), 0.5),
        ((5, None, 1.0, 4.0), 0.25),
        ((5, 10, 3.0, 4.0), 0.75),
        ((5, None, 9.0, 4.0), 1.0),
        ((5, None, 9.0, None), 0.0),
    ],
    ids=["steps", "seconds", "both", "late", "none"],
)
def test_the_share_of_a_budget(budget, expected):
    assert share_of_budget(*budget) == expected


def test_the_time_left_of_work_follows_the_estimate_then_the_measured_speed():
    clock = Clock()
    work = Remaining(10.0, clock)
    assert work.left == pytest.approx(10.0)
    clock.now += 4
    assert work.left == pytest.approx(6.0)
    clock.now += 26  # worker processes start; then all of it takes 100 s, not 10
    lefts = []
    for percent in range(1, 100):
        work.reached(percent / 100)
        lefts.append(work.left)
        clock.now += 1
    errors = [abs(left / (100 - percent) - 1) for percent, left in enumerate(lefts, start=1)]
    assert errors[0] > 0.8
    assert errors[20] < 0.1
    assert errors[-1] < 0.02


def test_without_an_estimate_the_first_part_tells():
    clock = Clock()
    work = Remaining(None, clock)
    clock.now += 5
    assert work.left is None
    work.reached(0.25)
    assert work.left == pytest.approx(15.0)
    clock.now += 2
    work.reached(0.25)
    assert work.left == pytest.approx(13.0)
    clock.now += 20
    assert work.left is None


def test_a_first_part_that_is_large_is_measured_at_once():
    clock = Clock()
    work = Remaining(10.0, clock)
    clock.now += 100
    work.reached(0.25)
    assert work.left == pytest.approx(300, rel=0.1)


@pytest.mark.parametrize("estimate", [None, 0.0, 10.0])
def test_work_that_is_tried_again_has_a_time_left(estimate):
    clock = Clock()
    work = Remaining(estimate, clock)
    for share in (0.5, 0.2, 0.3):
        clock.now += 10
        work.reached(share)
        assert work.left is None or work.left > 0


def lines_of(milestones, clock, seconds, every=0.2):
    """Return the times at which lines are due in work that takes ``seconds``."""
    began, due = clock.now, []
    for tick in range(math.ceil(seconds / every) + 1):
        clock.now = began + tick * every
        if milestones.due(min(1.0, tick * every / seconds)):
            due.append(clock.now - began)
    return due


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (4, []),
        (6, [5]),
        (17, [5, 10, 15]),
        (100, [5, 20, 40, 60, 80]),
        (36_000, [5, 7200, 14400, 21600, 28800]),
    ],
    ids=["4s", "6s", "17s", "100s", "10h"],
)
def test_a_log_has_few_lines_however_long_the_work_takes(seconds, expected):
    clock = Clock()
    assert lines_of(Milestones(5, clock), clock, seconds) == pytest.approx(expected, abs=0.3)


def test_a_line_at_once_needs_no_time():
    clock = Clock()
    milestones = Milestones(5, clock, at_once=True)
    assert milestones.due(0.0)
    clock.now += REPORT_SECONDS
    assert not milestones.due(0.1)
    assert milestones.due(0.2)


def test_a_throttle_lets_pass_the_first_and_then_one_in_each_interval():
    clock = Clock()
    throttle = Throttle(0.5, clock)
    passed = []
    for _ in range(9):
        passed.append(throttle.ready())
        clock.now += 0.125
    assert passed == [True, False, False, False, True, False, False, False, True]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.2, "0 s left"), (99.0, "99 s left"), (100.0, "2 min left"), (9000.0, "2.5 h left")],
    ids=["none", "0.2s", "99s", "100s", "2.5h"],
)
def test_a_time_left_in_words(seconds, expected):
    assert time_left(seconds) == expected
