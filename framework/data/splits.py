"""Assignment of samples to training, validation and test splits: fixed by a seed, stratified by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from framework.base.randomness import stream
from framework.errors import InputError


@dataclass(frozen=True)
class Layout:
    """The sizes of a data set, for help pages that must not load it.

    Attributes:
        samples: the number of samples, without an official test set.
        official_test: the number of samples of the official test set, or None.
        input_shape: the shape of one sample's input.
        classes: the number of classes.
    """

    samples: int
    official_test: int | None
    input_shape: tuple[int, ...]
    classes: int


class Split(NamedTuple):
    """Indices of the samples of each split, in their original order; a split that is official is empty here."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Splitter:
    """Splits samples reproducibly.

    Attributes:
        labels: integer labels ``(N,)`` for stratification, or None for values.
        seed: the seed of the split; independent of any run's seed.
    """

    labels: np.ndarray | None
    seed: int

    def split(
        self, samples: int, *, test: float | None, validation: float | None, train_limit: int | None = None
    ) -> Split:
        """Return the indices of the samples of each split.

        Args:
            samples: the number of samples.
            test: a share of the samples if below 1, else a count; None if there is an official test set.
            validation: as ``test``, of the remaining samples; None if there is an official validation set.
            train_limit: the maximum number of training samples, or None.

        Raises:
            InputError: a split would be empty.
        """
        rest = np.arange(samples)
        tested = validated = rest[:0]
        if test is not None:
            rest, tested = self.hold_out(rest, test, "test")
        if validation is not None:
            rest, validated = self.hold_out(rest, validation, "validation")
        if train_limit is not None and train_limit < len(rest):
            _, rest = self.hold_out(rest, train_limit, "train_limit")
        return Split(rest, validated, tested)

    def hold_out(self, places: np.ndarray, share: float, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return ``places`` without and with the held-out part, both in their original order.

        Args:
            places: the indices ``(n,)`` of the samples to choose from.
            share: a share of ``places`` if below 1, else a count.
            name: the name of the held-out part; each name has its own random stream.

        Raises:
            InputError: one of the two parts would be empty.
        """
        wanted = round(share * len(places)) if share < 1 else int(share)
        if not 0 < wanted < len(places):
            raise InputError(
                f"dataset.{name}={share:g} takes {wanted} of {len(places)} samples: both parts need at least one"
            )
        order = stream(self.seed, "split", name).permutation(len(places))
        chosen = order[:wanted] if self.labels is None else stratified(self.labels[places], order, wanted)
        mask = np.zeros(len(places), dtype=bool)
        mask[chosen] = True
        return places[~mask], places[mask]


def stratified(labels: np.ndarray, order: np.ndarray, wanted: int) -> np.ndarray:
    """Return ``wanted`` indices in which each class has its share of all samples, rounded by largest remainders.

    Args:
        labels: integer labels ``(N,)``.
        order: a permutation of the N indices; the first ones of each class are taken.
        wanted: the number of indices to return.
    """
    counts = np.bincount(labels)
    exact = counts * (wanted / len(labels))
    quota = np.floor(exact).astype(int)
    largest_remainders = np.argsort(quota - exact, kind="stable")[: wanted - quota.sum()]
    quota[largest_remainders] += 1
    shuffled = labels[order]
    return np.concatenate([order[shuffled == label][:take] for label, take in enumerate(quota)])


def absent_classes(
    splits: Mapping[str, np.ndarray], class_names: Sequence[str], remedies: Mapping[str, str]
) -> Iterator[str]:
    """Yield one warning per split that lacks classes of the other splits.

    Args:
        splits: integer labels ``(N,)`` by the split's name.
        class_names: one name per class, or empty.
        remedies: advice to the user by the split's name.
    """
    present = {name: {int(label) for label in np.unique(labels)} for name, labels in splits.items()}
    for name, own in present.items():
        absent = sorted(set().union(*present.values()) - own)
        if absent:
            yield (
                f"the {name} split has no sample of {_listed(absent, class_names)}, so its figures do not cover "
                f"{'it' if len(absent) == 1 else 'them'}: {remedies[name]}, or leave small classes out"
            )


def _listed(labels: Sequence[int], names: Sequence[str], most: int = 5) -> str:
    """Return a list of classes such as ``"class a"`` or ``"classes a, b"``; at most ``most`` are named."""
    shown = [names[label] if names else str(label) for label in labels[:most]]
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return f"class{'' if len(labels) == 1 else 'es'} {', '.join(shown)}{more}"
