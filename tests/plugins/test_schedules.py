"""Schedules: plain formulas, end points, warm-up before each, and columns that differ between runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.fields import hyper
from framework.base.parameters import Parameters
from framework.base.schedule import Schedule
from framework.errors import InputError
from framework.training.update import Update
from plugins.schedules.constant import Constant
from plugins.schedules.cosine import Cosine
from plugins.schedules.exponential import Exponential
from plugins.schedules.inverse_sqrt import InverseSqrt
from plugins.schedules.linear import Linear
from plugins.schedules.multistep import MultiStep
from plugins.schedules.one_cycle import OneCycle
from plugins.schedules.polynomial import Polynomial
from plugins.schedules.reduce_on_plateau import ReduceOnPlateau
from plugins.schedules.step import Step
from plugins.schedules.warm_restarts import WarmRestarts
from plugins.schedules.warmup_stable_decay import WarmupStableDecay

TOTAL = 40
NAN, INF = math.nan, math.inf


def wave(share: float, floor: float = 0.0) -> float:
    return floor + (1 - floor) * (1 + math.cos(math.pi * share)) / 2


def restarts(t: int, period: int, multiplier: int, floor: float) -> float:
    s = t - 1
    while s >= period:
        s, period = s - period, period * multiplier
    return wave(s / period, floor)


def three_cycles(t: int, bounds: list[int]) -> float:
    start = max(bound for bound in bounds if bound <= t - 1)
    return wave((t - 1 - start) / (bounds[bounds.index(start) + 1] - start))


def one_cycle(t: int, total: int, start: float, first: float, last: float) -> float:
    peak = start * total - 1
    if t - 1 <= peak:
        return 1 + (first - 1) * wave((t - 1) / peak)
    return last + (1 - last) * wave((t - 1 - peak) / (total - 1 - peak))


def stable_decay(
    t: int, total: int, warmup: float, decay: float, floor: float, shape: Callable[[float], float]
) -> float:
    if t <= warmup * total:
        return t / (warmup * total)
    begin = total - decay * total
    return 1.0 if t - 1 <= begin else floor + (1 - floor) * shape((t - 1 - begin) / (total - begin))


# a schedule and its plain formula of the step t from 1 and the budget n
FORMULAS: list[tuple[Schedule, Callable[[int, int], float]]] = [
    (Constant(), lambda t, n: 1.0),
    (Step(step_size=7, gamma=0.5), lambda t, n: 0.5 ** ((t - 1) // 7)),
    (Step(gamma=0.5), lambda t, n: 0.5 ** ((t - 1) // math.ceil(n / 3))),
    (MultiStep(milestones=[25, 5, 12], gamma=0.3), lambda t, n: 0.3 ** sum(t > m for m in (5, 12, 25))),
    (MultiStep(gamma=0.3), lambda t, n: 0.3 ** sum(t - 1 >= m * n for m in (0.5, 0.75))),
    (Exponential(gamma=0.9), lambda t, n: 0.9 ** (t - 1)),
    (Exponential(gamma=1.1), lambda t, n: 1.1 ** (t - 1)),
    (Polynomial(power=2, end=0.1), lambda t, n: 0.1 + 0.9 * (1 - (t - 1) / n) ** 2),
    (Linear(), lambda t, n: 1 - (t - 1) / n),
    (Linear(start_factor=0.25, end_factor=1, total_steps=9), lambda t, n: 0.25 + 0.75 * min(t - 1, 9) / 9),
    (Cosine(floor=0.2), lambda t, n: wave((t - 1) / n, 0.2)),
    (WarmRestarts(period=4, multiplier=2, floor=0.1), lambda t, n: restarts(t, 4, 2, 0.1)),
    (WarmRestarts(period=5, multiplier=1), lambda t, n: restarts(t, 5, 1, 0)),
    (WarmRestarts(), lambda t, n: three_cycles(t, [0, round(n / 7), round(3 * n / 7), n])),
    (OneCycle(), lambda t, n: one_cycle(t, n, 0.3, 1 / 25, 1 / 25e4)),
    (OneCycle(pct_start=0.55, div_factor=4, final_div_factor=10), lambda t, n: one_cycle(t, n, 0.55, 1 / 4, 1 / 40)),
    (InverseSqrt(timescale=10), lambda t, n: math.sqrt(10 / (10 + t - 1))),
    (
        WarmupStableDecay(warmup_share=0.1, decay_share=0.3, floor=0.05),
        lambda t, n: stable_decay(t, n, 0.1, 0.3, 0.05, lambda x: 1 - x),
    ),
    (
        WarmupStableDecay(warmup_share=0.25, decay_share=0.75, decay_shape="sqrt"),
        lambda t, n: stable_decay(t, n, 0.25, 0.75, 0, lambda x: 1 - math.sqrt(x)),
    ),
    (
        WarmupStableDecay(warmup_share=0, decay_share=0.5, decay_shape="cosine"),
        lambda t, n: stable_decay(t, n, 0, 0.5, 0, wave),
    ),
    (WarmupStableDecay(warmup_share=0.1, decay_share=0), lambda t, n: min(1.0, t / (0.1 * n))),
    (ReduceOnPlateau(), lambda t, n: 1.0),
]
COLUMNS: list[tuple[type[Schedule], dict[str, Any], dict[str, list[float]]]] = [
    (Step, {"step_size": 7}, {"gamma": [0.1, 0.5, 0.9]}),
    (MultiStep, {"milestones": [5, 9]}, {"gamma": [0.1, 0.5, 0.9]}),
    (Exponential, {}, {"gamma": [0.99, 0.5, 1.01]}),
    (Polynomial, {}, {"power": [0, 1, 2.5], "end": [0.1, 0, 0.01]}),
    (Linear, {}, {"start_factor": [1, 0.5, 0], "end_factor": [0, 0.1, 1]}),
    (Cosine, {}, {"floor": [0, 0.1, 1]}),
    (WarmRestarts, {"period": 3}, {"floor": [0, 0.1, 1]}),
    (
        OneCycle,
        {},
        {"pct_start": [0.3, 0, 1], "div_factor": [25, 10, 1], "final_div_factor": [1e4, 10, 1]},
    ),
    (OneCycle, {"anneal_strategy": "linear"}, {"pct_start": [0.3, 0.025, 0.99], "div_factor": [25, 10, 1]}),
    (InverseSqrt, {}, {"timescale": [1, 10, 1e4]}),
    *[
        (
            WarmupStableDecay,
            {"decay_shape": shape},
            {"warmup_share": [0, 0.1, 0.5], "decay_share": [0.5, 0.1, 0], "floor": [0, 0.1, 0.2]},
        )
        for shape in ("linear", "cosine", "sqrt")
    ],
]
LAID_OVER_BUDGET = [
    Polynomial(),
    Linear(),
    Cosine(),
    OneCycle(),
    WarmupStableDecay(),
    Step(),
    MultiStep(),
    WarmRestarts(),
]


def name(case: Any) -> str | None:
    return type(case).__name__ if isinstance(case, Schedule) else None


def factors(schedule: Schedule, total: int | None = TOTAL, until: int = TOTAL) -> np.ndarray:
    return schedule.factors(np.arange(1, until + 1), total)[:, 0, 0]


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=name)
@pytest.mark.parametrize("total", [TOTAL, 100])
def test_factors_follow_the_plain_formula(schedule: Schedule, formula: Callable[..., float], total: int) -> None:
    expected = [formula(t, total) for t in range(1, total + 1)]
    np.testing.assert_allclose(factors(schedule, total, total), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=name)
@pytest.mark.parametrize("warmup", [1, 6])
def test_warm_up_climbs_to_the_first_factor_then_the_schedule_starts(
    schedule: Schedule, formula: Callable[..., float], warmup: int
) -> None:
    values = {field: column for field, column in schedule.rows[0].items() if field != "warmup_steps"}
    if values.get("warmup_share"):
        with pytest.raises(InputError, match="warm up twice"):
            type(schedule)(**values, warmup_steps=warmup)
        return
    warmed = factors(type(schedule)(**values, warmup_steps=warmup))
    left = TOTAL - warmup
    ramp = [t / warmup * formula(1, left) for t in range(1, warmup + 1)]
    rest = [formula(t, left) for t in range(1, left + 1)]
    np.testing.assert_allclose(warmed, ramp + rest, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=name)
def test_factors_do_not_depend_on_the_steps_asked_for_together(schedule: Schedule, formula: object) -> None:
    whole = schedule.factors(np.arange(1, TOTAL + 1), TOTAL)
    for t in range(1, TOTAL + 1):
        assert schedule.factors(np.array([t]), TOTAL)[0, 0, 0] == whole[t - 1, 0, 0]


@pytest.mark.parametrize(("cls", "structure", "columns"), COLUMNS, ids=name)
@pytest.mark.parametrize("warmup", [0, 5])
def test_runs_side_by_side_have_the_bits_of_each_alone(
    cls: type[Schedule], structure: dict[str, Any], columns: dict[str, list[float]], warmup: int
) -> None:
    if warmup and cls is WarmupStableDecay:
        columns = {**columns, "warmup_share": [0, 0, 0]}
    steps = np.arange(1, 514)
    together = cls(**structure, **columns, warmup_steps=warmup).factors(steps, 600)
    assert together.shape == (513, 3, 1)
    assert together.dtype == np.float64
    for run in range(3):
        alone = cls(**structure, **{n: v[run] for n, v in columns.items()}, warmup_steps=warmup)
        assert (alone.factors(steps, 600)[:, 0] == together[:, run]).all()
    reverse = cls(**structure, **{n: v[::-1] for n, v in columns.items()}, warmup_steps=warmup)
    assert (reverse.factors(steps, 600)[:, ::-1] == together).all()


@pytest.mark.parametrize(
    "schedule",
    [
        Step(),
        MultiStep(),
        Exponential(),
        Polynomial(),
        Linear(),
        Cosine(),
        InverseSqrt(),
        WarmupStableDecay(warmup_share=0),
    ],
    ids=name,
)
def test_decays_start_at_one_never_rise_and_stay_above_zero(schedule: Schedule) -> None:
    found = factors(schedule)
    assert found[0] == 1
    assert (np.diff(found) <= 0).all()
    assert found[0] > found[-1] > 0


@pytest.mark.parametrize(
    ("schedule", "end"),
    [(Polynomial(end=0.1), 0.1), (Linear(), 0), (Cosine(floor=0.2), 0.2), (WarmupStableDecay(floor=0.3), 0.3)],
    ids=name,
)
def test_the_end_is_reached_one_step_after_the_budget_and_kept(schedule: Schedule, end: float) -> None:
    found = factors(schedule, TOTAL, TOTAL + 20)
    assert (found[:TOTAL] > end).all()
    np.testing.assert_allclose(found[TOTAL:], end, atol=1e-15)


def test_one_cycle_starts_low_peaks_at_one_and_ends_lowest() -> None:
    found = factors(OneCycle(pct_start=0.25))
    assert found[0] == pytest.approx(1 / 25, rel=1e-12)
    assert found.argmax() == 9
    assert found.max() == 1
    assert found[-1] == pytest.approx(1 / 25e4, rel=1e-9)
    assert (factors(OneCycle(), TOTAL, TOTAL + 5)[TOTAL:] == factors(OneCycle())[-1]).all()


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("start", [0.0, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_is_finite_on_the_shortest_budgets(total: int, start: float, strategy: str) -> None:
    found = factors(OneCycle(pct_start=start, anneal_strategy=strategy), total, total)
    assert np.isfinite(found).all()
    assert ((found > 0) & (found <= 1)).all()


def test_warm_restarts_start_over_where_a_cycle_ends() -> None:
    found = factors(WarmRestarts(period=4, multiplier=3), None, 53)
    assert np.flatnonzero(found == 1).tolist() == [0, 4, 16, 52]


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("total", [1, 2, 3, 40, 41, 1000])
def test_warm_restarts_fill_the_budget_with_three_cycles(multiplier: int, total: int) -> None:
    found = factors(WarmRestarts(multiplier=multiplier), total, total + 2)
    assert found[0] == 1
    assert np.abs(found[total:]).max() < 1e-15
    assert (found == 1).sum() == 3 if total > 13 else (found == 1).sum() <= 3
    assert total < 13 or found[total - 1] < 0.02


@pytest.mark.parametrize("schedule", LAID_OVER_BUDGET, ids=name)
def test_a_budget_of_unknown_length_is_refused(schedule: Schedule) -> None:
    with pytest.raises(InputError, match="set epochs or steps"):
        factors(schedule, None)


@pytest.mark.parametrize(
    "schedule",
    [
        *[Constant(), Step(step_size=3), MultiStep(milestones=[3]), Exponential(), Linear(total_steps=3)],
        *[WarmRestarts(period=3), InverseSqrt(), ReduceOnPlateau()],
    ],
    ids=name,
)
def test_the_others_need_no_budget(schedule: Schedule) -> None:
    assert (factors(schedule, None) == factors(schedule)).all()
    assert not schedule.needs_total


def test_a_warm_up_that_fills_the_budget_is_refused() -> None:
    with pytest.raises(InputError, match="warmup_steps=40"):
        factors(Constant(warmup_steps=40))


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (WarmupStableDecay, {"warmup_share": 0.6, "decay_share": 0.5}),
        (WarmupStableDecay, {"decay_shape": "square"}),
        (Step, {"step_size": 0}),
        (Step, {"gamma": 0}),
        (MultiStep, {"milestones": [0]}),
        (WarmRestarts, {"multiplier": 0}),
        (OneCycle, {"pct_start": 1.1}),
        (ReduceOnPlateau, {"gamma": 1}),
    ],
)
def test_settings_out_of_range_are_refused(cls: type[Schedule], values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        cls(**values)


def plateau(schedule: ReduceOnPlateau, losses: list[list[float]]) -> np.ndarray:
    """Return the factors after each epoch's losses, ``(epochs, R)``."""
    state = schedule.initial_state(len(losses[0]))
    return np.array([schedule.observe(state, np.array(row)).copy()[:, 0] for row in losses])


