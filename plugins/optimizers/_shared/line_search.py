"""A line search for the strong Wolfe conditions, written as a generator so that many runs can search side by side."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

DECREASE = 1e-4
"""c1: the loss must fall by at least this share of what the slope at the start promises."""

FLATTEN = 0.9
"""c2: the slope must have shrunk to at most this share of the slope at the start."""

NARROW = 1e-9
"""The search ends where no parameter differs by more between the two ends of the bracket."""

Answer = tuple[np.floating, np.ndarray]
"""The loss at the point that was asked for, and the gradient there."""

Asking = Generator[np.ndarray, Answer, "Trial"]
"""Yields points to evaluate, is sent the `Answer` and returns the trial that was chosen."""


@dataclass(frozen=True)
class Trial:
    """A point on the line: how far along the direction, the loss, the gradient, and the slope along the direction."""

    t: np.floating
    loss: np.floating
    gradient: np.ndarray
    slope: np.floating


def dot(x: np.ndarray, y: np.ndarray) -> np.floating:
    """Return the inner product of two vectors, added up in one order everywhere, as float64."""
    return np.float64((x * y).sum())


def strong_wolfe(
    x: np.ndarray, d: np.ndarray, start: Trial, t: np.floating, most: int
) -> Generator[np.ndarray, Answer, tuple[Trial, int]]:
    """Look along ``x + t d`` for a point with enough decrease and a flat enough slope.

    Args:
        x: where the search starts, ``(size,)``.
        d: the direction, ``(size,)``, downhill.
        start: the trial at t = 0.
        t: the first step to try.
        most: how many trials beyond the first.

    Returns:
        The best trial found and the number of evaluations. It is ``start`` where nothing better was found.

    Source: Nocedal & Wright 2006, Algorithms 3.5 and 3.6, with the safeguards of minFunc as in torch. A trial whose
    loss is not finite is never chosen, and a bracket with such an end is halved.
    """
    bracket, done, used = yield from _bracket(x, d, start, t, most)
    evaluations = used + 1
    if not done:
        bracket, zoomed = yield from _zoom(x, d, start, bracket, most - used)
        evaluations += zoomed
    low, high = bracket
    return (high if high.loss < low.loss else low), evaluations


def _ask(x: np.ndarray, d: np.ndarray, t: np.floating) -> Asking:
    loss, gradient = yield x + x.dtype.type(t) * d
    return Trial(t, np.float64(loss), gradient, dot(gradient, d))


def _decreases(trial: Trial, start: Trial) -> bool:
    return bool(trial.loss <= start.loss + DECREASE * trial.t * start.slope)


def _flat(trial: Trial, start: Trial) -> bool:
    return bool(abs(trial.slope) <= -FLATTEN * start.slope)


def _bracket(
    x: np.ndarray, d: np.ndarray, start: Trial, t: np.floating, most: int
) -> Generator[np.ndarray, Answer, tuple[tuple[Trial, Trial], bool, int]]:
    """Return two trials around a good point, or True and twice a good one; and how much of ``most`` was used."""
    before, new = start, (yield from _ask(x, d, t))
    for used in range(most):
        if not _decreases(new, start) or (used > 1 and new.loss >= before.loss):
            return (before, new), False, used
        if _flat(new, start):
            return (new, new), True, used
        if new.slope >= 0:
            return (before, new), False, used
        least, longest = new.t + 0.01 * (new.t - before.t), 10 * new.t
        further = cubic_minimum(before, new, least, longest)
        before, new = new, (yield from _ask(x, d, further))
    return (start, new), True, most


def _zoom(
    x: np.ndarray, d: np.ndarray, start: Trial, bracket: tuple[Trial, Trial], most: int
) -> Generator[np.ndarray, Answer, tuple[tuple[Trial, Trial], int]]:
    """Return the bracket around a good point made small, or twice that point; and the number of evaluations."""
    ends, stuck, width = list(bracket), False, np.abs(d).max()
    low = 1 if ends[1].loss < ends[0].loss else 0
    for used in range(most):
        near, far = sorted(end.t for end in ends)
        if (far - near) * width < NARROW:
            return (ends[0], ends[1]), used
        t, stuck = _inside(cubic_minimum(ends[0], ends[1], near, far), near, far, stuck)
        new = yield from _ask(x, d, t)
        if not _decreases(new, start) or new.loss >= ends[low].loss:
            ends[1 - low] = new
            low = 1 if ends[1].loss < ends[0].loss else 0
            continue
        if _flat(new, start):
            return (new, new), used + 1
        if new.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = new
    return (ends[0], ends[1]), most


def _inside(t: np.floating, near: np.floating, far: np.floating, stuck: bool) -> tuple[np.floating, bool]:
    """Keep ``t`` a tenth of the bracket off its ends when it is on one, or close to one for the second time running."""
    margin = 0.1 * (far - near)
    if min(far - t, t - near) >= margin:
        return t, False
    if stuck or t >= far or t <= near:
        return (far - margin if far - t < t - near else near + margin), False
    return t, True


def cubic_minimum(one: Trial, two: Trial, least: np.floating, most: np.floating) -> np.floating:
    """Return where the cubic through two trials' losses and slopes is least, within ``least`` and ``most``.

    Source: Nocedal & Wright 2006, equation 3.59. The middle of the bounds where the cubic has no minimum.
    """
    left, right = (one, two) if one.t <= two.t else (two, one)
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = np.sqrt(square)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, least), most) if np.isfinite(t) else (least + most) / 2
