"""Exponential moving average of the parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework.fields import flag, hyper
from framework.hookspecs import hookimpl
from framework.specs import StageSpec
from plugins.stages._average import AveragedParameters


class Ema(AveragedParameters):
    """Evaluate an exponential moving average of the parameters.

    After each step ``e = e + w (p - e)``; training goes on at p, and e is evaluated and kept. With ``debias``, at
    step t, ``w = (1 - decay) / (1 - decay^t)``: e is then the average of p_1 ... p_t with weights decay^(t-i), which
    Adam's bias correction gives too. Without, ``w = 1 - decay`` and e starts at the initial parameters, whose share
    fades as decay^t.

    Sources: Polyak & Juditsky 1992 (averaging); Kingma & Ba 2015, arXiv:1412.6980, section 7.2 (this form, with
    its bias correction). As ``optax.ema`` applied to the parameters with ``debias``; without it optax starts from 0 and
    torch's ``AveragedModel`` from p_1. Batch norm's running statistics are not averaged.
    """

    decay: float = hyper(
        0.999, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="memory of past parameters"
    )
    debias: bool = flag(True, help="weigh only the parameters that were seen")

    def share(self, count: np.ndarray) -> np.ndarray:
        """Return w."""
        newest = 1 - np.asarray(self.decay)
        return newest / (1 - self.decay**count) if self.debias else newest


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("ema", Ema)
