"""Base class of metrics: a figure accumulated over batches, one number per run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable


class Metric(Configurable, ABC):
    """A figure over a whole split, accumulated batch by batch.

    A metric works per run: the predictions of one run (NaN included) do not affect another run's figure.

    Attributes:
        tasks: the tasks that the metric supports: ``"classification"``, ``"regression"``, ``"reconstruction"``.
        shown_for: the tasks for which it is logged if the user names no metrics.
        greater_is_better: whether a greater figure is better.
        worst: the figure that a run which diverged or failed gets in comparisons, no better than any predictions'
            figure; None: the figure of the untrained model.
        unit: the figure's unit in words, for the axes of charts, such as ``"share of samples"`` or ``"no unit"``; "" if
            it is not known.
        predicted: the kind of the predictions, ``"logits"``, ``"probabilities"`` or ``"values"``: the ``expects`` of
            the training loss, given to `stack`.
        target_scale: the target's own units per unit of the scaled targets, one number per output or shape ``()``.
            Given to `stack`. An error times this number is in the target's own units.
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    shown_for: ClassVar[tuple[str, ...]] = ()
    greater_is_better: ClassVar[bool] = True
    worst: ClassVar[float | None] = None
    unit: ClassVar[str] = ""
    predicted: str = "values"
    target_scale: np.ndarray = np.ones(())

    def name(self) -> str:
        """Return the name of the figure, as in ``val/NAME``: by default the registered name.

        A metric whose fields change the quantity it measures includes them in the name (``top_2``), so that one run
        can have two of them; two metrics of equal name in a run are an error.
        """
        return self.label()

    @abstractmethod
    def start(self, runs: int) -> None:
        """Reset the accumulated figure, for ``runs`` runs."""

    @abstractmethod
    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``."""

    @abstractmethod
    def value(self) -> np.ndarray:
        """Return each run's figure over all batches since `start`, shape ``(R,)``, float64; NaN without batches."""
