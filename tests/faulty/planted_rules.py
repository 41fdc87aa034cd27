"""Optimizers with one bug each, and the check that must detect it.

``plant(kind, check, *others)`` registers a class with the check that must fail and others that may fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.fields import flag, hyper
from framework.base.optimizer import Optimizer
from framework.base.tensor_optimizer import TensorOptimizer
from framework.elementwise import absolute, maximum, minimum, sqrt
from plugins.optimizers.rprop import Rprop

PLANTED: list[tuple[str, type[Any], str, set[str]]] = []
"""One tuple per class: kind, class, the check that must fail, other checks that may fail."""

DESCENT = {"quadratic_minimum", "noisy_minimum", "rosenbrock_minimum"}


def plant(kind: str, check: str, *others: str) -> Callable[[type[Any]], type[Any]]:
    """Return a decorator that adds a class to `PLANTED`."""

    def note(cls: type[Any]) -> type[Any]:
        PLANTED.append((kind, cls, check, set(others)))
        return cls

    return note


class Sound(ElementwiseOptimizer):
    """Adam; a correct optimizer and the base class of some of the incorrect ones."""

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-3, 1e-1))
    beta1: float = hyper(0.9, at_least=0, below=1, search=(0.5, 0.95))
    beta2: float = hyper(0.99, at_least=0, below=1, search=(0.9, 0.999))
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-3))
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        scale = (1 - h.beta2**t) ** 0.5
        step = h.lr * scale / (1 - h.beta1**t)
        return dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, step=step, eps=h.eps * scale)

    def rule(p, g, m, v, *, b1, a1, b2, a2, step, eps):
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        return p - step * m / (sqrt(v) + eps), m, v

    def reference(x0, gradients, *, lr, beta1, beta2, eps):
        x, m, v = x0, 0.0, 0.0
        for t, g in enumerate(gradients, start=1):
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            x = x - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
            yield x


class Plain(ElementwiseOptimizer):
    """Gradient descent; a correct optimizer."""

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0))

    def rule(p, g, *, lr):
        return p - lr * g


class PlainTensors(TensorOptimizer):
    """Gradient descent per tensor; a correct optimizer."""

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0))

    def slots(self, shape):
        return {}

    def rule(p, g, s, c):
        return p - c.lr * g


@plant("optimizer", "follows_reference")
class NoBiasCorrection(Sound):
    """Adam without bias correction."""

    def coefficients(h, t):
        return dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, step=h.lr, eps=h.eps)


@plant("optimizer", "follows_reference")
class EpsInside(Sound):
    """Adam with epsilon inside the root."""

    def rule(p, g, m, v, *, b1, a1, b2, a2, step, eps):
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        return p - step * m / sqrt(v + eps), m, v


@plant("optimizer", "quadratic_minimum", *DESCENT)
class WrongSign(Plain):
    """Steps along the gradient instead of against it."""

    def rule(p, g, *, lr):
        return p + lr * g


@plant("optimizer", "noisy_minimum")
class Impatient(Rprop):
    """Declares that it minimises, although noise changes the signs that its steps depend on."""

    converges = "minimises"


@plant("optimizer", "rosenbrock_minimum")
class Fenced(Plain):
    """Never increases a parameter above 0.2, which only a minimum beyond 0.2 reveals."""

    def rule(p, g, *, lr):
        return minimum(p - lr * g, maximum(p, 0.2))


MIXED = ("order_of_runs", "nan_stays_in_its_run", "rosenbrock_minimum")
"""Checks that may also fail if runs are mixed: their order matters, and a diverging run makes the others diverge."""


@plant("optimizer", "together_as_alone", *MIXED)
class SharedAcrossRuns(Plain):
    """Adds a fraction of the mean gradient of all runs."""

    def rule(p, g, *, lr):
        return p - lr * (g + 0.01 * g.mean(axis=0, keepdims=True))


@plant("optimizer", "together_as_alone", *MIXED)
class TrustRatioOverRuns(PlainTensors):
    """Uses one trust ratio for all runs."""

    def rule(p, g, s, c):
        return p - c.lr * g * np.sqrt((p * p).sum()) / (1e-3 + np.sqrt((p * p).sum()))


@plant("optimizer", "order_of_runs", "together_as_alone")
class FirstRunFirst(PlainTensors):
    """Takes larger steps in the first run of a population."""

    def rule(p, g, s, c):
        bonus = np.ones(len(p), p.dtype).reshape(-1, *[1] * (p.ndim - 1))
        bonus[0] = 1.5 if len(p) > 1 else 1.0
        return p - c.lr * bonus * g


@plant("optimizer", "nan_stays_in_its_run", "rosenbrock_minimum")
class AllOrNobody(PlainTensors):
    """Takes no step in any run while one run's gradient is not finite."""

    def rule(p, g, s, c):
        return p - c.lr * g if np.isfinite(g).all() else p


def one_product(x):
    """Return x times a fixed matrix, computed as one product of the stacked rows of all runs."""
    n = x.shape[-1]
    m = np.cos(np.outer(np.arange(n), np.arange(n) + 0.5) * np.pi / n).astype(x.dtype)
    return in_blocks(x.reshape(-1, n), m, len(x)).reshape(x.shape)


def in_blocks(rows, matrix, runs):
    """Return a product whose order of summation depends on the number of runs.

    BLAS libraries choose their blocks by the size of the whole product. Whether this changes the bits at a given size
    depends on the processor; this function changes them on every processor.
    """
    cut = runs % len(matrix)
    return rows[:, :cut] @ matrix[:cut] + rows[:, cut:] @ matrix[cut:]


