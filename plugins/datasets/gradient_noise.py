"""Noise for the gradients of function problems."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, choice, hookimpl, integer, number


class GradientNoise(Dataset):
    """Noise vectors that a function loss adds to its gradient; none in validation and test.

    The targets ``(dimensions,)`` of the training samples are independent numbers, ``std`` times N(0, 1) or Student's t.
    The inputs are zeros, which the layer ``point`` ignores. Validation and test consist of one target of zeros each:
    they evaluate the function without noise. An epoch has ``samples`` / ``batch_size`` steps.

    Source: the two-dimensional problems of DeepOBS (Schneider, Balles & Hennig 2019, arXiv:1903.05499), which add noise
    from N(0, 1); heavy tails as in Zhang et al. 2020, "Why are adaptive methods good for attention models?",
    arXiv:1912.03194.
    """

    task = "regression"
    samples: int = integer(1000, at_least=1, help="noise vectors; with batch_size=1 the steps of an epoch")
    dimensions: int = integer(2, at_least=1, help="coordinates of the point")
    std: float = number(1.0, at_least=0, help="standard deviation (normal) or scale (student_t) of the noise")
    distribution: str = choice("normal", ("normal", "student_t"), help="student_t: heavy tails")
    freedom: float = number(1.5, above=0, help="degrees of freedom of student_t; the variance is infinite up to 2")
    data_seed: int = integer(42, at_least=0, at_most=2**32 - 1, help="seed of the noise; independent of the run's")
    scaling: str = choice("none", ("none",), help="the noise is not scaled")

    def load(self) -> Raw:
        """Return the noise vectors and one target of zeros for validation and test."""
        rng = np.random.RandomState(self.data_seed)  # the generator of the published problems
        shape = (self.samples, self.dimensions)
        drawn = rng.standard_normal(shape) if self.distribution == "normal" else rng.standard_t(self.freedom, shape)
        exact = _without_inputs(np.zeros((1, self.dimensions)))
        return Raw(
            _without_inputs(self.std * drawn), official_test=exact, official_validation=exact, source="generated"
        )


def _without_inputs(targets: np.ndarray) -> Samples:
    return Samples(np.zeros((len(targets), 1)), targets)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=gradient_noise``."""
    yield DatasetSpec("gradient_noise", GradientNoise)
