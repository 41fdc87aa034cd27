"""Optimizers with one bug each in their use of arrays, and the check that must detect it."""

from __future__ import annotations

import numpy as np
from planted_rules import Plain, PlainTensors, one_product, plant


@plant("optimizer", "together_as_alone", "order_of_runs")
class OneProductForAllRuns(PlainTensors):
    """Multiplies the gradients of all runs in one product, whose bits depend on the number of runs."""

    def rule(p, g, s, c):
        return p - c.lr * g - 0.001 * c.lr * one_product(g)


@plant("optimizer", "values_unaltered")
class MovesInPlace(PlainTensors):
    """Modifies the values passed to the rule in place."""

    def rule(p, g, s, c):
        p -= c.lr * g
        return p


@plant("optimizer", "values_unaltered")
class MovesNumbersInPlace(Plain):
    """Modifies the values passed to an elementwise rule in place."""

    def rule(p, g, *, lr):
        p -= lr * g
        return p


@plant("optimizer", "keeps_dtype")
class ForgottenCast(Plain):
    """Computes in float64 regardless of the parameters' dtype."""

    def rule(p, g, *, lr):
        return p - lr * g * np.array([[0.9]])


@plant("optimizer", "keeps_dtype")
class DoubleState(Plain):
    """Keeps its state in float64."""

    def initial_state(self, parameters):
        return {"m": np.zeros(parameters.flat.shape)}


@plant("optimizer", "gradient_unaltered")
class AltersGradient(PlainTensors):
    """Scales the gradient in place."""

    def rule(p, g, s, c):
        g *= 0.9
        return p - c.lr * g


@plant("optimizer", "acts_when_it_says")
class WaitsOneStep(Plain):
    """Moves only from the second step on, without declaring it."""

    def coefficients(h, t):
        return dict(lr=np.where(t == 1, 0.0, h.lr))


@plant("optimizer", "odd_tensors")
class ByTheLength(PlainTensors):
    """Reads the length of a tensor's first axis, which a scalar does not have."""

    def step(self, parameters, gradients, state, columns, objective):
        for name, view in parameters.views.items():
            rate = columns["lr"].reshape(-1, *[1] * (view.ndim - 1))
            view -= rate * gradients.views[name] * (view.shape[1] > 0)


@plant("optimizer", "no_growth")
class Collector(Plain):
    """Stores every gradient, so that its memory grows."""

    def step(self, parameters, gradients, state, columns, objective):
        self.__dict__.setdefault("seen", []).append(gradients.flat.copy())
        super().step(parameters, gradients, state, columns, objective)
