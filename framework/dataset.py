"""What a data set subclasses, and how raw samples become fixed train, validation and test splits."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from framework.errors import InputError
from framework.fields import Configurable, choice, flag, integer, number
from framework.parameters import Shape
from framework.splits import Splitter


@dataclass(frozen=True)
class Samples:
    """Inputs ``(N, *shape)`` with their targets: integer labels ``(N,)`` or float values ``(N, *target_shape)``."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: np.ndarray) -> Samples:
        """Return a copy of the samples at ``places``."""
        return Samples(self.inputs[places], self.targets[places])


@dataclass(frozen=True)
class Raw:
    """What a data set loads: all samples in their own units, and the official test set where there is one.

    These are the units in which a trained model is asked for predictions: `Data.input_scaling`, which a saved
    model carries, leads from them to what the network sees. So images stay bytes here.

    Attributes:
        samples: inputs (any real dtype, finite) and targets (integers from 0 for classes, floats for values).
        official_test: kept as the test split when present.
        class_names: what the labels mean, one name a class, or () for numbers from 0 to the largest label.
        source: where the samples came from, for the record.
        full_scale: the input that the network sees as 1 where nothing is standardised, such as 255 for bytes.
        task: ``"classification"`` or ``"regression"`` where only the data can tell; None leaves it to the class.
    """

    samples: Samples
    official_test: Samples | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    full_scale: float = 1.0
    task: str | None = None


