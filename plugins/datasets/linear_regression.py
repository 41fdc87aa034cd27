"""A noisy linear map."""

from __future__ import annotations

from collections.abc import Iterator

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, number, stream


class LinearRegression(Dataset):
    """A linear map of normal features plus noise: a regression problem with a known solution.

    For inputs x ``(features,)`` from N(0, 1), the targets ``(1,)``, with w, b and z from N(0, 1), are::

        y = x . w + b + noise z

    w and b are the same for all samples, z is drawn per sample.
    """

    task = "regression"
    samples: int = integer(1000, at_least=10, help="samples in all")
    features: int = integer(10, at_least=1, help="numbers per sample")
    noise: float = number(0.1, at_least=0, help="standard deviation of the targets around the map")
    data_seed: int = integer(0, at_least=0, help="seed of map and samples; independent of split and run")

    def load(self) -> Raw:
        """Return the samples of a random map."""
        *weights, offset = stream(self.data_seed, "linear_regression", "map").standard_normal(self.features + 1)
        inputs = stream(self.data_seed, "linear_regression", "inputs").standard_normal((self.samples, self.features))
        errors = stream(self.data_seed, "linear_regression", "errors").standard_normal((self.samples, 1))
        # A sum, not a matrix product: the bits of BLAS depend on the processor.
        targets = (inputs * weights).sum(axis=1, keepdims=True) + offset + self.noise * errors
        return Raw(Samples(inputs, targets), source="generated")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=linear_regression``."""
    yield DatasetSpec("linear_regression", LinearRegression)
