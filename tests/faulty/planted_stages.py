"""Stages with one bug each, and the check that must detect it."""

from __future__ import annotations

import numpy as np
from planted_rules import PER_PROCESS, UNREPEATABLE, plant

from framework.base.fields import hyper
from framework.base.stage import Stage
from framework.elementwise import sign


class Halver(Stage):
    """Multiplies every gradient by a constant; a correct stage."""

    factor: float = hyper(0.5, above=0, search=(0.1, 1.0))

    def before(self, parameters, gradients, state, lr):
        gradients.flat *= self.factor.astype(gradients.dtype)


@plant("stage", "stage_replays_as_numpy")
class CountsInPython(Stage):
    """Declares that its calls are the same at each step, and scales the gradient by the number of its state's step."""

    replayable = True

    def initial_state(self, parameters):
        return {"count": np.zeros((parameters.runs, 1))}

    def before(self, parameters, gradients, state, lr):
        state["count"] += 1
        count = np.asarray(state["count"]).max()
        gradients.flat *= gradients.dtype.type(1 / count)


@plant("stage", "together_as_alone", "order_of_runs", "nan_stays_in_its_run")
class CentresRuns(Halver):
    """Subtracts the mean over the runs."""

    def before(self, parameters, gradients, state, lr):
        gradients.flat -= 0.1 * gradients.flat.mean(axis=0)


@plant("stage", "order_of_runs", "together_as_alone")
class FavoursTheFirst(Halver):
    """Halves the gradients of all runs except the first."""

    def before(self, parameters, gradients, state, lr):
        gradients.flat[1:] *= 0.5


@plant("stage", "nan_stays_in_its_run")
class GlobalGuard(Halver):
    """Sets the gradients of all runs to zero if one is NaN."""

    def before(self, parameters, gradients, state, lr):
        if np.isnan(gradients.flat).any():
            gradients.flat[...] = 0


@plant("stage", "restores_in_new_process")
class DependsOnTheProcess(Halver):
    """Uses a hash, which differs from process to process."""

    def before(self, parameters, gradients, state, lr):
        gradients.flat *= gradients.dtype.type(PER_PROCESS)


@plant("stage", "repeats", *UNREPEATABLE)
class GlobalNoise(Halver):
    """Adds noise from an unseeded generator."""

    noise = np.random.default_rng()

    def before(self, parameters, gradients, state, lr):
        gradients.flat += self.noise.standard_normal(gradients.flat.shape).astype(gradients.dtype)


@plant("stage", "restores", "restores_in_new_process")
class RemembersOnTheObject(Halver):
    """Keeps the last gradient in an attribute, which is not part of the checkpointed state."""

    def before(self, parameters, gradients, state, lr):
        last = getattr(self, "last", np.zeros_like(gradients.flat))
        self.last = gradients.flat.copy()
        gradients.flat += last


@plant("stage", "keeps_dtype")
class KeepsDoubles(Halver):
    """Keeps its state in float64."""

    def initial_state(self, parameters):
        return {"mean": np.zeros(parameters.flat.shape)}


@plant("stage", "only_before_alters_gradient")
class CleansUp(Halver):
    """Sets the gradient to zero after the rule."""

    def after(self, parameters, gradients, state, lr):
        gradients.flat[...] = 0


@plant("stage", "acts_when_it_says")
class SleepsLonger(Halver):
    """Sets the gradients of the first three steps to zero, without declaring it."""

    def initial_state(self, parameters):
        return {"count": np.zeros((parameters.runs, 1))}

    def before(self, parameters, gradients, state, lr):
        state["count"] += 1
        gradients.flat *= (state["count"] > 3).astype(gradients.dtype)


@plant("stage", "says_that_it_moves")
class DecaysQuietly(Halver):
    """Shrinks the parameters before the rule, without declaring it."""

    def before(self, parameters, gradients, state, lr):
        parameters.flat *= 0.99


@plant("stage", "odd_tensors")
class DividesByLength(Halver):
    """Takes the maximum of each tensor, which does not exist for empty tensors."""

    def before(self, parameters, gradients, state, lr):
        for view in gradients.views.values():
            view /= 1 + abs(view).reshape(len(view), -1).max(axis=1).reshape(-1, *[1] * (view.ndim - 1))


@plant("stage", "no_growth")
class StageCollector(Halver):
    """Stores the signs of every gradient, so that its memory grows."""

    def before(self, parameters, gradients, state, lr):
        self.__dict__.setdefault("seen", []).append(sign(gradients.flat))
