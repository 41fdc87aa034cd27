"""The figures of models before their first step: what a run that learns nothing is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.config.resolved import RunConfig
from framework.errors import exits_as_errors
from framework.system.resources import blas_threads
from framework.training.loop import evaluate
from framework.training.population import Population


def untrained(configs: Sequence[RunConfig]) -> list[dict[str, float]]:
    """Return the loss and the metrics of each run's freshly initialised model on the validation and test splits.

    The figures depend on the seed, the data set, the model, the loss and the metrics, and on nothing else.

    Args:
        configs: checked configurations, of any structures.

    Returns:
        One mapping per configuration, named ``val/…`` and ``test/…``; a figure may be infinite or NaN.

    Raises:
        InputError: the parts of a run do not fit together.
    """
    return [_figures(config) for config in configs]


def _figures(config: RunConfig) -> dict[str, float]:
    with blas_threads(config.settings.threads), np.errstate(all="ignore"), exits_as_errors():
        population = Population([config])
        splits = {"val": population.data.validation, "test": population.data.test}
        return {
            f"{split}/{name}": float(values[0])
            for split, samples in splits.items()
            for name, values in evaluate(population, samples).items()
        }
