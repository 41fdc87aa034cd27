"""Base class of data sets, and the preparation of training, validation and test splits from raw samples."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from framework.base.fields import Configurable, choice, flag, integer, number
from framework.base.parameters import Shape
from framework.data.scaling import Scaling
from framework.data.splits import Layout, Split, Splitter, absent_classes
from framework.errors import InputError

EXAMPLES = 3
"""Number of test inputs that are kept unscaled, as examples of a trained model's input."""


@dataclass(frozen=True)
class Samples:
    """Inputs and their targets.

    Attributes:
        inputs: shape ``(N, *shape)``.
        targets: integer labels ``(N,)`` or float values ``(N, *target_shape)``.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: np.ndarray) -> Samples:
        """Return a copy of the samples at the indices ``places``."""
        return Samples(self.inputs[places], self.targets[places])


@dataclass(frozen=True)
class Raw:
    """The result of `Dataset.load`: all samples in their own units, and the official test set if there is one.

    A trained model takes inputs in these units: a saved model contains `Data.input_scaling`, which converts them to
    the network's inputs. Images therefore stay bytes here.

    Attributes:
        samples: inputs (any real dtype, finite) and targets (integers from 0 for classes, floats for values).
        official_test: the test split, or None to split it from ``samples``.
        official_validation: the validation split, or None to split it from ``samples``.
        class_names: one name per class, or () for numbers from 0 to the largest label.
        source: a description of the samples' origin, for records.
        full_scale: the divisor of the inputs if they are not standardised, such as 255 for bytes.
        task: ``"classification"`` or ``"regression"`` if it depends on the data; None for the task of the class.
        guessed: whether whole numbers were interpreted as classes without an explicit setting.
        columns: the names of a table's features, in order, or () for inputs without names.
    """

    samples: Samples
    official_test: Samples | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    full_scale: float = 1.0
    task: str | None = None
    guessed: bool = False
    columns: tuple[str, ...] = ()
    official_validation: Samples | None = None

    @property
    def parts(self) -> tuple[Samples, ...]:
        """The samples, followed by the official test and validation sets that exist."""
        official = (self.official_test, self.official_validation)
        return (self.samples, *(part for part in official if part is not None))


@dataclass(frozen=True)
class Data:
    """The three splits, scaled and cast to the run's dtype.

    Attributes:
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.
        classes: the number of classes, or None for values.
        class_names, source, columns, guessed: as in `Raw`.
        input_scaling, target_scaling: maps from `Raw`'s units to those of the splits; fitted on the training split
            alone.
        digest: a short hash of the samples of each split in order; it identifies the data on a run's page.
        examples: the first few test inputs, in `Raw`'s units and dtype.
        cautions: warnings about classes that a split lacks.
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
    examples: np.ndarray
    columns: tuple[str, ...] = ()
    guessed: bool = False
    cautions: tuple[str, ...] = ()

    @property
    def input_shape(self) -> Shape:
        """The shape of one input."""
        return self.train.inputs.shape[1:]

    @property
    def target_shape(self) -> Shape:
        """The shape of a model's prediction for one sample: ``(classes,)`` for labels."""
        return (self.classes,) if self.classes is not None else self.train.targets.shape[1:]


class Dataset(Configurable, ABC):
    """A source of samples. A subclass loads all of them; this class splits and scales them.

    The splits depend on ``split_seed`` alone, never on a run's ``seed``: all runs of a problem are evaluated on the
    same samples. They are stratified by class. An official test set is not changed.

    Attributes:
        task: ``"classification"`` or ``"regression"``, unless `Raw.task` overrides it.
    """

    task: ClassVar[str] = "classification"
    downloads: ClassVar[bool] = False
    """Whether `load` may use the network if `stamp` finds no files."""
    layout: ClassVar[Layout | None] = None
    """Sizes to show without loading; with None the samples are loaded, unless that could start a download."""
    split_seed: int = integer(0, at_least=0, help="seed of the split; independent of the run's seed")
    validation: float = number(0.1, above=0, help="share of the training samples if below 1, else a count")
    test: float = number(0.2, above=0, help="as validation; ignored if there is an official test set")
    train_limit: int | None = integer(None, at_least=1, help="keep at most this many training samples")
    scaling: str = choice("standardize", ("standardize", "none"), help="fitted on the training split")
    reconstruct: bool = flag(False, help="predict the inputs instead of the targets (autoencoders)")

    @abstractmethod
    def load(self) -> Raw:
        """Return all samples.

        Raises:
            InputError: a file is missing or invalid; the message names the file and a remedy.
        """

    def stamp(self) -> Hashable:
        """Return a value that changes if the files of the samples change; () if there are no files."""
        return ()

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return a message if a count of samples is not a whole number, or None."""
        for name in ("validation", "test"):
            if values[name] > 1 and not float(values[name]).is_integer():
                return f"{name}={values[name]:g} must be a share below 1 or a whole number of samples"
        return None

    def prepare(self, dtype: Any) -> Data:
        """Return the samples, loaded, split, scaled and cast.

        Args:
            dtype: the dtype of the inputs, and of targets that are values.

        Raises:
            InputError: as `load`, or a split would be empty, or `load` returned invalid samples, or the numbers
                exceed the range of ``dtype``.
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
        splits = {"train": train, "validation": validation, "test": test}

        def ready(part: Samples) -> Samples:
            x = _scaled(part.inputs, inputs, dtype, f"{self.label()}: inputs")
            if task == "reconstruction":
                return Samples(x, x)
            if task == "regression":
                return Samples(x, _scaled(part.targets, targets, dtype, f"{self.label()}: targets"))
            return Samples(x, part.targets.astype(np.intp))

        return Data(
            **{name: ready(part) for name, part in splits.items()},
            task=task,
            classes=classes if task == "classification" else None,
            class_names=raw.class_names,
            input_scaling=inputs,
            target_scaling=inputs if task == "reconstruction" else targets,
            source=raw.source,
            digest=_digest(*splits.values()),
            examples=test.inputs[:EXAMPLES].copy(),
            columns=raw.columns,
            guessed=raw.guessed,
            cautions=self._cautions(splits, raw) if task == "classification" else (),
        )

    def _split(self, raw: Raw, labels: np.ndarray | None) -> tuple[Samples, Samples, Samples]:
        split = self.split(
            len(raw.samples),
            labels,
            official_test=raw.official_test is not None,
            official_validation=raw.official_validation is not None,
        )
        test = raw.samples.take(split.test) if raw.official_test is None else raw.official_test
        validation = raw.official_validation or raw.samples.take(split.validation)
        return raw.samples.take(split.train), validation, test

    def split(
        self, samples: int, labels: np.ndarray | None, *, official_test: bool, official_validation: bool = False
    ) -> Split:
        """Return the indices of the samples of each split.

        Args:
            samples: the number of samples, without an official test set.
            labels: integer labels ``(N,)`` for stratification, or None for values.
            official_test: whether there is an official test set; the test split is then empty.
            official_validation: as ``official_test``, for the validation split.

        Raises:
            InputError: a split would be empty.
        """
        test = None if official_test else self.test
        validation = None if official_validation else self.validation
        splitter = Splitter(labels, self.split_seed)
        return splitter.split(samples, test=test, validation=validation, train_limit=self.train_limit)

    def _cautions(self, splits: Mapping[str, Samples], raw: Raw) -> tuple[str, ...]:
        """Return one warning per split that lacks classes of the other splits."""
        remedies = {"train": "add samples", "validation": "raise dataset.validation", "test": "raise dataset.test"}
        if raw.official_test is not None:
            remedies["test"] = "the official test set is kept as it is"
        if self.train_limit is not None:
            remedies["train"] = "raise dataset.train_limit"
        labels = {name: part.targets for name, part in splits.items()}
        return tuple(f"{self.label()}: {line}" for line in absent_classes(labels, raw.class_names, remedies))


