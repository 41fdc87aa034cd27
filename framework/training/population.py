"""The population: R runs of one structure as one array program."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from framework.base.loss import Loss
from framework.base.metric import Metric
from framework.base.optimizer import Optimizer
from framework.base.schedule import Schedule
from framework.base.stage import Stage
from framework.compiler.fused import fusable
from framework.config.layers import build_layers
from framework.config.part import stacked
from framework.config.resolved import RunConfig
from framework.data.batches import Batches, chunks
from framework.data.prepare import Data, prepared
from framework.training.acting import refuse_idle
from framework.training.fitting import check_fit, fits_labels, fits_shares
from framework.training.model import Model
from framework.training.passes import Passes
from framework.training.together import Together
from framework.training.update import Update

RECORDED_FROM = 300
"""Smallest number of steps for which passes are recorded and replayed by default: recording takes about as long as the
replay saves in that many steps of a small network."""


class Population:
    """The data, model, loss, metrics and update chain of R runs of one structure.

    Attributes:
        configs: one checked configuration per run; settings other than the seed are the same in all.
        settings: those shared settings.
        total: optimizer steps in the budget, or None if only time limits it.
        passes: the forward and backward passes.
        together: several steps in one call.

    Raises:
        InputError: the parts do not fit together, or the budget ends before all of them have acted.
    """

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self.configs = list(configs)
        first = configs[0]
        self.settings = first.settings
        seeds = [config.settings.seed for config in configs]
        dtype = np.dtype(self.settings.dtype)
        self.data: Data = prepared(self._stacked("dataset"), dtype)
        layers = build_layers([config.layers_for(self.data.target_shape) for config in configs])
        self.model = Model(layers, self.data.input_shape, seeds, dtype)
        self.loss: Loss = self._stacked(
            "loss", labels_checked=fits_labels(self.model, self.data), shares_checked=fits_shares(self.data)
        )
        self._metrics = first.metrics_for(
            self.data.task, predicted=self.loss.expects, target_scale=self.data.target_scaling.scale
        )
        check_fit(self.model, self.loss, self._metrics.values(), self.data)
        self.batches = Batches(
            self.data.train,
            seeds,
            self.settings.batch_size,
            shuffle=self.settings.shuffle,
            replay=self.settings.replay_order,
            drop_last=self.settings.drop_last,
        )
        self.total = self._total()
        self.passes = Passes(self.model, self.loss, replays=self._replays())
        self.update = self._update(seeds)
        self.together = Together(self.passes, self.update, self.batches)

    def _replays(self) -> bool:
        """Return whether recording the calls of a training step is worth its time."""
        worth = self.total is None or self.total >= RECORDED_FROM
        return self.settings.kernel == "fused" or (self.settings.kernel == "auto" and worth)

    def _stacked(self, kind: str, **given: Any) -> Any:
        return stacked([config.parts[kind] for config in self.configs], kind, **given)

    def _update(self, seeds: list[int]) -> Update:
        optimizer: Optimizer = self._stacked("optimizer", seeds=seeds)
        schedule: Schedule = self._stacked("schedule")
        stages: list[Stage] = [
            stacked(same, f"stages.{same[0].name}", seeds=seeds)
            for same in zip(*(config.stages for config in self.configs), strict=True)
        ]
        refuse_idle(optimizer, stages, self.total)
        return Update(
            optimizer,
            self.model.parameters,
            self.model.gradients,
            schedule=schedule,
            stages=stages,
            total=self.total,
            kernel="fused" if self.passes.replays and fusable(optimizer) else self.settings.kernel,
            threads=self.settings.threads,
            replays=self.passes.replays,
        )

    def _total(self) -> int | None:
        if self.settings.steps is not None:
            return self.settings.steps
        return None if self.settings.epochs is None else self.settings.epochs * self.batches.per_epoch

    @property
    def cautions(self) -> list[str]:
        """Warnings about settings of these runs that are allowed but questionable, one line each, without repeats."""
        lines = [config.optimizer.cls.warning for config in self.configs]
        lines += self.data.cautions
        if self.data.guessed and self.data.classes is not None and self.loss.expects == "values":
            lines.append(
                f"the target's {self.data.classes} different whole numbers are trained as classes, which loss "
                f"{self.loss.label()} compares one-hot: set dataset.task=regression to predict numbers, or "
                "dataset.task=classification if they are classes"
            )
        return [line for line in dict.fromkeys(lines) if line]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.configs)

    def new_metrics(self) -> dict[str, Metric]:
        """Return new metrics, started, by the name of their figure: evaluations do not affect each other."""
        metrics = copy.deepcopy(self._metrics)
        for metric in metrics.values():
            metric.start(self.runs)
        return metrics

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays that training changes (no copies), by name, each with a leading runs axis."""
        state = {f"update/{name}": array for name, array in self.update.state.items()}
        return {"parameters": self.model.parameters.flat, "buffers": self.model.buffers.flat, **state}

    def copy_of(self, rows: Sequence[int]) -> Population:
        """Return a copy of the runs at ``rows`` as a population, in their current state of training."""
        return Population.take(self.configs, self.tensors(), rows)

    @classmethod
    def take(cls, configs: Sequence[RunConfig], tensors: Mapping[str, np.ndarray], rows: Sequence[int]) -> Population:
        """Return a new population of the runs at ``rows`` of another one, which need not exist any more.

        Args:
            configs: configurations of all runs of the other population.
            tensors: arrays that its `tensors` returned.
            rows: indices of the runs to take.
        """
        smaller = cls([configs[row] for row in rows])
        for name, array in smaller.tensors().items():
            for at, row in enumerate(rows):
                array[at] = tensors[name][row]
        return smaller

    @contextmanager
    def evaluating(self, epoch: int) -> Iterator[None]:
        """Replace the trained model by the model to evaluate at the end of ``epoch``, inside a ``with`` block.

        If a stage or the optimizer evaluates other parameters than the trained ones, such as an average, the trained
        model's buffers (batch norm's running statistics) do not match them. The buffers are then recomputed for these
        parameters by one pass over the training data, unshuffled, in training mode, as in stochastic weight averaging
        (Izmailov et al. 2018, arXiv:1803.05407, Algorithm 1, last step). At the end of the block parameters and buffers
        are restored.
        """
        with self.update.evaluating() as moved:
            if not moved or not self.model.buffers.size:
                yield
                return
            trained = self.model.buffers.flat.copy()
            self._recompute_buffers(epoch)
            try:
                yield
            finally:
                self.model.buffers.flat[...] = trained

    def settle(self, epoch: int) -> None:
        """Replace the trained model permanently by the evaluated one, after the last ``epoch``; see `evaluating`."""
        point = self.update.evaluation_point()
        if point is not None:
            self.model.parameters.flat[...] = point
            if self.model.buffers.size:
                self._recompute_buffers(epoch)

    def _recompute_buffers(self, epoch: int) -> None:
        batches = chunks(self.data.train, self.settings.batch_size)
        self.model.recompute_buffers((batch.inputs for batch in islice(batches, self.batches.per_epoch)), epoch)
