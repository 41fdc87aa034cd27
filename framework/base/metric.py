"""What a metric subclasses: a figure gathered over batches, one number a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable


class Metric(Configurable, ABC):
    """A figure over a whole split, gathered batch by batch.

    A metric works per run: what one run predicts (NaN too) changes no other run's figure.

    Attributes:
        tasks: the tasks (``"classification"``, ``"regression"``, ``"reconstruction"``) it makes sense for.
        shown_for: the tasks where it is logged when the user names no metrics.
        greater_is_better: the direction of good.
        predicted: what the predictions are, ``"logits"``, ``"probabilities"`` or ``"values"``: the ``expects`` of the
            loss they are trained with. Whoever pairs a metric with a loss sets it on the instance.
        target_scale: a target's own units per unit that the model is trained in, per output or shape ``()``; set as
            ``predicted`` is. An error times this is in the target's own units.
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    shown_for: ClassVar[tuple[str, ...]] = ()
    greater_is_better: ClassVar[bool] = True
    predicted: str = "values"
    target_scale: np.ndarray = np.ones(())

    def name(self) -> str:
        """Return the name of the figure, as in ``val/NAME``: by default the registered one.

        A metric whose fields decide what it measures says so here (``top_2``), so that two of them fit in one run;
        two equal names in a run are refused.
        """
        return self.label()

    @abstractmethod
    def start(self, runs: int) -> None:
        """Forget everything; ``runs`` runs follow."""

    @abstractmethod
    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``."""

    @abstractmethod
    def value(self) -> np.ndarray:
        """Return the figure of each run over all batches since `start`, shape ``(R,)`` float64; NaN before any."""
