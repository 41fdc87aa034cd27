"""L-BFGS."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from framework import (
    Columns,
    Objective,
    Optimizer,
    OptimizerSpec,
    Parameters,
    Shape,
    State,
    choice,
    hookimpl,
    hyper,
    integer,
)

from ._shared.closure import exploring
from ._shared.line_search import Answer, Trial, dot, strong_wolfe

LEAST_CURVATURE = 1e-10
"""A pair is stored only if its inner product is larger: the Hessian's estimate then stays positive definite."""

Descent = Generator[np.ndarray, Answer, np.ndarray]
"""A generator that yields points to evaluate, receives an `Answer` for each, and returns the final point."""


class Lbfgs(Optimizer):
    """L-BFGS: a quasi-Newton method with curvature estimated from the last steps, and a line search.

    One step minimises the loss of one batch in up to ``max_iter`` iterations. With the last ``history_size`` pairs s (a
    move) and y (the change of the gradient over it), one iteration is::

        d = -H g                                H from the pairs by the two-loop recursion
        p = p + t d                             t from the line search, else lr (the first t: at most lr / |g|_1)

    A step ends after ``max_iter`` iterations or ``max_eval`` evaluations (null: 5/4 ``max_iter``), if no number of the
    gradient is larger than ``tolerance_grad`` in absolute value, or if p or the loss changes by less than
    ``tolerance_change``. If the loss is not finite, p does not change.

    The method is meant for large batches without noise; with small batches, use a small ``max_iter``. Stages before the
    rule (clipping) act on the first gradient of a step only. Each run trains in a population of its own, because the
    number of evaluations of one run would affect batch norm and dropout of another.

    Sources: Liu & Nocedal 1989; Nocedal & Wright 2006, Algorithms 7.4 and 7.5, with 3.5 and 3.6 for the line search.
    Names and defaults are torch's.

    Differs from torch: the default of ``line_search_fn`` is strong_wolfe; a trial whose loss is not finite is never
    chosen; the memory for the pairs (2 ``history_size`` copies of the parameters) is allocated at the start.
    """

    couples_tensors = True
    needs_closure = True
    needs_loss = True
    vectorized = False
    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 10.0), help="first step length to try in each direction")
    max_iter: int = integer(20, at_least=1, help="maximum number of iterations per step")
    max_eval: int | None = integer(None, at_least=1, help="maximum number of evaluations per step")
    tolerance_grad: float = hyper(1e-7, at_least=0, prior="log", search=(1e-9, 1e-4), help="stop if no |g| is larger")
    tolerance_change: float = hyper(
        1e-9, at_least=0, prior="log", search=(1e-12, 1e-5), help="stop if p or the loss changes by less"
    )
    history_size: int = integer(100, at_least=1, help="number of stored pairs")
    line_search_fn: str = choice("strong_wolfe", ("strong_wolfe", "none"), help="line search for t")

    def initial_state(self, parameters: Parameters) -> State:
        """Return an empty history: pairs ``(R, history_size, size)``, and the last direction and gradient."""
        runs, size, dtype = parameters.runs, parameters.size, parameters.dtype
        shapes: dict[str, Shape] = {
            "y": (self.history_size, size),
            "s": (self.history_size, size),
            "d": (size,),
            "g": (size,),
        }
        shapes |= {"ro": (self.history_size,), **dict.fromkeys(("t", "scale", "kept", "next", "started"), (1,))}
        return {name: np.zeros((runs, *shape), dtype) for name, shape in shapes.items()}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Take one step of every run; the runs evaluate together, each at its own point, until all have finished."""
        points = parameters.flat.copy()
        descents = [self._descent(run, points, gradients, state, columns, objective) for run in range(len(points))]
        answers: list[Any] = [None] * len(points)
        with exploring(parameters, gradients, objective) as gradient_at:
            going = _advance(descents, answers, points, list(range(len(points))))
            while going:
                answers = list(zip(*gradient_at(points), strict=True))
                going = _advance(descents, answers, points, going)
        parameters.flat[...] = points

    def _descent(
        self, run: int, points: np.ndarray, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> Descent:
        limits = SimpleNamespace(
            **{name: np.float64(column[run % len(column), 0]) for name, column in columns.items()},
            iterations=self.max_iter,
            evaluations=self.max_eval or self.max_iter * 5 // 4,
            searches=self.line_search_fn == "strong_wolfe",
        )
        memory = Memory({name: held[run] for name, held in state.items()})
        return descend(points[run].copy(), objective.losses[run], gradients.flat[run].copy(), memory, limits)


def _advance(descents: list[Descent], answers: list[Any], points: np.ndarray, going: list[int]) -> list[int]:
    """Send each active run its answer and write its next point into ``points``; return the runs still active."""
    left = []
    with np.errstate(all="ignore"):  # a diverged run has inf and NaN, without warnings
        for run in going:
            try:
                points[run] = descents[run].send(answers[run])
                left.append(run)
            except StopIteration as ended:
                points[run] = ended.value
    return left


class Memory:
    """One run's pairs of steps and gradient changes, in the given arrays; a new pair overwrites the oldest."""

    def __init__(self, held: dict[str, np.ndarray]) -> None:
        self._held = held

    def direction(self, g: np.ndarray) -> tuple[np.ndarray, bool]:
        """Store the last move's pair; return -H g, and whether this is the run's first direction."""
        held = self._held
        first = not held["started"][0]
        if first:
            held["started"][0] = held["scale"][0] = 1
        else:
            self._remember(held["d"] * held["t"], g - held["g"])
        held["g"][...] = g
        held["d"][...] = -g if first else self._newton(g)
        return held["d"].copy(), first

    def moved(self, t: np.floating) -> None:
        """Record the step length along the last direction."""
        self._held["t"][0] = t

    def _remember(self, s: np.ndarray, y: np.ndarray) -> None:
        held, curvature = self._held, dot(y, s)
        if not curvature > LEAST_CURVATURE:
            return
        size, place = len(held["y"]), int(held["next"][0])
        held["y"][place], held["s"][place], held["ro"][place] = y, s, 1 / curvature
        held["next"][0] = (place + 1) % size
        held["kept"][0] = min(held["kept"][0] + 1, size)
        held["scale"][0] = curvature / dot(y, y)

    def _newton(self, g: np.ndarray) -> np.ndarray:
        """Return -H g by the two-loop recursion."""
        held, kept = self._held, int(self._held["kept"][0])
        order = [(int(held["next"][0]) - 1 - back) % len(held["y"]) for back in range(kept)]
        q, steps = -g, {}
        for i in order:
            steps[i] = held["ro"][i] * dot(held["s"][i], q)
            q = q - g.dtype.type(steps[i]) * held["y"][i]
        r = q * held["scale"]
        for i in reversed(order):
            back = held["ro"][i] * dot(held["y"][i], r)
            r = r + g.dtype.type(steps[i] - back) * held["s"][i]
        return r


