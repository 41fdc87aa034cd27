"""A line search for the strong Wolfe conditions, written as a generator so that many runs can search together."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

DECREASE = 1e-4
"""c1: the loss must decrease by at least this share of the decrease that the slope at the start predicts."""

FLATTEN = 0.9
"""c2: the absolute slope must be at most this share of the absolute slope at the start."""

NARROW = 1e-9
"""The search ends if all parameters differ by less than this between the two ends of the bracket."""

Answer = tuple[np.floating, np.ndarray]
"""The loss and the gradient at the requested point."""

Asking = Generator[np.ndarray, Answer, "Trial"]
"""A generator that yields a point to evaluate, receives its `Answer` and returns the trial."""


@dataclass(frozen=True)
class Trial:
    """A point on the line.

    Attributes:
        t: the step length along the direction.
        loss: the loss at the point.
        gradient: the gradient at the point, ``(size,)``.
        slope: the derivative of the loss along the direction.
    """

    t: np.floating
    loss: np.floating
    gradient: np.ndarray
    slope: np.floating


def dot(x: np.ndarray, y: np.ndarray) -> np.floating:
    """Return the inner product of two vectors as float64, summed in the same order everywhere."""
    return np.float64((x * y).sum())


def strong_wolfe(
    x: np.ndarray, d: np.ndarray, start: Trial, t: np.floating, most: int
) -> Generator[np.ndarray, Answer, tuple[Trial, int]]:
    """Search along ``x + t d`` for a point with enough decrease and a flat enough slope.

    It yields points ``(size,)`` to evaluate and receives an `Answer` for each.

    Args:
        x: the start of the search, ``(size,)``.
        d: the direction, ``(size,)``, a descent direction.
        start: the trial at t = 0.
        t: the first step length to try.
        most: the maximum number of trials after the first.

    Returns:
        The best trial found, which is ``start`` if no other was better, and the number of evaluations.

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
    """Return a bracket of two trials, whether the search is finished, and the number of trials used of ``most``.

    If the search is finished, the bracket is an accepted trial twice, or ``start`` and the last trial if ``most`` is
    used up. Otherwise there is an acceptable point between the two trials.
    """
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
    """Return the narrowed bracket, or an accepted trial twice, and the number of evaluations."""
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
    """Return ``t``, moved away from the ends of the bracket if necessary, and whether it is close to an end.

    Close means within a tenth of the bracket's width. If ``t`` is not inside the bracket, or is close for the second
    time in a row (``stuck``), it is moved to a tenth of the width from the nearer end.
    """
    margin = 0.1 * (far - near)
    if min(far - t, t - near) >= margin:
        return t, False
    if stuck or t >= far or t <= near:
        return (far - margin if far - t < t - near else near + margin), False
    return t, True


def cubic_minimum(one: Trial, two: Trial, least: np.floating, most: np.floating) -> np.floating:
    """Return the minimizer of the cubic through two trials' losses and slopes, clipped to ``least`` and ``most``.

    If the cubic has no minimum, return the middle of the bounds.

    Source: Nocedal & Wright 2006, equation 3.59.
    """
    left, right = (one, two) if one.t <= two.t else (two, one)
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = np.sqrt(square)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, least), most) if np.isfinite(t) else (least + most) / 2
