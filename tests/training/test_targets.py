"""Steps to a target: the first end of an epoch that has reached it."""

from __future__ import annotations

import math

import pytest
from runs import config, trained

from framework.training.history import steps_to_target

NAN = math.nan


def rows(*figures):
    return [{"epoch": epoch, "step": 7 * epoch, "val/x": value} for epoch, value in enumerate(figures, start=1)]


CASES = [
    pytest.param((0.1, 0.5, 0.4), 0.5, True, 14, id="equal"),
    pytest.param((0.1, 0.6, 0.4, 0.9), 0.5, True, 14, id="first"),
    pytest.param((0.1, 0.2), 0.5, True, math.inf, id="miss"),
    pytest.param((3.0, 2.0, 1.0), 2.5, False, 14, id="smaller"),
    pytest.param((3.0, 2.9), 2.5, False, math.inf, id="miss_smaller"),
    pytest.param((NAN, 0.5, NAN), 0.5, True, 14, id="nan"),
    pytest.param((NAN,), 0.5, False, math.inf, id="diverged"),
    pytest.param((-math.inf,), 0.5, False, 7, id="infinite"),
    pytest.param((), 0.5, True, math.inf, id="no_epochs"),
]


@pytest.mark.parametrize(("figures", "target", "greater", "expected"), CASES)
def test_cases(figures, target, greater, expected):
    assert steps_to_target(rows(*figures), "val/x", target, greater=greater) == expected


def test_of_a_run():
    (outcome,) = trained(config())
    losses = [row["val/loss"] for row in outcome.history]
    assert losses[0] > losses[1] > losses[2]
    reached = [steps_to_target(outcome.history, "val/loss", loss, greater=False) for loss in losses]
    assert reached == [3, 6, 9]