def prepared(dataset: Dataset, dtype: Any) -> Data:
    """Return ``dataset.prepare(dtype)``; the last four results are cached for the jobs of a sweep.

    The arrays are read-only, because later runs in this process may share them. Changed files are read again.

    Args:
        dataset: the data set.
        dtype: as in `Dataset.prepare`.

    Raises:
        InputError: as `Dataset.prepare`, or the samples do not fit into memory.
    """
    settings = tuple(tuple(sorted(row.items())) for row in dataset.rows)
    if settings == settings[:1] * len(settings):  # populations of all sizes share one copy
        settings = settings[:1]
    try:
        return _prepared(_Request((type(dataset), settings, np.dtype(dtype).str, dataset.stamp()), dataset, dtype))
    except MemoryError as error:
        raise InputError(f"{dataset.label()}: the samples do not fit into memory ({error}): use fewer") from error


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
    for part in raw.parts:
        if len(part.inputs) != len(part.targets):
            raise InputError(
                f"{name}: {len(part.inputs)} inputs with {len(part.targets)} targets: the numbers must be equal"
            )
        if part.inputs.shape[1:] != raw.samples.inputs.shape[1:]:
            shapes = f"{part.inputs.shape[1:]}, the other inputs {raw.samples.inputs.shape[1:]}"
            raise InputError(f"{name}: inputs of an official split have shape {shapes}: they must be the same")
        for array, what, lacking in ((part.inputs, "inputs", "features"), (part.targets, "targets", "values")):
            if not math.prod(array.shape[1:]):
                raise InputError(
                    f"{name}: {what} have no {lacking} (shape {array.shape}): each sample needs at least one number"
                )
            if array.dtype.kind not in "buif" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
                raise InputError(f"{name}: inputs and targets must be finite real numbers: look for NaN, inf or text")


def _classes(raw: Raw, task: str, name: str) -> int | None:
    """Return the number of classes, or None for values."""
    if task != "classification":
        return None
    largest = -1
    for part in raw.parts:
        labels = part.targets
        if labels.ndim != 1 or labels.dtype.kind not in "ui" or labels.min(initial=0) < 0:
            raise InputError(f"{name}: class labels must be whole numbers from 0, shape (N,); for values set its task")
        largest = max(largest, int(labels.max(initial=-1)))
    return max(largest + 1, len(raw.class_names))


def _scaled(x: np.ndarray, scaling: Scaling, dtype: Any, what: str) -> np.ndarray:
    """Return ``x`` scaled and cast; raise `InputError` if numbers become infinite."""
    out = scaling.apply(x, dtype)
    if not np.isfinite([out.min(), out.max()]).all():
        largest = max(abs(float(x.min())), abs(float(x.max())))
        remedy = "set dtype=float64, or " if np.dtype(dtype) == np.float32 else ""
        raise InputError(
            f"{what} reach {largest:.3g}, which exceeds {np.dtype(dtype)} after scaling: {remedy}rescale the data"
        )
    return out


def _digest(*parts: Samples) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        for array in (part.inputs, part.targets):
            plain = np.ascontiguousarray(array)
            hashed.update(f"{plain.dtype.str}{plain.shape}".encode())
            hashed.update(plain.reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()[:12]
