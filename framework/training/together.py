"""Several training steps of a population in one call, without returning to Python in between."""

from __future__ import annotations

import numpy as np

from framework.data.batches import Batches
from framework.training.passes import Passes
from framework.training.update import Update

SECONDS = 0.05
"""Duration of a call that is aimed at; signals and ``max_seconds`` are looked at between calls."""

MOST = 512
"""Maximum number of steps of one call."""


class Together:
    """Takes several steps of R runs at once where the passes are replayed and the rule is compiled.

    Args:
        passes: the forward and backward passes.
        update: the update chain.
        batches: the training batches.
    """

    def __init__(self, passes: Passes, update: Update, batches: Batches) -> None:
        self._passes = passes
        self._update = update
        self._batches = batches

    def count(self, number: int, step: int) -> int:
        """Return how many steps to take at once; 0 if they are to be taken one by one.

        Args:
            number: the number of the next batch in its epoch, from 0.
            step: the number of steps that are taken already.
        """
        size, left = self._batches.ahead(number)
        program = self._passes.program(size)
        several = None if program is None else self._update.several(step + 1)
        if program is None or several is None:
            return 0
        if not program.replay.divided:
            return 1
        timely = int(SECONDS / max(program.seconds, SECONDS / MOST))
        return max(1, min(timely, left, several.left))

    def take(self, order: np.ndarray, number: int, step: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take ``count`` steps as `count` allows.

        Args:
            order: the order of the epoch, as for `framework.data.batches.Batches.take`.
            number: the number of the first batch in its epoch, from 0.
            step: the number of steps that are taken already.
            count: the number of steps.

        Returns:
            Losses ``(R, count)``, predictions ``(R, count * B, …)`` and targets, the batches one after the other.
        """
        program, several = self._passes.program(self._batches.ahead(number)[0]), self._update.several(step + 1)
        if program is None or several is None:
            raise ValueError("these steps must be taken one by one")
        program.replay.attach(several.rule, several.before, several.after)
        self._update.bind(step + 1, count)
        taken = program.run(self._batches.samples, self._batches.indices(order, number, count), count, several.row)
        self._update.passed(step + count)
        return taken
