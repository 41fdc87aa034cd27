"""The record of each run while it trains: history, best parameters and outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.base.run import Run
from framework.config.settings import Settings
from framework.data.batches import Batch
from framework.training.history import EVALUATIONS, evaluations_of
from framework.training.population import Population
from framework.training.predictor import Predictor

GATHERED = 1 << 20
"""Predicted numbers per run above which collected predictions are passed to the training metrics."""


@dataclass
class Clock:
    """Training time in seconds, without validation and tests.

    The time of a single run cannot be measured if runs train together. Each run is assigned an equal share, so that
    the shares add up to the measured time.

    Attributes:
        share: sum over the run's epochs of the epoch's time divided by the number of runs that trained together.
        population: sum over the same epochs of the time of all runs together; equal to ``share`` for a single run.
    """

    share: float = 0.0
    population: float = 0.0

    def add(self, seconds: float, runs: int) -> None:
        """Add an epoch that took ``seconds`` for ``runs`` runs together."""
        self.share += seconds / runs
        self.population += seconds

    def entries(self) -> dict[str, float]:
        """Return both times under their names in a row of the history."""
        return {"time/seconds": self.share, "time/population_seconds": self.population}


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        ended: ``"budget"``, ``"early stopping"``, ``"diverged"`` or ``"stopped"`` (by a hook).
        metrics: metrics of the kept parameters: ``train/…`` and ``val/…`` of their epoch, and ``test/…`` if tested.
        history: one row per epoch: ``epoch``, ``step``, ``lr``, ``time/…`` as in `Clock`, all metrics, and the
            ``evaluations`` so far if the optimizer evaluates the loss within a step.
        kept_epoch: the epoch whose parameters are tested and saved.
        best_epoch: the epoch with the lowest validation loss, or None if it was never finite.
        steps: optimizer steps taken, up to the divergence if there was one.
        evaluations: gradient evaluations up to there: one per step, and those of an optimizer that evaluates the loss
            again within a step.
        clock: training time.
    """

    run: Run
    ended: str
    metrics: dict[str, float]
    history: list[dict[str, float]]
    kept_epoch: int
    best_epoch: int | None
    steps: int
    evaluations: int
    clock: Clock
    predictor: Predictor

    @property
    def kept_step(self) -> int:
        """The optimizer step of the kept parameters."""
        return int(self.history[self.kept_epoch - 1]["step"])

    @property
    def diverged(self) -> bool:
        """Whether the training loss or a parameter became NaN or infinite."""
        return self.ended == "diverged"


