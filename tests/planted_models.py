"""Layers and losses with one bug each, and the check that must catch it."""

from __future__ import annotations

from typing import Any

import numpy as np
from planted_rules import plant

from framework.checks.kit import CHECKS
from framework.layer import Buffer, Layer, Weight
from framework.loss import Loss, as_values


class Scale(Layer):
    """Times one number a feature: a layer as it should be."""

    def weights(self, shape):
        return {"gain": Weight((shape[-1],), "ones")}

    def forward(self, x, *, training):
        self._x = x.copy()
        gain = self.weight["gain"]
        return x * gain.reshape(len(gain), *[1] * (x.ndim - 2), -1)

    def backward(self, dy, *, need_dx):
        gain = self.weight["gain"]
        self.gradient["gain"][...] = (dy * self._x).sum(axis=tuple(range(1, dy.ndim - 1)))
        return dy * gain.reshape(len(gain), *[1] * (dy.ndim - 2), -1) if need_dx else None


class Same(Layer):
    """Gives what it gets."""

    def forward(self, x, *, training):
        return x.copy()

    def backward(self, dy, *, need_dx):
        return dy.copy() if need_dx else None


@plant("layer", "gradients")
class WrongSlope(Scale):
    """Its gradient is a tenth too long."""

    def backward(self, dy, *, need_dx):
        dx = super().backward(dy, need_dx=need_dx)
        self.gradient["gain"][...] *= 1.1
        return dx


@plant("layer", "gradients", "batch_of_one")
class AddsUp(Scale):
    """Adds to the gradient instead of writing it."""

    def backward(self, dy, *, need_dx):
        before = self.gradient["gain"].copy()
        dx = super().backward(dy, need_dx=need_dx)
        self.gradient["gain"][...] += before
        return dx


@plant("layer", "together_as_alone", "shared_input", "gradients", "nan_stays_in_its_run")
class CentresOverRuns(Same):
    """Subtracts the mean of all runs."""

    def forward(self, x, *, training):
        return x - 0.1 * x.mean(axis=0, keepdims=True)


@plant("layer", "nan_stays_in_its_run")
class LayerGuard(Same):
    """Gives zeros to everybody when one has a NaN."""

    def forward(self, x, *, training):
        return np.zeros_like(x) if np.isnan(x).any() else x.copy()


@plant("layer", "batch_of_one", "gradients")
class NeedsCompany(Same):
    """Divides by the number of other samples."""

    def forward(self, x, *, training):
        self._others = np.float64(x.shape[1] - 1)
        with np.errstate(all="ignore"):
            return (x / self._others * self._others).astype(x.dtype)

    def backward(self, dy, *, need_dx):
        return dy.copy() if need_dx else None


@plant("layer", "smaller_last_batch")
class Stale(Same):
    """Remembers how large its first batch was."""

    def forward(self, x, *, training):
        self.size = getattr(self, "size", x.shape[1])
        return x * np.asarray(self.size / 10, x.dtype)

    def backward(self, dy, *, need_dx):
        return dy * np.asarray(self.size / 10, dy.dtype) if need_dx else None


@plant("layer", "evaluation_is_fixed", "samples_apart_in_evaluation")
class DropsAlways(Layer):
    """Drops half of the numbers, in evaluation as well."""

    noisy = True

    def forward(self, x, *, training):
        kept = self.noise.uniform(x.shape[1:], x.dtype) >= 0.5
        self._mask = np.broadcast_to(kept, (max(len(kept), len(x)), *x.shape[1:])).astype(x.dtype)
        return x * self._mask

    def backward(self, dy, *, need_dx):
        return dy * self._mask if need_dx else None


@plant("layer", "evaluation_is_fixed", "gradients")
class LearnsInEvaluation(Same):
    """Moves its running mean in evaluation as well."""

    def buffers(self, shape):
        return {"mean": Buffer((1,))}

    def forward(self, x, *, training):
        self.buffer["mean"][...] = 0.9 * self.buffer["mean"] + 0.1 * x.reshape(len(x), -1).mean(axis=1, keepdims=True)
        return x.copy()


@plant("layer", "samples_apart_in_evaluation")
class CentresBatches(Same):
    """Subtracts the batch's mean, in evaluation as well."""

    def forward(self, x, *, training):
        return x - x.mean(axis=1, keepdims=True)

    def backward(self, dy, *, need_dx):
        return dy - dy.mean(axis=1, keepdims=True) if need_dx else None