def test_plateau_waits_for_more_than_patience_bad_epochs() -> None:
    schedule = ReduceOnPlateau(gamma=0.5, patience=2, threshold=0.1)
    losses = [1.0, 0.95, 0.91, 0.92, 0.8, 0.8, 0.8, 0.5, 0.8, 0.8, 0.8, 0.8]
    #                           ^ third bad           ^ good            ^ third bad
    expected = [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert plateau(schedule, [[loss] for loss in losses])[:, 0].tolist() == expected


def test_plateau_rests_after_a_drop_and_stops_at_the_lowest_factor() -> None:
    schedule = ReduceOnPlateau(gamma=0.1, patience=0, cooldown=2, min_factor=0.05)
    found = plateau(schedule, [[1.0]] * 9)[:, 0]
    np.testing.assert_allclose(found, [1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05], rtol=1e-15)


def test_plateau_counts_nan_and_infinity_as_no_improvement_for_that_run_alone() -> None:
    schedule = ReduceOnPlateau(gamma=0.5, patience=1)
    found = plateau(schedule, [[1, NAN, 1, INF], [0.9, NAN, NAN, INF], [0.8, NAN, NAN, 1], [0.7, NAN, 0.5, 0.9]])
    assert found.T.tolist() == [[1, 1, 1, 1], [1, 0.5, 0.5, 0.25], [1, 1, 0.5, 0.5], [1, 0.5, 0.5, 0.5]]


def test_plateau_runs_side_by_side_are_each_as_alone() -> None:
    columns = {"gamma": [0.1, 0.3, 0.7], "threshold": [0, 0.05, 0.2], "min_factor": [0, 0.1, 0.5]}
    losses = 1 + 0.3 * np.random.default_rng(2).standard_normal((60, 3))
    together = plateau(ReduceOnPlateau(**columns, patience=2, cooldown=1), losses.tolist())
    for run in range(3):
        alone = ReduceOnPlateau(**{n: v[run] for n, v in columns.items()}, patience=2, cooldown=1)
        assert (plateau(alone, losses[:, run : run + 1].tolist())[:, 0] == together[:, run]).all()
    assert [len(set(column)) > 1 for column in together.T] == [True, True, True]


def test_plateau_goes_on_from_its_state() -> None:
    losses = (1 + 0.3 * np.random.default_rng(4).standard_normal((30, 2))).tolist()
    schedule = ReduceOnPlateau(gamma=0.5, patience=1, cooldown=1)
    whole = plateau(schedule, losses)
    state = schedule.initial_state(2)
    for row in losses[:17]:
        schedule.observe(state, np.array(row))
    saved = {key: array.copy() for key, array in state.items()}
    rest = [
        ReduceOnPlateau(gamma=0.5, patience=1, cooldown=1).observe(saved, np.array(row)).copy() for row in losses[17:]
    ]
    assert (np.array(rest)[..., 0] == whole[17:]).all()


class Descent(ElementwiseOptimizer):
    """p = p - lr g."""

    lr: float = hyper(1.0, above=0)

    def rule(p: Any, g: Any, *, lr: Any) -> Any:  # type: ignore[misc]  # noqa: N805
        return p - lr * g


def test_a_chain_steps_with_the_factors_and_what_plateau_observed() -> None:
    parameters = Parameters({"w": (2,)}, 2, np.float64)
    gradients = parameters.like()
    gradients.flat[...] = 1
    schedule = ReduceOnPlateau(gamma=0.5, patience=0, warmup_steps=2)
    update = Update(Descent(lr=[1.0, 2.0]), parameters, gradients, schedule=schedule, total=10)
    moved = []
    for t, losses in enumerate([[1, 1], [2, 0.5], [0.1, 0.4]], start=1):
        before = parameters.flat.copy()
        update.step(t)
        moved.append((before - parameters.flat)[:, 0].tolist())
        update.observe(np.array(losses, dtype=float))
    assert moved == [[0.5, 1], [1, 2], [0.5, 2]]
    assert update.lr(4).tolist() == [0.5, 2]
