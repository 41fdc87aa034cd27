"""When a store that does not answer is asked again, and when it is given up."""

from __future__ import annotations

import pytest

from framework.tracking.outage import GIVE_UP_CALLS, GIVE_UP_SECONDS, HANGING_SECONDS, MOST_SECONDS, Outage


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_double_and_end_with_an_answer() -> None:
    clock = Hand()
    outage, pauses = Outage(clock), []
    for _ in range(10):
        outage.failed("no answer")
        pauses.append(outage.wait())
        clock.now += outage.wait()
    assert pauses[:4] == pytest.approx([pauses[0] * factor for factor in (1, 2, 4, 8)])
    assert pauses[-1] == pytest.approx(MOST_SECONDS)
    assert outage.reason == "no answer"
    outage.answered()
    assert outage.wait() == 0
    assert not outage.lasts()


def test_a_few_failures_are_no_end_however_slow_the_machine_is() -> None:
    clock = Hand()
    outage = Outage(clock)
    for _ in range(GIVE_UP_CALLS - 1):
        outage.failed("no answer")
    clock.now += GIVE_UP_SECONDS + 1
    assert not outage.lasts()
    outage.failed("no answer")
    assert outage.lasts()


def test_many_failures_in_no_time_are_no_end() -> None:
    clock = Hand()
    outage = Outage(clock)
    for _ in range(10 * GIVE_UP_CALLS):
        outage.failed("no answer")
    assert not outage.lasts()


def test_a_store_that_hangs_is_given_up_after_one_call() -> None:
    clock = Hand()
    outage = Outage(clock)
    outage.failed("timed out")
    clock.now += HANGING_SECONDS
    assert outage.lasts()


def test_somebody_who_waits_gets_an_attempt_at_once() -> None:
    clock = Hand()
    outage = Outage(clock)
    for _ in range(10):
        outage.failed("no answer")
    assert outage.wait() == pytest.approx(MOST_SECONDS)
    outage.hurry()
    assert outage.wait() == 0
    outage.failed("no answer")
    assert outage.wait() < MOST_SECONDS
