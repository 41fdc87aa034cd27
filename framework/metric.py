"""What a metric subclasses: a figure gathered over batches, one number a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.fields import Configurable


class Metric(Configurable, ABC):
    """A figure over a whole split, gathered batch by batch.

    Attributes:
        tasks: the tasks (``"classification"``, ``"regression"``, ``"reconstruction"``) it makes sense for.
        shown_for: the tasks where it is logged when the user names no metrics.
        greater_is_better: the direction of good.
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    shown_for: ClassVar[tuple[str, ...]] = ()
    greater_is_better: ClassVar[bool] = True

    @abstractmethod
    def start(self, runs: int) -> None:
        """Forget everything; ``runs`` runs follow."""

    @abstractmethod
    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``."""

    @abstractmethod
    def value(self) -> np.ndarray:
        """Return the figure of each run over all batches since `start`, shape ``(R,)`` float64."""
