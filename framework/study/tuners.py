"""Tuners: they propose points of a search space, as shares of its axes, and are told the figures of those points."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import InputError

BATCHES = 5
"""Number of batches in which a sequential tuner spends its trials: those of one batch are trained together."""

WORST = float(np.finfo(np.float64).max)


class Tuner(ABC):
    """Proposes points for one search space in batches, until its trials are spent.

    Args:
        fields: names of the axes; with the seed they determine the random numbers, so that two optimizers with the
            same fields get the same points.
        trials: the number of points to propose.
        seed: the study's seed.
    """

    def __init__(self, fields: Sequence[str], trials: int, seed: int) -> None:
        self.fields = tuple(fields)
        self.trials = trials
        self.seed = seed

    @abstractmethod
    def ask(self) -> np.ndarray:
        """Return the next points, shape ``(points, axes)``, each from 0 to 1; no points when all trials are spent."""

    @abstractmethod
    def tell(self, losses: np.ndarray) -> None:
        """Receive the losses of the points of the last `ask`, in their order: smaller is better."""

    @property
    def entropy(self) -> int:
        """The seed of this space's random numbers."""
        text = json.dumps([self.seed, self.fields])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class AtOnce(Tuner):
    """A tuner whose points do not depend on figures: it proposes them all at once."""

    def __init__(self, fields: Sequence[str], trials: int, seed: int) -> None:
        super().__init__(fields, trials, seed)
        self._asked = False

    def ask(self) -> np.ndarray:
        """Return all points, and none in later calls."""
        if self._asked:
            return np.empty((0, len(self.fields)))
        self._asked = True
        return self.points()

    def tell(self, losses: np.ndarray) -> None:
        """Ignore the losses."""

    @abstractmethod
    def points(self) -> np.ndarray:
        """Return all points, shape ``(points, axes)``."""


class Sobol(AtOnce):
    """Scrambled Sobol points. More trials extend the sequence: the first points stay the same.

    Sources: Sobol' 1967; Owen 1998, "Scrambling Sobol' and Niederreiter-Xing points" (scrambling). SciPy draws them.
    """

    def points(self) -> np.ndarray:
        """Return the first ``trials`` points of the smallest sufficient power of two."""
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.fields), scramble=True, rng=np.random.default_rng(self.entropy))
        return np.asarray(sequence.random_base2(math.ceil(math.log2(self.trials)))[: self.trials])


class Grid(AtOnce):
    """An evenly spaced grid with both ends of every axis: at most ``trials`` points, the most along the first axis."""

    def points(self) -> np.ndarray:
        """Return the grid's points; an axis with one point has its middle."""
        axes = [np.linspace(0, 1, n) if n > 1 else np.array([0.5]) for n in self._counts()]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))

    def _counts(self) -> list[int]:
        counts = [max(1, int(self.trials ** (1 / len(self.fields)) + 1e-9))] * len(self.fields)
        for axis in range(len(counts)):
            rest = math.prod(counts) // counts[axis]
            if rest * (counts[axis] + 1) <= self.trials:
                counts[axis] = self.trials // rest
        return counts


class Tpe(Tuner):
    """Optuna's tree-structured Parzen estimator, in `BATCHES` batches.

    Source: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization". Needs Optuna (extra ``tpe``).

    Raises:
        InputError: Optuna is not installed.
    """

    def __init__(self, fields: Sequence[str], trials: int, seed: int) -> None:
        super().__init__(fields, trials, seed)
        try:
            import optuna
        except ImportError:
            raise InputError("study.tuner=tpe needs Optuna: pip install 'optimizer-workbench[tpe]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.entropy % 2**32, multivariate=True, constant_liar=True)
        self._study = optuna.create_study(sampler=sampler)
        self._space: dict[str, Any] = {name: optuna.distributions.FloatDistribution(0, 1) for name in self.fields}
        self._open: list[Any] = []
        self._left = trials

    def ask(self) -> np.ndarray:
        """Return the points of the next batch."""
        count = min(self._left, math.ceil(self.trials / BATCHES))
        self._left -= count
        self._open = [self._study.ask(self._space) for _ in range(count)]
        return np.array([[trial.params[name] for name in self.fields] for trial in self._open]).reshape(
            count, len(self.fields)
        )

    def tell(self, losses: np.ndarray) -> None:
        """Pass the losses on to Optuna; infinite ones as the largest number."""
        for trial, loss in zip(self._open, losses, strict=True):
            self._study.tell(trial, float(np.nan_to_num(loss, nan=WORST, posinf=WORST, neginf=-WORST)))


TUNERS: dict[str, type[Tuner]] = {"sobol": Sobol, "grid": Grid, "tpe": Tpe}
