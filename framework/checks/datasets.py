"""Checks of data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from framework.checks.bits import differing
from framework.checks.new_process import Arrays, in_new_process
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import Settings, accepted, label
from framework.data.prepare import Data, Dataset, Raw, Samples
from framework.errors import InputError

LARGE = 5_000_000
BLOCK = 1_000
DIGITS = 4
"""Decimal digits to which the splits, in their loaded units, are compared with the loaded samples."""

SHARE = 1.5
"""Samples by which a class may miss its exact share of a split, because of rounding in each split."""


class DatasetCase:
    """A data set with one setting, loaded once."""

    def __init__(self, cls: type[Dataset], values: Settings) -> None:
        self.cls, self.values = cls, values

    def __str__(self) -> str:
        return label(self.values)

    @cached_property
    def raw(self) -> Raw:
        """The samples that the class loads."""
        return self.cls(**self.values).load()

    @property
    def dtypes(self) -> tuple[type, ...]:
        """The dtypes to check: float64 and float32, only float32 for large data sets, to save memory."""
        return (np.float32,) if self.raw.samples.inputs.size > LARGE else (np.float64, np.float32)

    @cached_property
    def data(self) -> Data:
        """The splits, in the first of `dtypes`."""
        return self.prepared(self.dtypes[0])

    def prepared(self, dtype: type, **changes: Any) -> Data:
        """Return the splits of the loaded samples, with some settings changed."""
        dataset = self.cls(**{**self.values, **changes})
        dataset.load = lambda: self.raw  # type: ignore[method-assign] # loading may take seconds
        return dataset.prepare(dtype)


@dataclass(frozen=True)
class DatasetSubject:
    """A data set's class with the cases that it is checked on."""

    cls: type[Dataset]
    cases: Sequence[DatasetCase] = field(default_factory=list)


def dataset_subject(cls: type[Dataset]) -> DatasetSubject:
    """Return the subject for a data set's class.

    Raises:
        Skip: it needs a download, a file or a package that is missing, or no settings are known to work.
    """
    settings = [dict(example) for example in cls.examples]
    if accepted(cls, {}):
        settings.insert(0, {})
    cases, reasons = [], ["no settings are known to work: give the class `examples`"]
    for values in settings:
        dataset = cls(**values)
        try:
            if cls.downloads and not dataset.stamp():
                raise Skip("its files are not on this machine, and checks download nothing")
            case = DatasetCase(cls, values)
            case.raw  # noqa: B018 - loads
        except InputError as error:
            reasons.append(str(error))
        else:
            cases.append(case)
    if not cases:
        raise Skip(reasons[-1])
    return DatasetSubject(cls, cases)


def repeats(subject: DatasetSubject) -> Figure:
    """Check that loading again gives the same samples, and preparing again the same splits."""
    findings = []
    for case in subject.cases:
        again = DatasetCase(subject.cls, case.values)
        count: float = differing(again.raw.samples.inputs, case.raw.samples.inputs)
        count += differing(again.raw.samples.targets, case.raw.samples.targets)
        count += again.data.digest != case.data.digest
        findings.append(
            (count, f"{case}: {count} numbers differ the second time; draw from stream(self.split_seed, …)")
        )
    return worst(findings, 0)


def repeats_in_new_process(subject: DatasetSubject) -> Figure:
    """Check that a new process loads and prepares the same samples: a run that continues refuses others."""
    found = in_new_process(_digests, subject.cls, {"cases": [case.values for case in subject.cases]}, {})
    findings = []
    for place, case in enumerate(subject.cases):
        differs = str(found[str(place)]) != case.data.digest
        findings.append((float(differs), f"{case}: the samples depend on the process; draw from stream(split_seed, …)"))
    return worst(findings, 0)


def _digests(cls: type[Dataset], given: Mapping[str, Any], arrays: Arrays) -> Arrays:
    """Return the hash of the prepared samples of each case, by its place."""
    return {str(place): np.array(DatasetCase(cls, values).data.digest) for place, values in enumerate(given["cases"])}


