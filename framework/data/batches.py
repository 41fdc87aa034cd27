"""Mini-batches for R runs, shuffled per seed and epoch; runs with the same seed get the same batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from framework.base.randomness import SeedGroups, stream
from framework.data.prepare import Samples
from framework.errors import InputError


@dataclass(frozen=True)
class Batch:
    """One batch of all runs.

    Attributes:
        inputs: shape ``(R or 1, B, *shape)``.
        targets: shape ``(R or 1, B[, *target_shape])``.
    """

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def size(self) -> int:
        """The number of samples per run, B."""
        return self.inputs.shape[1]


class Batches:
    """The training batches of R runs, epoch by epoch.

    Args:
        samples: the training split.
        seeds: one seed per run; the order of an epoch depends on (seed, epoch) alone.
        size: samples per batch; the last batch of an epoch is smaller if the size does not divide their number.
        shuffle: False keeps the samples' order in each epoch.
        replay: whether every epoch has the order of the first one.
        drop_last: whether to leave out a smaller last batch.

    Attributes:
        samples: the training split.
        per_epoch: the number of batches per epoch.

    Raises:
        InputError: ``drop_last`` leaves no batch.
    """

    def __init__(
        self,
        samples: Samples,
        seeds: Sequence[int],
        size: int,
        *,
        shuffle: bool = True,
        replay: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.samples = samples
        self._groups = SeedGroups(seeds)
        self._size = size
        self._shuffle = shuffle
        self._replay = replay
        count = len(samples) / size
        self.per_epoch = math.floor(count) if drop_last else math.ceil(count)
        if self.per_epoch == 0:
            raise InputError(f"drop_last leaves no batch of {size} from {len(samples)} samples: lower batch_size")

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of ``epoch`` (from 1)."""
        order = self.order(epoch)
        for number in range(self.per_epoch):
            yield self.take(order, number)

    def order(self, epoch: int) -> np.ndarray:
        """Return the indices of the samples of ``epoch`` (from 1), for `take`: one row per distinct seed."""
        return self._orders(1 if self._replay else epoch)

    def take(self, order: np.ndarray, number: int) -> Batch:
        """Return batch ``number`` (from 0) of an epoch."""
        indices = self.indices(order, number, 1)
        return Batch(self.samples.inputs[indices], self.samples.targets[indices])

    def indices(self, order: np.ndarray, number: int, count: int) -> np.ndarray:
        """Return the indices of the samples of ``count`` batches from ``number`` on, one after the other.

        The shape is ``(R or 1, count * B)``.
        """
        return self._groups.spread(order[:, number * self._size : (number + count) * self._size])

    def ahead(self, number: int) -> tuple[int, int]:
        """Return the size of batch ``number`` (from 0) and how many batches of that size follow, itself included."""
        whole = len(self.samples) // self._size
        if number < whole:
            return self._size, min(whole, self.per_epoch) - number
        return len(self.samples) % self._size, 1

    def _orders(self, epoch: int) -> np.ndarray:
        n = len(self.samples)
        if not self._shuffle:
            return np.tile(np.arange(n), (len(self._groups.seeds), 1))
        return np.stack([stream(seed, "order", epoch).permutation(n) for seed in self._groups.seeds])


def chunks(samples: Samples, size: int) -> Iterator[Batch]:
    """Yield all samples in order, at most ``size`` per batch, with a runs axis of 1 (all runs share them)."""
    for start in range(0, len(samples), size):
        part = slice(start, start + size)
        yield Batch(samples.inputs[None, part], samples.targets[None, part])
