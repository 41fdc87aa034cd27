"""MNIST-1D."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from framework import Dataset, DatasetSpec, InputError, Layout, Raw, Samples, choice, hookimpl, integer


class Mnist1d(Dataset):
    """Digits drawn as one-dimensional signals of 40 points: 4,000 for training, 1,000 for testing.

    Inputs ``(40,)``. Made by the package ``mnist1d`` with its default arguments, never downloaded; needs the extra
    ``mnist1d``.

    Source: Greydanus & Kobak 2024, arXiv:2011.14439.
    """

    layout = Layout(4_000, 1_000, (40,), classes=10)
    scaling: str = choice("none", ("standardize", "none"), help="none: as generated, deviation 1 over all points")
    data_seed: int = integer(42, at_least=0, at_most=2**32 - 1, help="seed of the generator; 42 is the package's own")

    def load(self) -> Raw:
        """Generate the signals.

        Raises:
            InputError: the package is not installed.
        """
        try:
            from mnist1d.data import get_dataset_args, make_dataset
        except ModuleNotFoundError as error:
            raise InputError(
                f"dataset=mnist1d needs a package that is not installed ({error.name}): "
                "pip install 'optimizer-workbench[mnist1d]'"
            ) from error
        arguments = get_dataset_args()
        arguments.seed = self.data_seed
        with _global_random_state_kept():
            made = make_dataset(arguments)
        return Raw(
            samples=Samples(made["x"], made["y"]),
            official_test=Samples(made["x_test"], made["y_test"]),
            class_names=tuple(str(digit) for digit in range(10)),
            source=f"mnist1d.make_dataset(seed={self.data_seed})",
        )


@contextmanager
def _global_random_state_kept() -> Iterator[None]:
    # The package seeds the two global generators; a user's own draws in a notebook must not notice.
    numpy_state = np.random.get_state()  # noqa: NPY002
    python_state = random.getstate()
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=mnist1d``."""
    yield DatasetSpec("mnist1d", Mnist1d)