def splits_apart(subject: DatasetSubject) -> Figure:
    """Check that the splits together contain each loaded sample once.

    An official test set must be the test split, in the same order.
    """
    findings: list[tuple[float, str]] = []
    for case in subject.cases:
        if case.values.get("train_limit") is not None:
            continue
        parts, raw = _unscaled(case), case.raw
        wanted = [raw.samples, *([raw.official_test] if raw.official_test is not None else [])]
        split, loaded = _counts(parts), _counts(wanted)
        surplus = sum((split - loaded).values()) + sum((loaded - split).values())
        findings.append((surplus, f"{case}: {surplus} samples are missing from the splits or in two of them"))
        if raw.official_test is not None:
            differs = list(_rows(parts[2])) != list(_rows(raw.official_test))
            findings.append((float(differs), f"{case}: the official test set is not the test split"))
    return worst(findings, 0)


def _unscaled(case: DatasetCase) -> list[Samples]:
    """Return the three splits in the loaded units."""
    data = case.prepared(case.dtypes[0], scaling="none", reconstruct=False)
    scale = case.raw.full_scale
    return [Samples(part.inputs * scale, part.targets) for part in (data.train, data.validation, data.test)]


def _rows(samples: Samples) -> Iterator[int]:
    """Yield a hash of each sample with its target."""
    for start in range(0, len(samples), BLOCK):
        part = slice(start, start + BLOCK)
        inputs, targets = (array[part].astype(np.float64) for array in (samples.inputs, samples.targets))
        flat = [array.reshape(len(array), -1) for array in (inputs, targets)]
        rounded = np.round(np.concatenate(flat, axis=1), DIGITS) + 0.0  # no -0
        yield from (hash(row.tobytes()) for row in rounded)


def _counts(parts: Sequence[Samples]) -> Counter[int]:
    return Counter(row for part in parts for row in _rows(part))


def stratified(subject: DatasetSubject) -> Figure:
    """Check that each class has its share of each split, to within `SHARE` samples."""
    findings = []
    for case in subject.cases:
        if case.data.classes is None:
            continue
        parts = {"train": case.data.train, "validation": case.data.validation}
        if case.raw.official_test is None:
            parts["test"] = case.data.test
        labels = np.concatenate([part.targets for part in parts.values()])
        shares = np.bincount(labels, minlength=case.data.classes) / len(labels)
        for name, part in parts.items():
            away = np.abs(np.bincount(part.targets, minlength=case.data.classes) - shares * len(part)).max()
            findings.append((float(away), f"{case}: a class misses its share of {name} by {away:.1f} samples"))
    return worst(findings, SHARE)


def finite_and_typed(subject: DatasetSubject) -> Figure:
    """Check that inputs and values are finite and have the requested dtype, and that labels are valid.

    Labels are integers from 0 and below the number of classes.
    """
    findings = []
    for case in subject.cases:
        for dtype in case.dtypes:
            data = case.data if dtype is case.dtypes[0] else case.prepared(dtype)
            for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test)):
                wrong = not _sound(part, data, dtype)
                findings.append(
                    (float(wrong), f"{case}: {name} in {np.dtype(dtype)} has a wrong dtype or invalid numbers")
                )
    return worst(findings, 0)


def _sound(part: Samples, data: Data, dtype: type) -> bool:
    good = part.inputs.dtype == dtype and bool(np.isfinite(part.inputs).all())
    if data.classes is None:
        return good and part.targets.dtype == dtype and bool(np.isfinite(part.targets).all())
    return good and part.targets.dtype.kind == "i" and 0 <= part.targets.min() <= part.targets.max() < data.classes


def split_seed_has_effect(subject: DatasetSubject) -> Figure:
    """Check that another split seed gives other splits. It is the only seed that a run's data depend on."""
    findings = []
    for case in subject.cases:
        other = subject.cls(**{**case.values, "split_seed": 1}).prepare(case.dtypes[0])
        findings.append((float(other.digest == case.data.digest), f"{case}: split_seed has no effect"))
    return worst(findings, 0)