class EpochMeans:
    """Sample-weighted mean of the training loss, and the metrics, over one epoch in training mode.

    Attributes:
        diverged_at: per row the step of the first non-finite loss, or 0; shape ``(R,)``.
        further: per row the evaluations of the loss within steps, up to ``diverged_at``; shape ``(R,)``.
    """

    def __init__(self, population: Population) -> None:
        self.diverged_at = np.zeros(population.runs, dtype=np.int64)
        self.further = np.zeros(population.runs, dtype=np.int64)
        self._metrics = population.new_metrics()
        self._total = np.zeros(population.runs)
        self._samples = 0
        self._held: list[tuple[np.ndarray, np.ndarray]] = []
        self._size = 0
        self._watching = bool(self._metrics)

    def add(self, step: int, losses: np.ndarray, predictions: np.ndarray, batch: Batch) -> None:
        """Add the losses ``(R,)`` and predictions ``(R, B, *output)`` of one batch."""
        if not np.isfinite(losses).all():
            self.diverged_at[(self.diverged_at == 0) & ~np.isfinite(losses)] = step
        self._total += losses.astype(np.float64) * batch.size
        self._hold(predictions.copy() if self._watching else predictions, batch.targets)

    def add_several(self, step: int, losses: np.ndarray, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add the losses and predictions of several batches of the same size.

        Args:
            step: the first one's step.
            losses: shape ``(R, T)``.
            predictions: shape ``(R, T * B, *output)``; not copied.
            targets: shape ``(R or 1, T * B, …)``.
        """
        bad = ~np.isfinite(losses)
        new = bad.any(axis=1) & (self.diverged_at == 0)
        self.diverged_at[new] = step + bad[new].argmax(axis=1)
        terms = losses.astype(np.float64) * (targets.shape[1] // losses.shape[1])
        # added one after the other, as single batches are, so that the bits do not depend on T
        self._total = np.add.accumulate(np.concatenate([self._total[:, None], terms], axis=1), axis=1)[:, -1]
        self._hold(predictions, targets)

    def _hold(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        self._samples += targets.shape[1]
        if self._watching:
            self._held.append((predictions, targets))
            self._size += predictions[0].size
            if self._size >= GATHERED:
                self._flush()

    def evaluated(self, step: int, count: int) -> None:
        """Count evaluations of the loss within a step, for the runs that have not diverged before it."""
        self.further[(self.diverged_at == 0) | (self.diverged_at == step)] += count

    def _flush(self) -> None:
        if self._held:
            predictions = np.concatenate([values for values, _ in self._held], axis=1)
            targets = np.concatenate([labels for _, labels in self._held], axis=1)
            for metric in self._metrics.values():
                metric.update(predictions, targets)
        self._held, self._size = [], 0

    def all_diverged(self) -> bool:
        """Return whether every run has diverged."""
        return bool(self.diverged_at.all())

    def finish(self) -> dict[str, np.ndarray]:
        """Return the loss and the metrics of the epoch by name, shape ``(R,)`` each; to be called once."""
        self._flush()
        means = {"loss": self._total / self._samples, **{name: m.value() for name, m in self._metrics.items()}}
        self._metrics = {}  # some hold all of the epoch's predictions
        return means


class Record:
    """One run's history and best parameters while it trains."""

    KEYS = frozenset(
        ("history", "best_epoch", "best_loss", "improved_epoch", "improved_loss", "seconds", "population_seconds")
    )
    """The keys of `as_data`."""

    def __init__(self, run: Run, settings: Settings) -> None:
        self.run = run
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self._stopped = False
        self._settings = settings
        self._best_loss = math.inf
        self._improved_epoch = 0
        self._improved_loss = math.inf
        self._kept: dict[str, np.ndarray] | None = None
        self._diverged = False
        self._clock = Clock()

    @property
    def ended(self) -> str:
        """How the run ended, as in `Outcome`; ``"budget"`` while it continues."""
        if self._diverged:
            return "diverged"
        if self._out_of_patience:
            return "early stopping"
        return "stopped" if self._stopped else "budget"

    @property
    def done(self) -> bool:
        """Whether the run ends before its budget is used up."""
        return self.ended != "budget"

    @property
    def kept(self) -> Mapping[str, np.ndarray]:
        """The kept parameters and buffers by name; empty if none are kept so far."""
        return self._kept or {}

    def as_data(self) -> dict[str, Any]:
        """Return the record as plain data, without the kept parameters, for `restore`."""
        return {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self._best_loss,
            "improved_epoch": self._improved_epoch,
            "improved_loss": self._improved_loss,
            "seconds": self._clock.share,
            "population_seconds": self._clock.population,
        }

    def restore(self, data: Mapping[str, Any], kept: Mapping[str, np.ndarray]) -> None:
        """Continue the record that `as_data` returned.

        Args:
            data: from `as_data`.
            kept: the kept parameters and buffers by name; empty for none.
        """
        self.history = [dict(row) for row in data["history"]]
        self.best_epoch = data["best_epoch"]
        self._best_loss = data["best_loss"]
        self._improved_epoch, self._improved_loss = data["improved_epoch"], data["improved_loss"]
        self._clock = Clock(data["seconds"], data["population_seconds"])
        self._kept = dict(kept) or None

    @property
    def seconds(self) -> float:
        """Seconds that the run's epochs took so far, of all runs together."""
        return self._clock.population

    def stop(self) -> None:
        """End the run after the epochs that it has."""
        self._stopped = True

    @property
    def _out_of_patience(self) -> bool:
        patience = self._settings.patience
        return patience is not None and len(self.history) - self._improved_epoch >= patience

    @property
    def kept_epoch(self) -> int:
        """The epoch whose parameters are kept: the best so far if the settings keep it, else the last."""
        if self._settings.keeps_best and self.best_epoch is not None:
            return self.best_epoch
        return len(self.history)

    def finish_epoch(
        self,
        step: int,
        row: int,
        seconds: float,
        means: EpochMeans,
        training: Mapping[str, np.ndarray],
        validation: Mapping[str, np.ndarray],
        population: Population,
    ) -> None:
        """Append the history row of an epoch; record divergence and the best parameters.

        Args:
            step: the epoch's last optimizer step.
            row: this run's index in the population.
            seconds: training time of the epoch, of all runs together.
            means: the means of the epoch, with the steps at which runs diverged.
            training: loss and metrics by name, shape ``(R,)`` each.
            validation: as ``training``.
            population: the population, with the parameters that were evaluated.
        """
        self._clock.add(seconds, population.runs)
        diverged_at = int(means.diverged_at[row])
        self._diverged = bool(diverged_at) or not np.isfinite(population.model.parameters.flat[row]).all()
        step, before = diverged_at or step, self.history[-1]["step"] if self.history else 0
        entry: dict[str, float] = {"epoch": len(self.history) + 1, "step": step, **self._clock.entries()}
        if population.update.optimizer.needs_closure:
            entry[EVALUATIONS] = evaluations_of(self.history) + int(step - before + means.further[row])
        lr = population.update.lr(step)
        if lr is not None:
            entry["lr"] = float(lr[row])
        for split, figures in (("train", training), ("val", validation)):
            for name, values in figures.items():
                entry[f"{split}/{name}"] = math.nan if self._diverged else float(values[row])
        self.history.append(entry)
        if entry["val/loss"] < self._improved_loss - self._settings.min_delta:
            self._improved_loss, self._improved_epoch = entry["val/loss"], len(self.history)
        if entry["val/loss"] < self._best_loss:
            self._best_loss, self.best_epoch = entry["val/loss"], len(self.history)
            if self._settings.keeps_best:
                self._keep(population, row)

    def _keep(self, population: Population, row: int) -> None:
        model = population.model
        self._kept = {"parameters": model.parameters.flat[row].copy(), "buffers": model.buffers.flat[row].copy()}

    def restore_kept(self, population: Population, row: int) -> None:
        """Write the kept parameters and buffers into ``row`` of ``population``: the best if the settings keep them.

        A run that diverged without any kept parameters gets NaN, because its values at the end of its last epoch depend
        on how long the other runs continued.
        """
        tensors = population.tensors()
        if self._kept is not None:
            for name, kept in self._kept.items():
                tensors[name][row] = kept
        elif self._diverged:
            tensors["parameters"][row] = tensors["buffers"][row] = np.nan

    def outcome(self, population: Population, row: int, tested: Mapping[str, np.ndarray]) -> Outcome:
        """Return the outcome of the run.

        Args:
            population: the population with the kept parameters.
            row: this run's index in it; its parameters are the kept ones.
            tested: loss and metrics on the test split by name, shape ``(R,)`` each; empty if they are not tested.
        """
        kept = self.history[self.kept_epoch - 1]
        metrics = {name: value for name, value in kept.items() if name.startswith(("train/", "val/"))}
        metrics |= {f"test/{name}": float(values[row]) for name, values in tested.items()}
        return Outcome(
            run=self.run,
            ended=self.ended,
            metrics=metrics,
            history=self.history,
            kept_epoch=self.kept_epoch,
            best_epoch=self.best_epoch,
            steps=int(self.history[-1]["step"]),
            evaluations=evaluations_of(self.history),
            clock=self._clock,
            predictor=Predictor.of(population, row),
        )
