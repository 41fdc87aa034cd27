"""Which samples go to training, validation and test: fixed by a seed, stratified by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from framework.base.randomness import stream
from framework.errors import InputError


@dataclass(frozen=True)
class Layout:
    """How many samples a data set has and what they look like, for help that must not load them.

    Attributes:
        samples: how many, an official test set aside.
        official_test: samples of the official test set, or None.
        input_shape: of one sample.
        classes: how many.
    """

    samples: int
    official_test: int | None
    input_shape: tuple[int, ...]
    classes: int


class Split(NamedTuple):
    """Places of the samples of each part, in their original order; ``test`` is empty beside an official test set."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Splitter:
    """Holds samples out, the same ones each time.

    Attributes:
        labels: integer labels ``(N,)`` to keep the classes' shares by, or None for values.
        seed: of the choice; independent of any run's seed.
    """

    labels: np.ndarray | None
    seed: int

    def split(self, samples: int, *, test: float | None, validation: float, train_limit: int | None = None) -> Split:
        """Return the places of each part.

        Args:
            samples: how many there are.
            test: below 1 a share of the samples, else a count; None for an official test set.
            validation: as ``test``, of the samples that are left.
            train_limit: keep at most this many training samples.

        Raises:
            InputError: a part would be empty.
        """
        rest = np.arange(samples)
        tested = rest[:0]
        if test is not None:
            rest, tested = self.hold_out(rest, test, "test")
        rest, validated = self.hold_out(rest, validation, "validation")
        if train_limit is not None and train_limit < len(rest):
            _, rest = self.hold_out(rest, train_limit, "train_limit")
        return Split(rest, validated, tested)

    def hold_out(self, places: np.ndarray, share: float, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return ``places`` without and with the held-out part, both in their original order.

        Args:
            places: the places ``(n,)`` of the samples to choose from.
            share: below 1 a share of ``places``, else a count.
            name: what the part is for; each name has a random stream of its own.

        Raises:
            InputError: one of the two parts would be empty.
        """
        wanted = round(share * len(places)) if share < 1 else int(share)
        if not 0 < wanted < len(places):
            raise InputError(f"dataset.{name}={share:g} takes {wanted} of {len(places)} samples: both parts need some")
        order = stream(self.seed, "split", name).permutation(len(places))
        chosen = order[:wanted] if self.labels is None else stratified(self.labels[places], order, wanted)
        mask = np.zeros(len(places), dtype=bool)
        mask[chosen] = True
        return places[~mask], places[mask]


def stratified(labels: np.ndarray, order: np.ndarray, wanted: int) -> np.ndarray:
    """Return ``wanted`` places with each class's share as near to its share of all as whole numbers allow.

    Args:
        labels: integer labels ``(N,)``.
        order: a permutation of the N places; within a class the first of it are taken.
        wanted: how many places to return.
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
    """Yield a line for each split that lacks classes of the others.

    Args:
        splits: integer labels ``(N,)`` by name.
        class_names: one a class, or empty.
        remedies: what the user can do, by name of the split.
    """
    held = {name: {int(label) for label in np.unique(labels)} for name, labels in splits.items()}
    for name, own in held.items():
        absent = sorted(set().union(*held.values()) - own)
        if absent:
            yield (
                f"the {name} split has no sample of {_listed(absent, class_names)}, so its figures say nothing about "
                f"{'it' if len(absent) == 1 else 'them'}: {remedies[name]}, or leave small classes out"
            )


def _listed(labels: Sequence[int], names: Sequence[str], most: int = 5) -> str:
    """Return classes in words: ``"class a"``, ``"classes a, b"``, at most so many by name."""
    shown = [names[label] if names else str(label) for label in labels[:most]]
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return f"class{'' if len(labels) == 1 else 'es'} {', '.join(shown)}{more}"
