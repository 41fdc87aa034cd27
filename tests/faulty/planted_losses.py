"""Losses with one bug each, and the check that must detect it."""

from __future__ import annotations

import numpy as np
from planted_rules import one_product, plant

from framework.base.loss import Loss, as_values
from framework.checks.kit import KITS


class Squares(Loss):
    """Half the mean squared error; a correct loss."""

    def forward(self, predictions, targets):
        self._error = predictions - as_values(targets, predictions)
        return self._total(self._error * self._error / 2)

    def _total(self, each):
        return each.reshape(len(each), -1).mean(axis=1)

    def backward(self):
        return self._error / self._error[0].size


@plant("loss", "loss_replays_as_numpy")
class LossEscapesRecording(Squares):
    """Declares that its calls can be recorded, and computes with arrays that are not."""

    replayable = True

    def forward(self, predictions, targets):
        return super().forward(np.asarray(predictions), np.asarray(targets))


@plant("loss", "gradients")
class LossWrongSlope(Squares):
    """Returns twice the gradient."""

    def backward(self):
        return 2 * super().backward()


@plant("loss", "minima")
class WrongMinimum(Squares):
    """Declares a minimum that it does not have."""

    minima = (0.5,)


@plant("loss", "mean_over_batch")
class SumOverBatch(Squares):
    """Returns the sum over the batch instead of the mean."""

    def _total(self, each):
        return each.reshape(len(each), -1).sum(axis=1)

    def backward(self):
        return self._error.copy()


@plant("loss", "together_as_alone", "gradients", "nan_stays_in_its_run")
class MixesRuns(Squares):
    """Adds a fraction of the mean loss of all runs."""

    def forward(self, predictions, targets):
        losses = super().forward(predictions, targets)
        return losses + 0.1 * losses.mean()


@plant("loss", "together_as_alone")
class LossInOneProduct(Squares):
    """Multiplies the errors of all runs in one product."""

    def forward(self, predictions, targets):
        self._turned = one_product(predictions - as_values(targets, predictions))
        return self._total(self._turned * self._turned / 2)

    def backward(self):
        m = one_product(np.eye(self._turned.shape[-1], dtype=self._turned.dtype))
        return self._turned @ m.T / self._turned[0].size


@plant("loss", "nan_stays_in_its_run")
class LossGuard(Squares):
    """Returns zero for all runs if one run has a NaN."""

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
    """Reads the predictions again in backward, without a copy."""

    def forward(self, predictions, targets):
        self._predictions, self._targets = predictions, as_values(targets, predictions)
        return super().forward(predictions, targets)

    def backward(self):
        return (self._predictions - self._targets) / self._error[0].size


@plant("loss", "repeats", *{check.__name__ for check in KITS["loss"].checks} - {"keeps_dtype"})
class LossJitters(Squares):
    """Adds noise from an unseeded generator to the predictions."""

    noise = np.random.default_rng()

    def forward(self, predictions, targets):
        noise = self.noise.standard_normal(predictions.shape).astype(predictions.dtype)
        return super().forward(predictions + noise, targets)