@plant("optimizer", "splitting_tensors")
class TrustRatioOverTheBuffer(Optimizer):
    """Uses the gradient norm over all tensors, but declares itself per tensor."""

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0))

    def initial_state(self, parameters):
        return {}

    def step(self, parameters, gradients, state, columns, objective):
        length = np.sqrt((gradients.flat**2).sum(axis=1, keepdims=True))
        with np.errstate(all="ignore"):
            parameters.flat[...] -= columns["lr"] * gradients.flat / (1 + length)


@plant("optimizer", "splitting_tensors")
class NotElementwise(TrustRatioOverTheBuffer):
    """Uses the gradient norm over all tensors, but declares itself elementwise."""

    elementwise = True


@plant("optimizer", "restores", "restores_in_new_process")
class CountsOnTheObject(Plain):
    """Counts its steps in an attribute, which is not part of the checkpointed state."""

    def step(self, parameters, gradients, state, columns, objective):
        self.count = getattr(self, "count", 0) + 1
        super().step(parameters, gradients, state, {"lr": columns["lr"] / self.count**0.1}, objective)


class CountsOnTheClass(Plain):
    """Counts its steps in a class attribute, so that the count persists into the next run."""

    count = 0

    def step(self, parameters, gradients, state, columns, objective):
        type(self).count += 1
        slower = (columns["lr"] / self.count**0.01).astype(columns["lr"].dtype)
        super().step(parameters, gradients, state, {"lr": slower}, objective)


UNREPEATABLE = {"together_as_alone", "order_of_runs", "nan_stays_in_its_run", "restores", "splitting_tensors"}
UNREPEATABLE |= {"odd_tensors", "restores_in_new_process"}
plant("optimizer", "repeats", *UNREPEATABLE)(CountsOnTheClass)

PER_PROCESS = 1 + hash("a text") / 2**66
"""A number close to 1 that differs from process to process."""


@plant("optimizer", "restores_in_new_process")
class DependsOnTheProcess(Plain):
    """Uses a hash, which differs from process to process."""

    def coefficients(h, t):
        return dict(lr=h.lr * PER_PROCESS)


@plant("optimizer", "zero_gradient")
class ZeroOverZero(Plain):
    """Divides by the gradient's absolute value without adding an epsilon."""

    def rule(p, g, *, lr):
        return p - lr * g * maximum(absolute(g), 0) / absolute(g)


@plant("optimizer", "schedule_has_effect")
class IgnoresSchedule(Plain):
    """Divides the schedule's factor out of the learning rate."""

    def coefficients(h, t):
        return dict(lr=h.lr / h.schedule)


@plant("optimizer", "schedule_has_effect", *DESCENT)
class NoRate(ElementwiseOptimizer):
    """Has no learning rate and does not declare that it needs none."""

    def rule(p, g):
        return p - 0.1 * g


@plant("optimizer", "fields_have_effect")
class ForgottenField(Plain):
    """Declares a field and never reads it."""

    beta: float = hyper(0.9, at_least=0, below=1)


@plant("optimizer", "bounds_enforced")
class Clamps(Plain):
    """Silently raises a learning rate below the range to 1e-9."""

    @classmethod
    def resolve(cls, values, where=""):
        rate = values.get("lr", 0.1)
        known = isinstance(rate, float) and np.isfinite(rate)
        return super().resolve({**values, "lr": max(rate, 1e-9)} if known else values, where)


@plant("optimizer", "defaults_in_range")
class SearchesOutside(Plain):
    """Has a search range that includes its exclusive lower bound."""

    lr: float = hyper(0.1, above=0, prior="linear", search=(0.0, 1.0))


@plant("optimizer", "ranges_fit_priors")
class LogFromBelowZero(Sound):
    """Has a range with a negative end, which has no logarithm."""

    eps: float = hyper(1e-8, prior="log", search=(-1e-3, 1e-3))


@plant("optimizer", "ranges_fit_priors")
class FallingRange(Sound):
    """Has a range whose ends are in the wrong order."""

    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-3, 1e-10))


@plant("optimizer", "can_be_tuned")
class TunesMisspelt(Sound):
    """Tunes a field that does not exist."""

    tuned = ("lr", "beta")


@plant("optimizer", "can_be_tuned")
class TunesAll(Sound):
    """Tunes more fields than the trials of a study suffice for."""

    beta1: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.95))
    beta2: float = hyper(0.99, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.999))
    tuned = ("lr", "beta1", "beta2", "eps")


@plant("optimizer", "can_be_tuned")
class TunesRateLast(Sound):
    """Names the learning rate after another field."""

    tuned = ("eps", "lr")


@plant("optimizer", "can_be_tuned")
class TunesWithoutPrior(Sound):
    """Tunes a field that does not declare how to space its values."""

    tuned = ("lr", "beta1")


@plant("optimizer", "can_be_tuned")
class TunesStructure(Plain):
    """Tunes a field that all runs of a population share."""

    sharp: bool = flag(False)
    tuned = ("lr", "sharp")


@plant("optimizer", "can_be_tuned")
class TunesAwayFromDefault(Plain):
    """Searches the learning rate in a range that does not contain its default."""

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-4, 1e-2))


@plant("optimizer", "has_summary")
class Undescribed(Plain):
    lr: float = hyper(0.1, above=0, prior="log", search=(1e-2, 1.0))


@plant("optimizer", "starts")
class CannotStart(Plain):
    """Raises an error before the first step."""

    def initial_state(self, parameters):
        return {"m": self.nothing}