def descend(x: np.ndarray, loss: np.floating, g: np.ndarray, memory: Memory, limits: SimpleNamespace) -> Descent:
    """Minimise one run's loss, starting at ``x`` with loss ``loss`` and gradient ``g``; return the final point."""
    used = 1
    if not (np.abs(g).max() > limits.tolerance_grad and np.isfinite(loss)):  # converged or diverged
        return x
    for iteration in range(1, limits.iterations + 1):
        d, first = memory.direction(g)
        t = min(1.0, 1.0 / np.float64(np.abs(g).sum())) * limits.lr if first else limits.lr
        here = Trial(np.float64(0), np.float64(loss), g, dot(g, d))
        memory.moved(t)
        if here.slope > -limits.tolerance_change:
            break
        found = Trial(t, here.loss, g, here.slope)
        if limits.searches:
            most = limits.evaluations - used
            found, evaluations = yield from strong_wolfe(x, d, here, t, most)
            used += evaluations
        move = x.dtype.type(found.t) * d
        x = x + move
        memory.moved(found.t)
        if not limits.searches and iteration < limits.iterations:
            answer = yield x
            found = Trial(t, np.float64(answer[0]), answer[1], here.slope)
            used += 1
        loss, g = found.loss, found.gradient
        settled = np.abs(move).max() <= limits.tolerance_change or abs(loss - here.loss) < limits.tolerance_change
        if used >= limits.evaluations or np.abs(g).max() <= limits.tolerance_grad or settled:
            break
    return x


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("lbfgs", Lbfgs)
