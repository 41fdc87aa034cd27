"""Schedules and data sets with one bug each, and the check that must detect it."""

from __future__ import annotations

import numpy as np
from planted_rules import PER_PROCESS, plant

from framework.base.fields import hyper
from framework.base.randomness import stream
from framework.base.schedule import Schedule
from framework.data.prepare import Dataset, Raw, Samples


class Falls(Schedule):
    """1 / (1 + rate t); a correct schedule."""

    rate: float = hyper(0.1, at_least=0, search=(0.01, 1.0))

    def factor(self, t, total):
        return 1 / (1 + self.rate * t)


class Watches(Falls):
    """Multiplies the factor by 0.9 whenever the validation loss has not decreased; a correct schedule."""

    def initial_state(self, runs):
        return {"last": np.full((runs, 1), np.inf), "scale": np.ones((runs, 1))}

    def observe(self, state, val_loss):
        loss = val_loss[:, None].astype(np.float64)
        state["scale"][...] = np.where(loss >= state["last"], state["scale"] * 0.9, state["scale"])
        state["last"][...] = loss
        return state["scale"].copy()


@plant("schedule", "finite_and_not_negative")
class GoesBelow(Falls):
    """Decreases linearly and becomes negative."""

    def factor(self, t, total):
        return 1 - self.rate * t / 5


@plant("schedule", "shape_and_dtype")
class SingleFactors(Falls):
    """Returns float32 instead of float64."""

    def factors(self, steps, total):
        return super().factors(steps, total).astype(np.float32)


@plant("schedule", "together_as_alone")
class OneRateForAll(Falls):
    """Uses the mean of the runs' rates for all runs."""

    def factor(self, t, total):
        return 1 / (1 + self.rate.mean() * t)


@plant("schedule", "steps_apart")
class CountsFromTheFirstAsked(Falls):
    """Counts steps from the first requested step."""

    def factor(self, t, total):
        return 1 / (1 + self.rate * (t - t.min()))


@plant("schedule", "restores_in_new_process")
class DependsOnTheProcess(Falls):
    """Uses a hash, which differs from process to process."""

    def factor(self, t, total):
        return super().factor(t, total) * PER_PROCESS


@plant("schedule", "repeats", "together_as_alone", "steps_apart", "nan_stays_in_its_run", "restores_in_new_process")
class Restless(Falls):
    """Adds noise from an unseeded generator."""

    noise = np.random.default_rng()

    def factor(self, t, total):
        return 1 / (1 + self.rate * t) + self.noise.uniform(0, 1e-3, t.shape)


@plant("schedule", "restores", "restores_in_new_process")
class RemembersOnTheObject(Watches):
    """Counts epochs in an attribute, which is not part of the checkpointed state."""

    def observe(self, state, val_loss):
        self.seen = getattr(self, "seen", 0) + 1
        return super().observe(state, val_loss) / self.seen


@plant("schedule", "nan_stays_in_its_run")
class StopsForAll(Watches):
    """Sets the factor of all runs to zero if one run has a NaN."""

    def observe(self, state, val_loss):
        return super().observe(state, val_loss) * float(np.isfinite(val_loss).all())


class Clouds(Dataset):
    """Two clouds of points; a correct data set."""

    def load(self):
        rng = stream(self.split_seed, "clouds")
        labels = np.arange(120) % 3 // 2
        return Raw(Samples(rng.standard_normal((120, 4)) + labels[:, None], labels), source="generated")


@plant("dataset", "repeats_in_new_process")
class DrawsPerProcess(Clouds):
    """Moves its samples by a hash, which differs from process to process."""

    def load(self):
        raw = super().load()
        return Raw(Samples(raw.samples.inputs * PER_PROCESS, raw.samples.targets), source="generated")


@plant("dataset", "repeats", "repeats_in_new_process", "splits_apart", "stratified", "finite_and_typed")
class Unseeded(Clouds):
    """Draws its samples from an unseeded generator."""

    def load(self):
        labels = np.arange(120) % 2
        return Raw(Samples(np.random.default_rng().standard_normal((120, 4)), labels))


@plant("dataset", "splits_apart")
class Leaks(Clouds):
    """Uses training samples as the test set."""

    def _split(self, raw, labels):
        train, validation, _ = super()._split(raw, labels)
        return train, validation, train.take(np.arange(24))


@plant("dataset", "splits_apart")
class DropsOfficialTest(Clouds):
    """Has an official test set and reverses its order."""

    def load(self):
        raw = super().load()
        return Raw(raw.samples, official_test=raw.samples.take(np.arange(0, 120, 5)))

    def _split(self, raw, labels):
        train, validation, test = super()._split(raw, labels)
        return train, validation, test.take(np.arange(len(test))[::-1])


@plant("dataset", "stratified")
class Unbalanced(Clouds):
    """Splits the samples in the order of their classes."""

    def _split(self, raw, labels):
        order = np.argsort(labels + stream(self.split_seed, "order").uniform(0, 0.5, len(labels)))
        return tuple(raw.samples.take(part) for part in np.split(order, [90, 105]))


@plant("dataset", "finite_and_typed")
class AlwaysDoubles(Clouds):
    """Returns float64 regardless of the requested dtype."""

    def prepare(self, dtype):
        return super().prepare(np.float64)


@plant("dataset", "split_seed_has_effect")
class OneSplit(Clouds):
    """Splits by position and ignores the seed."""

    def load(self):
        labels = np.arange(120) % 2
        return Raw(Samples(stream(0, "clouds").standard_normal((120, 4)), labels))

    def _split(self, raw, labels):
        return tuple(raw.samples.take(part) for part in np.split(np.arange(len(labels)), [80, 100]))
