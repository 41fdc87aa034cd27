"""What a data set subclasses, and how raw samples become fixed train, validation and test splits."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework.errors import InputError
from framework.fields import Configurable, choice, flag, integer, number
from framework.parameters import Shape
from framework.randomness import stream


@dataclass(frozen=True)
class Samples:
    """Inputs ``(N, *shape)`` with their targets: integer labels ``(N,)`` or float values ``(N, *target_shape)``."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: np.ndarray) -> Samples:
        """Return the samples at ``places``."""
        return Samples(self.inputs[places], self.targets[places])


@dataclass(frozen=True)
class Raw:
    """What a data set loads: all samples, and the official test set where there is one.

    Attributes:
        samples: inputs (any real dtype) and targets (integers from 0 for classes, floats for values).
        official_test: kept as the test split when present.
        class_names: what the labels mean, or () for numbers.
        source: where the samples came from, for the record.
    """

    samples: Samples
    official_test: Samples | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Scaling:
    """An affine map fitted on the training split: ``(x - mean) / scale``, per feature."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaling:
        """Return the map that gives ``x`` mean 0 and deviation 1 per feature; constant features stay 0."""
        mean = x.mean(axis=0, dtype=np.float64)
        scale = x.std(axis=0, dtype=np.float64)
        return cls(mean, np.where(scale > 1e-12, scale, 1.0))

    @classmethod
    def identity(cls) -> Scaling:
        """Return the map that changes nothing."""
        return cls(np.zeros(()), np.ones(()))

    def apply(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """Return ``x`` scaled, in ``dtype``."""
        return ((x - self.mean) / self.scale).astype(dtype)

    def invert(self, y: np.ndarray) -> np.ndarray:
        """Return what `apply` would have scaled to ``y``."""
        return y * self.scale + self.mean


@dataclass(frozen=True)
class Data:
    """The three splits, scaled and in the run's dtype.

    Attributes:
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.
        classes: how many classes, or None for values.
        input_scaling, target_scaling: fitted on the training split alone.
        digest: a short hash of all samples in order, so that a run's page says which data it saw.
    """

    train: Samples
    validation: Samples
    test: Samples
    task: str
    classes: int | None
    class_names: tuple[str, ...]
    input_scaling: Scaling
    target_scaling: Scaling
    source: str
    digest: str

    @property
    def input_shape(self) -> Shape:
        """Shape of one input."""
        return self.train.inputs.shape[1:]

    @property
    def target_shape(self) -> Shape:
        """Shape of what a model predicts for one sample: ``(classes,)`` for labels."""
        return (self.classes,) if self.classes is not None else self.train.targets.shape[1:]


class Dataset(Configurable, ABC):
    """A source of samples. A subclass loads them all; splits and scaling are made here, the same way for each.

    The splits depend on ``split_seed`` alone, never on a run's ``seed``: all runs of a problem are judged on the
    same samples. They are stratified by class. An official test set is kept as it is.
    """

    task: ClassVar[str] = "classification"
    split_seed: int = integer(0, at_least=0, help="seed of the split; independent of the run's seed")
    validation: float = number(0.1, above=0, help="below 1 a share of the training samples, else a count")
    test: float = number(0.2, above=0, help="as validation; ignored where there is an official test set")
    train_limit: int | None = integer(None, at_least=1, help="keep at most this many training samples")
    scaling: str = choice("standardize", ("standardize", "none"), help="fitted on the training split")
    reconstruct: bool = flag(False, help="predict the inputs instead of the targets (autoencoders)")

    @abstractmethod
    def load(self) -> Raw:
        """Return all samples.

        Raises:
            InputError: a file is missing or wrong; the message says which and what to do.
        """

    def prepare(self, dtype: Any) -> Data:
        """Load, split, scale and cast.

        Args:
            dtype: of the inputs, and of targets that are values.

        Raises:
            InputError: as `load`, or a split would be empty.
        """
        raw = self.load()
        task = "reconstruction" if self.reconstruct else self.task
        train, validation, test = self._split(raw)
        scale = self.scaling == "standardize"
        inputs = Scaling.fit(train.inputs) if scale else Scaling.identity()
        targets = Scaling.identity()
        if task == "regression" and scale:
            targets = Scaling.fit(train.targets)

        def ready(part: Samples) -> Samples:
            x = inputs.apply(part.inputs, dtype)
            if task == "reconstruction":
                return Samples(x, x)
            if task == "regression":
                return Samples(x, targets.apply(part.targets, dtype))
            return Samples(x, part.targets.astype(np.intp))

        labels = raw.samples.targets
        return Data(
            train=ready(train),
            validation=ready(validation),
            test=ready(test),
            task=task,
            classes=int(labels.max()) + 1 if task == "classification" else None,
            class_names=raw.class_names,
            input_scaling=inputs,
            target_scaling=inputs if task == "reconstruction" else targets,
            source=raw.source,
            digest=_digest(train, validation, test),
        )

    def _split(self, raw: Raw) -> tuple[Samples, Samples, Samples]:
        labels = raw.samples.targets if self.task == "classification" else None
        rest = np.arange(len(raw.samples))
        if raw.official_test is None:
            rest, held = self._hold_out(rest, labels, self.test, "test")
            test = raw.samples.take(held)
        else:
            test = raw.official_test
        rest, held = self._hold_out(rest, labels, self.validation, "validation")
        if self.train_limit is not None and self.train_limit < len(rest):
            _, rest = self._hold_out(rest, labels, self.train_limit, "train_limit")
        return raw.samples.take(rest), raw.samples.take(held), test

    def _hold_out(
        self, places: np.ndarray, labels: np.ndarray | None, share: float, name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``places`` without and with the held-out part, both in their original order."""
        wanted = round(share * len(places)) if share < 1 else int(share)
        if not 0 < wanted < len(places):
            raise InputError(f"dataset.{name}={share:g} takes {wanted} of {len(places)} samples: both parts need some")
        order = stream(self.split_seed, "split", name).permutation(len(places))
        chosen = order[:wanted] if labels is None else stratified(labels[places], order, wanted)
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


def _digest(*parts: Samples) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        for array in (part.inputs, part.targets):
            hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:12]