@dataclass(frozen=True)
class Scaling:
    """An affine map, ``(x - mean) / scale``, per feature or the same for all (shape ``()``), in float64."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaling:
        """Return the map that gives ``x`` mean 0 and deviation 1 per feature; constant features become 0."""
        mean = x.mean(axis=0, dtype=np.float64)
        squares = np.zeros_like(mean)
        for rows in _blocks(x):
            squares += ((rows - mean) ** 2).sum(axis=0)
        scale = np.sqrt(squares / len(x))
        # The mean of equal numbers is rounded, so their deviation need not be 0: ask the numbers themselves.
        varies = (x.max(axis=0) > x.min(axis=0)) & (scale > 0)
        return cls(np.where(varies, mean, x[0]), np.where(varies, scale, 1.0))

    @classmethod
    def identity(cls) -> Scaling:
        """Return the map that changes nothing."""
        return cls.by(1.0)

    @classmethod
    def by(cls, full_scale: float) -> Scaling:
        """Return the map that divides by ``full_scale``."""
        return cls(np.zeros(()), np.array(full_scale, dtype=np.float64))

    def apply(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """Return ``x`` scaled, as a new array in ``dtype``; computed in float64 without a float64 copy of ``x``."""
        out = np.empty(x.shape, dtype)
        if self.mean.any():
            x = np.subtract(x, self.mean, out=out, casting="same_kind")
        return np.divide(x, self.scale, out=out, casting="same_kind")

    def invert(self, y: np.ndarray) -> np.ndarray:
        """Return what `apply` would have scaled to ``y``."""
        return y * self.scale + self.mean


@dataclass(frozen=True)
class Data:
    """The three splits, scaled and in the run's dtype.

    Attributes:
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.
        classes: how many classes, or None for values.
        input_scaling, target_scaling: from `Raw`'s units to those of the splits; fitted on the training split alone.
        digest: a short hash of the samples of each split in order, so that a run's page says which data it saw.
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
    downloads: ClassVar[bool] = False
    """`load` may use the network where `stamp` finds no files."""
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

    def stamp(self) -> Hashable:
        """Return something that changes when the files behind the samples change; () where there are none."""
        return ()

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Refuse a count of samples that is not whole."""
        for name in ("validation", "test"):
            if values[name] > 1 and not float(values[name]).is_integer():
                return f"{name}={values[name]:g} must be a share below 1 or a whole number of samples"
        return None

    def prepare(self, dtype: Any) -> Data:
        """Load, split, scale and cast.

        Args:
            dtype: of the inputs, and of targets that are values.

        Raises:
            InputError: as `load`, or a split would be empty, or a subclass loaded what is no data set.
        """
        raw = self.load()
        _check(raw, self.label())
        learned = raw.task or self.task
        classes = _classes(raw, learned, self.label())
        task = "reconstruction" if self.reconstruct else learned
        train, validation, test = self._split(raw, None if classes is None else raw.samples.targets)
        standardize = self.scaling == "standardize"
        inputs = Scaling.fit(train.inputs) if standardize else Scaling.by(raw.full_scale)
        targets = Scaling.fit(train.targets) if standardize and task == "regression" else Scaling.identity()
        digest = _digest(train, validation, test)

        def ready(part: Samples) -> Samples:
            x = inputs.apply(part.inputs, dtype)
            if task == "reconstruction":
                return Samples(x, x)
            if task == "regression":
                return Samples(x, targets.apply(part.targets, dtype))
            return Samples(x, part.targets.astype(np.intp))

        return Data(
            train=ready(train),
            validation=ready(validation),
            test=ready(test),
            task=task,
            classes=classes if task == "classification" else None,
            class_names=raw.class_names,
            input_scaling=inputs,
            target_scaling=inputs if task == "reconstruction" else targets,
            source=raw.source,
            digest=digest,
        )

    def _split(self, raw: Raw, labels: np.ndarray | None) -> tuple[Samples, Samples, Samples]:
        splitter = Splitter(labels, self.split_seed)
        rest = np.arange(len(raw.samples))
        test = raw.official_test
        if test is None:
            rest, held = splitter.hold_out(rest, self.test, "test")
            test = raw.samples.take(held)
        rest, held = splitter.hold_out(rest, self.validation, "validation")
        if self.train_limit is not None and self.train_limit < len(rest):
            _, rest = splitter.hold_out(rest, self.train_limit, "train_limit")
        return raw.samples.take(rest), raw.samples.take(held), test


def prepared(dataset: Dataset, dtype: Any) -> Data:
    """Return ``dataset.prepare(dtype)``, made once for the jobs of a sweep: the last four stay in memory.

    The arrays are read-only, because the next run in this process may get the same ones. Files that changed are
    read again.
    """
    settings = tuple(tuple(sorted(row.items())) for row in dataset.rows)
    return _prepared(_Request((type(dataset), settings, np.dtype(dtype).str, dataset.stamp()), dataset, dtype))


@dataclass(frozen=True)
class _Request:
    key: Hashable
    dataset: Dataset = field(compare=False)
    dtype: Any = field(compare=False)


@lru_cache(maxsize=4)
def _prepared(request: _Request) -> Data:
    data = request.dataset.prepare(request.dtype)
    for part in (data.train, data.validation, data.test):
        part.inputs.flags.writeable = False
        part.targets.flags.writeable = False
    return data


def _check(raw: Raw, name: str) -> None:
    for part in (raw.samples, raw.official_test or raw.samples):
        if len(part.inputs) != len(part.targets):
            raise InputError(
                f"{name}: {len(part.inputs)} inputs with {len(part.targets)} targets: each needs the other"
            )
        if part.inputs.shape[1:] != raw.samples.inputs.shape[1:]:
            shapes = f"{part.inputs.shape[1:]}, the other inputs {raw.samples.inputs.shape[1:]}"
            raise InputError(f"{name}: inputs of the official test set have shape {shapes}: they must be the same")
        for array in (part.inputs, part.targets):
            if array.dtype.kind not in "buif" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
                raise InputError(f"{name}: inputs and targets must be finite real numbers: look for NaN, inf or text")


def _classes(raw: Raw, task: str, name: str) -> int | None:
    """Return the number of classes, or None for values."""
    if task != "classification":
        return None
    largest = -1
    for part in (raw.samples, raw.official_test or raw.samples):
        labels = part.targets
        if labels.ndim != 1 or labels.dtype.kind not in "ui" or labels.min(initial=0) < 0:
            raise InputError(f"{name}: class labels must be whole numbers from 0, shape (N,); for values set its task")
        largest = max(largest, int(labels.max(initial=-1)))
    return max(largest + 1, len(raw.class_names))


def _digest(*parts: Samples) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        for array in (part.inputs, part.targets):
            plain = np.ascontiguousarray(array)
            hashed.update(f"{plain.dtype.str}{plain.shape}".encode())
            hashed.update(plain.reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()[:12]


def _blocks(x: np.ndarray, rows: int = 1024) -> Iterator[np.ndarray]:
    return (x[start : start + rows] for start in range(0, len(x), rows))
