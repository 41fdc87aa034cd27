"""Schedules against torch's schedulers, live where torch is installed: our step t is their count t - 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extras import extra

from framework.base.schedule import Schedule
from plugins.schedules.cosine import Cosine
from plugins.schedules.exponential import Exponential
from plugins.schedules.linear import Linear
from plugins.schedules.multistep import MultiStep
from plugins.schedules.one_cycle import OneCycle
from plugins.schedules.polynomial import Polynomial
from plugins.schedules.reduce_on_plateau import ReduceOnPlateau
from plugins.schedules.step import Step
from plugins.schedules.warm_restarts import WarmRestarts

torch: Any = extra("torch")
schedulers = torch.optim.lr_scheduler

LR, TOTAL = 0.3, 53

PAIRS: list[tuple[str, Schedule, Callable[[Any], Any]]] = [
    ("step", Step(step_size=7, gamma=0.4), lambda o: schedulers.StepLR(o, 7, 0.4)),
    ("multistep", MultiStep(milestones=[3, 20, 20, 9]), lambda o: schedulers.MultiStepLR(o, [3, 20, 20, 9])),
    ("exponential", Exponential(gamma=0.97), lambda o: schedulers.ExponentialLR(o, 0.97)),
    ("polynomial", Polynomial(power=1.7), lambda o: schedulers.PolynomialLR(o, TOTAL, 1.7)),
    ("linear", Linear(start_factor=0.9, end_factor=0.1), lambda o: schedulers.LinearLR(o, 0.9, 0.1, TOTAL)),
    (
        "linear_over_less",
        Linear(start_factor=1 / 3, end_factor=1, total_steps=5),
        lambda o: schedulers.LinearLR(o, 1 / 3, 1.0, 5),
    ),
    ("cosine", Cosine(floor=0.1), lambda o: schedulers.CosineAnnealingLR(o, TOTAL, 0.1 * LR)),
    (
        "warm_restarts",
        WarmRestarts(period=4, multiplier=2, floor=0.05),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 4, 2, 0.05 * LR),
    ),
    (
        "equal_restarts",
        WarmRestarts(period=10, multiplier=1),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 10, 1),
    ),
    ("one_cycle", OneCycle(), lambda o: schedulers.OneCycleLR(o, LR, TOTAL, cycle_momentum=False)),
    (
        "one_cycle_linear",
        OneCycle(pct_start=0.41, div_factor=7, final_div_factor=90, anneal_strategy="linear"),
        lambda o: schedulers.OneCycleLR(
            o,
            LR,
            TOTAL,
            pct_start=0.41,
            anneal_strategy="linear",
            cycle_momentum=False,
            div_factor=7,
            final_div_factor=90,
        ),
    ),
    (
        "warm-up_before_cosine",
        Cosine(warmup_steps=8),
        lambda o: schedulers.SequentialLR(
            o,
            [schedulers.LinearLR(o, 1 / 8, 1.0, 7), schedulers.CosineAnnealingLR(o, TOTAL - 8)],
            [8],
        ),
    ),
]


def optimizer() -> Any:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)


@pytest.mark.parametrize(("schedule", "make"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_factors_are_torchs(schedule: Schedule, make: Callable[[Any], Any]) -> None:
    theirs = optimizer()
    scheduler = make(theirs)
    expected = []
    for _ in range(TOTAL):
        expected.append(theirs.param_groups[0]["lr"] / LR)
        theirs.step()
        if len(expected) < TOTAL:
            scheduler.step()
    found = schedule.factors(np.arange(1, TOTAL + 1), TOTAL)[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_plateau_is_torchs(patience: int, cooldown: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = np.exp(-0.02 * np.arange(80)) + 0.05 * rng.standard_normal(80)
    losses[rng.integers(0, 80, 6)] = math.nan
    schedule = ReduceOnPlateau(gamma=0.6, patience=patience, threshold=0.01, cooldown=cooldown, min_factor=0.02)
    theirs = optimizer()
    scheduler = schedulers.ReduceLROnPlateau(
        theirs, factor=0.6, patience=patience, threshold=0.01, cooldown=cooldown, min_lr=0.02 * LR, eps=0
    )
    state = schedule.initial_state(1)
    found, expected = [], []
    for loss in losses:
        scheduler.step(loss)
        found.append(schedule.observe(state, np.array([loss]))[0, 0])
        expected.append(theirs.param_groups[0]["lr"] / LR)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) > 3
