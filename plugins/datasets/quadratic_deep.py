"""The samples of DeepOBS' quadratic problem."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, choice, hookimpl

TRAIN, EVALUATED, DIMENSIONS, STD = 1000, 896, 100, 0.6


class QuadraticDeep(Dataset):
    """Points around the origin for the loss ``quadratic_deep``.

    The targets ``(100,)`` are from N(0, 0.6^2); the inputs are zeros, which the layer ``point`` ignores. There are
    1,000 training samples (seed 42) and 896 test samples (seed 43): the published problem draws 1,000 and leaves out
    the last incomplete batch of 128. The 896 validation samples (seed 44) are an addition of this project.

    Source: Schneider, Balles & Hennig 2019, "DeepOBS: A Deep Learning Optimizer Benchmark Suite", arXiv:1903.05499,
    problem ``quadratic_deep``.
    """

    task = "regression"
    scaling: str = choice("none", ("none",), help="the samples are not scaled")

    def load(self) -> Raw:
        """Return the three sets."""
        train, test, validation = (
            _drawn(seed, count) for seed, count in ((42, TRAIN), (43, EVALUATED), (44, EVALUATED))
        )
        return Raw(train, official_test=test, official_validation=validation, source="generated")


def _drawn(seed: int, count: int) -> Samples:
    values = np.random.RandomState(seed).normal(0.0, STD, (TRAIN, DIMENSIONS))[:count]
    return Samples(np.zeros((count, 1)), values)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=quadratic_deep``."""
    yield DatasetSpec("quadratic_deep", QuadraticDeep)
