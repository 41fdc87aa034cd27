"""Layers with one bug each, and the check that must detect it."""

from __future__ import annotations

from typing import Any

import numpy as np
from planted_rules import in_blocks, one_product, plant

from framework.base.layer import Buffer, Layer, Weight


class Scale(Layer):
    """Multiplies each feature by a weight; a correct layer."""

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
    """Returns a copy of its input; a correct layer."""

    def forward(self, x, *, training):
        return x.copy()

    def backward(self, dy, *, need_dx):
        return dy.copy() if need_dx else None


@plant("layer", "layer_replays_as_numpy")
class EscapesRecording(Same):
    """Declares that its calls can be recorded, and computes with arrays that are not."""

    replayable = True

    def forward(self, x, *, training):
        return np.asarray(x) * 1.5

    def backward(self, dy, *, need_dx):
        return dy * 1.5 if need_dx else None


@plant("layer", "gradients")
class WrongSlope(Scale):
    """Writes a gradient that is 10 % too large."""

    def backward(self, dy, *, need_dx):
        dx = super().backward(dy, need_dx=need_dx)
        self.gradient["gain"][...] *= 1.1
        return dx


@plant("layer", "gradients", "batch_of_one")
class AddsUp(Scale):
    """Adds to the gradient instead of overwriting it."""

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


@plant("layer", "together_as_alone", "shared_input")
class OneProductForAllRuns(Same):
    """Multiplies the samples of all runs in one product, whose bits depend on the number of runs."""

    def forward(self, x, *, training):
        self._turned = one_product(x)
        return x + self._turned

    def backward(self, dy, *, need_dx):
        m = one_product(np.eye(dy.shape[-1], dtype=dy.dtype))
        return dy + dy @ m.T if need_dx else None


@plant("layer", "shared_input")
class RunsSideBySide(Layer):
    """Multiplies a shared input by the concatenated weights of all runs in one product."""

    def weights(self, shape):
        return {"w": Weight((shape[-1], shape[-1]), "glorot_uniform", shape[-1], shape[-1])}

    def forward(self, x, *, training):
        self._x, w = x.copy(), self.weight["w"]
        if len(x) == len(w):
            return x @ w.reshape(len(w), *[1] * (x.ndim - 3), *w.shape[1:])
        wide = in_blocks(x[0].reshape(-1, x.shape[-1]), np.concatenate(list(w), axis=1), len(w))
        return np.stack(np.split(wide.reshape(*x.shape[1:-1], -1), len(w), axis=-1))

    def backward(self, dy, *, need_dx):
        w = self.weight["w"]
        x, slopes = self._x.reshape(len(self._x), -1, len(w[0])), dy.reshape(len(dy), -1, len(w[0]))
        self.gradient["w"][...] = x.swapaxes(1, 2) @ slopes
        return (slopes @ w.swapaxes(1, 2)).reshape(dy.shape) if need_dx else None


@plant("layer", "nan_stays_in_its_run")
class LayerGuard(Same):
    """Returns zeros for all runs if one run has a NaN."""

    def forward(self, x, *, training):
        return np.zeros_like(x) if np.isnan(x).any() else x.copy()


@plant("layer", "batch_of_one", "gradients")
class NeedsCompany(Same):
    """Divides by the number of other samples, which is zero for a batch of one."""

    def forward(self, x, *, training):
        self._others = np.float64(x.shape[1] - 1)
        with np.errstate(all="ignore"):
            return (x / self._others * self._others).astype(x.dtype)

    def backward(self, dy, *, need_dx):
        return dy.copy() if need_dx else None


@plant("layer", "smaller_last_batch")
class Stale(Same):
    """Uses the size of its first batch for all later batches."""

    def forward(self, x, *, training):
        self.size = getattr(self, "size", x.shape[1])
        return x * np.asarray(self.size / 10, x.dtype)

    def backward(self, dy, *, need_dx):
        return dy * np.asarray(self.size / 10, dy.dtype) if need_dx else None


@plant("layer", "evaluation_is_fixed", "samples_apart_in_evaluation")
class DropsAlways(Layer):
    """Drops half of its inputs, also in evaluation."""

    noisy = True

    def forward(self, x, *, training):
        kept = self.noise.uniform(x.shape[1:], x.dtype) >= 0.5
        self._mask = np.broadcast_to(kept, (max(len(kept), len(x)), *x.shape[1:])).astype(x.dtype)
        return x * self._mask

    def backward(self, dy, *, need_dx):
        return dy * self._mask if need_dx else None


@plant("layer", "evaluation_is_fixed", "gradients")
class LearnsInEvaluation(Same):
    """Updates its running mean also in evaluation."""

    def buffers(self, shape):
        return {"mean": Buffer((1,))}

    def forward(self, x, *, training):
        self.buffer["mean"][...] = 0.9 * self.buffer["mean"] + 0.1 * x.reshape(len(x), -1).mean(axis=1, keepdims=True)
        return x.copy()


@plant("layer", "recomputes_buffers")
class RecomputesInEvaluation(Same):
    """Returns the output of evaluation mode while its buffers are recomputed."""

    def buffers(self, shape):
        return {"mean": Buffer((1,))}

    def forward(self, x, *, training):
        mean = self.buffer["mean"].reshape(-1, *[1] * (x.ndim - 1))
        if training:
            self.buffer["mean"] += 1.0
        return x + (0.0 if training else mean)

    def recompute_buffers(self, x, *, batch):
        self.buffer["mean"][...] = batch
        return self.forward(x, training=False)


@plant("layer", "samples_apart_in_evaluation")
class CentresBatches(Same):
    """Subtracts the batch's mean, also in evaluation."""

    def forward(self, x, *, training):
        return x - x.mean(axis=1, keepdims=True)

    def backward(self, dy, *, need_dx):
        return dy - dy.mean(axis=1, keepdims=True) if need_dx else None


class Jitters(Same):
    """Adds noise from an unseeded generator in training."""

    noise_of_its_own: Any = np.random.default_rng()

    def forward(self, x, *, training):
        if not training:
            return x.copy()
        return x + self.noise_of_its_own.standard_normal(x.shape).astype(x.dtype)


plant(
    "layer",
    "repeats",
    "gradients",
    "recomputes_buffers",
    "together_as_alone",
    "nan_stays_in_its_run",
    "smaller_last_batch",
    "shared_input",
)(Jitters)


@plant("layer", "keeps_dtype")
class Doubles(Same):
    """Returns float64 regardless of the input's dtype."""

    def forward(self, x, *, training):
        return x.astype(np.float64)


@plant("layer", "inputs_unaltered", "gradients", "together_as_alone", "shared_input")
class InPlace(Same):
    """Sets negative inputs to zero in place."""

    def forward(self, x, *, training):
        self._on = x > 0
        np.maximum(x, 0, out=x)
        return x

    def backward(self, dy, *, need_dx):
        return dy * self._on if need_dx else None


@plant("layer", "gradients_without_dx")
class OnlyWithDx(Scale):
    """Does not write its weights' gradient if ``need_dx`` is False."""

    def backward(self, dy, *, need_dx):
        return super().backward(dy, need_dx=True) if need_dx else None


@plant("layer", "shared_input", "together_as_alone")
class RunByRun(Same):
    """Treats a runs axis of length 1 as a single run, although the input may be shared."""

    def forward(self, x, *, training):
        self._factor = np.asarray(1 if len(x) == 1 else 2, x.dtype)
        return x * self._factor

    def backward(self, dy, *, need_dx):
        return dy * self._factor if need_dx else None