class Jitters(Same):
    """Draws noise from nowhere in training."""

    noise_of_its_own: Any = np.random.default_rng()

    def forward(self, x, *, training):
        if not training:
            return x.copy()
        return x + self.noise_of_its_own.standard_normal(x.shape).astype(x.dtype)


plant(
    "layer", "repeats", "gradients", "together_as_alone", "nan_stays_in_its_run", "smaller_last_batch", "shared_input"
)(Jitters)


@plant("layer", "keeps_dtype")
class Doubles(Same):
    """Gives float64 whatever it gets."""

    def forward(self, x, *, training):
        return x.astype(np.float64)


@plant("layer", "inputs_unaltered", "gradients", "together_as_alone", "shared_input")
class InPlace(Same):
    """Cuts negative inputs away in their own array."""

    def forward(self, x, *, training):
        self._on = x > 0
        np.maximum(x, 0, out=x)
        return x

    def backward(self, dy, *, need_dx):
        return dy * self._on if need_dx else None


@plant("layer", "gradients_without_dx")
class OnlyWithDx(Scale):
    """Forgets its own gradient where nobody asks for the input's."""

    def backward(self, dy, *, need_dx):
        return super().backward(dy, need_dx=True) if need_dx else None


@plant("layer", "shared_input", "together_as_alone")
class RunByRun(Same):
    """Takes an input with a runs axis of 1 for a single run."""

    def forward(self, x, *, training):
        self._factor = np.asarray(1 if len(x) == 1 else 2, x.dtype)
        return x * self._factor

    def backward(self, dy, *, need_dx):
        return dy * self._factor if need_dx else None


class Squares(Loss):
    """Half the mean squared error: a loss as it should be."""

    def forward(self, predictions, targets):
        self._error = predictions - as_values(targets, predictions)
        return self._total(self._error * self._error / 2)

    def _total(self, each):
        return each.reshape(len(each), -1).mean(axis=1)

    def backward(self):
        return self._error / self._error[0].size


@plant("loss", "gradients")
class LossWrongSlope(Squares):
    """Its gradient is twice too long."""

    def backward(self):
        return 2 * super().backward()


@plant("loss", "mean_over_batch")
class SumOverBatch(Squares):
    """Adds up where it should take the mean."""

    def _total(self, each):
        return each.reshape(len(each), -1).sum(axis=1)

    def backward(self):
        return self._error.copy()


@plant("loss", "together_as_alone", "gradients", "nan_stays_in_its_run")
class MixesRuns(Squares):
    """Adds what the other runs lose."""

    def forward(self, predictions, targets):
        losses = super().forward(predictions, targets)
        return losses + 0.1 * losses.mean()


@plant("loss", "nan_stays_in_its_run")
class LossGuard(Squares):
    """Gives everybody zero when one has a NaN."""

    def forward(self, predictions, targets):
        losses = super().forward(predictions, targets)
        return np.zeros_like(losses) if np.isnan(losses).any() else losses


@plant("loss", "smaller_last_batch", "gradients", "mean_over_batch")
class LossStale(Squares):
    """Divides by the size of its first batch."""

    def backward(self):
        self.size = getattr(self, "size", self._error[0].size)
        return self._error / self.size


@plant("loss", "keeps_dtype")
class LossDoubles(Squares):
    """Computes in float64."""

    def forward(self, predictions, targets):
        return super().forward(predictions.astype(np.float64), targets)


@plant("loss", "inputs_unaltered")
class LossKeepsView(Squares):
    """Looks at the predictions again in backward."""

    def forward(self, predictions, targets):
        self._predictions, self._targets = predictions, as_values(targets, predictions)
        return super().forward(predictions, targets)

    def backward(self):
        return (self._predictions - self._targets) / self._error[0].size


@plant("loss", "repeats", *{check.__name__ for check in CHECKS["loss"]} - {"keeps_dtype"})
class LossJitters(Squares):
    """Smooths with noise from nowhere."""

    noise = np.random.default_rng()

    def forward(self, predictions, targets):
        noise = self.noise.standard_normal(predictions.shape).astype(predictions.dtype)
        return super().forward(predictions + noise, targets)
