"""Exponential moving average of the parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import StageSpec, flag, hookimpl, hyper

from ._average import AveragedParameters


class Ema(AveragedParameters):
    """Evaluate an exponential moving average of the parameters.

    After step t, the average is::

        e = e + w (p - e)
        w = (1 - decay) / (1 - decay^t)         with ``debias``, else 1 - decay

    Training continues with p; e is evaluated and saved. With ``debias``, e is the average of p_1 ... p_t with weights
    proportional to decay^(t-i), as with Adam's bias correction. Without it, e starts at the initial parameters, whose
    weight decreases as decay^t. Batch norm's running statistics are not averaged: they are recomputed for the average,
    on the training data, before each evaluation.

    Sources: Polyak & Juditsky 1992 (averaging); Kingma & Ba 2015, arXiv:1412.6980, section 7.2 (this form, with
    its bias correction).

    Differs from ``optax.ema`` applied to the parameters: not at all with ``debias``; without it optax starts from 0.
    Differs from torch's ``AveragedModel``: torch starts from p_1.
    """

    decay: float = hyper(
        0.999, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the average"
    )
    debias: bool = flag(True, help="leave the initial parameters out of the average")

    def share(self, count: np.ndarray) -> np.ndarray:
        """Return w, the weight of the newest parameters."""
        newest = 1 - np.asarray(self.decay)
        return newest / (1 - self.decay**count) if self.debias else newest


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("ema", Ema)
