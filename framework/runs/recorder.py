"""The recording of runs in their folders while they train: journal, configuration, environment and model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from framework import errors
from framework.base.run import Run
from framework.config.resolved import RunConfig
from framework.config.settings import Display, Tracking
from framework.data.prepare import Data
from framework.errors import InputError, RunFailedError
from framework.runs import provenance
from framework.runs.content import JournalContent
from framework.runs.folder import begun_in, refuse_another
from framework.runs.journal import Journal
from framework.runs.reuse import FORCED
from framework.runs.samples import other_samples
from framework.runs.yaml_text import dump
from framework.system.addresses import masked_words
from framework.training import kept
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import Outcome, Record

NOT_LOGGED = ("epoch", "step")


class Journaling(Observer):
    """Writes each run's folder: configuration, environment, journal and model.

    A journal without an end is continued, and with ``resume`` one that ended without success too. Training again gives
    the same bits: epochs that are recorded already are compared and not written again. With the setting ``force``, an
    epoch that differs is written again; it then counts instead of the earlier one and those after it.

    Args:
        configs: the checked configurations, by run id.
        overrides: the user's overrides, by run id.
        parent: the sweep's folder, or None for a single run.
        single: whether this is a single run. Its journal stays open when it has finished: `conclude` adds the curves.
        resume: whether the runs may continue journals that ended with a failure or an interrupt.
        forced: the reason why a run needs the setting ``force``, by run id, if it has one; it becomes a tag.
        warn: called with one line per problem that leaves the run complete.

    Attributes:
        outcomes: outcomes of the runs that ended without an error, by run id.
    """

    def __init__(
        self,
        configs: Mapping[str, RunConfig],
        overrides: Mapping[str, Sequence[str]],
        *,
        parent: Path | None,
        single: bool,
        resume: bool = False,
        forced: Mapping[str, str] = MappingProxyType({}),
        warn: Callable[[str], object] = errors.warn,
    ) -> None:
        self._configs = configs
        self._overrides = overrides
        self._parent = parent
        self._single = single
        self._resume = resume
        self._forced = dict(forced)
        self._warn = warn
        self.outcomes: dict[str, Outcome] = {}
        self._journals: dict[str, Journal] = {}
        self._before: dict[str, JournalContent] = {}
        self._example: np.ndarray = np.empty(0)

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Write the files and the journal entries that precede the first step.

        Raises:
            InputError: a folder holds another run.
        """
        data = population.data
        self._example = data.examples
        for run in runs:
            folder = folder_of(run)
            folder.mkdir(parents=True, exist_ok=True)
            begun = begun_in(folder)
            refuse_another(folder, self._configs[run.id], begun, resume=self._resume)
            self._before[run.id] = JournalContent.of(begun)
            changed = self._forced.get(run.id) or self._other_data(run, data)
            self._journals[run.id] = Journal(folder)
            if not begun:
                journal, config, overrides = self._journals[run.id], self._configs[run.id], self._overrides[run.id]
                begin(journal, run, config, overrides, self._parent, data)
            elif self._before[run.id].tags.get("error"):
                self._journals[run.id].write("tags", values={"error": ""})  # it was the last attempt's
            if changed:
                self._accept(run, changed)

    def _other_data(self, run: Run, data: Data) -> str:
        """Return the difference between a run's data set and the recorded one, or "".

        Raises:
            InputError: there is one, and the setting ``force`` is off.
        """
        before = self._before[run.id].digest
        if before in ("", data.digest):
            return ""
        line = other_samples(folder_of(run), data.digest, before)
        if not self._may_differ(run):
            raise InputError(f"{line}: restore the data, or continue with --force")
        return line

    def _may_differ(self, run: Run) -> bool:
        return self._configs[run.id].section(Display).force

    def _accept(self, run: Run, changed: str) -> None:
        self._forced[run.id] = changed
        tags = {FORCED: changed, "config_hash": self._configs[run.id].identity}
        self._journals[run.id].write("tags", values=tags)

    def has_begun(self, run: Run) -> bool:
        """Return whether the run's journal was opened, so that an error is the run's own."""
        return run.id in self._journals

    def epoch(self, record: Record) -> None:
        """Append the epoch's metrics to the journal; if they are recorded already, compare them.

        Raises:
            RunFailedError: the recorded metrics are others, and the setting ``force`` is off.
        """
        row, run = record.history[-1], record.run
        before, epoch = self._before[run.id].history, len(record.history)
        if epoch <= len(before) and not self._same(run, f"epoch {row['epoch']}", before[epoch - 1], row):
            del before[epoch - 1 :]
        if epoch > len(before):
            values = {name: value for name, value in row.items() if name not in NOT_LOGGED}
            self._journals[run.id].write("metrics", step=row["step"], epoch=row["epoch"], values=values)

    def finished(self, outcome: Outcome) -> None:
        """Append the kept model's metrics at its step and save the model; end the journal, except for a single run.

        Raises:
            RunFailedError: the metrics are recorded already, and are others, and the setting ``force`` is off.
        """
        run = outcome.run
        folder, journal, before = folder_of(run), self._journals[run.id], self._before[run.id]
        figures = {**kept.recorded(outcome.metrics), kept.EPOCH: outcome.kept_epoch}
        if not (before.figures and self._same(run, "the end", before.figures, figures)):
            journal.write("metrics", step=outcome.kept_step, epoch=None, values=figures)
            journal.write("tags", values=_ending(outcome))
        outcome.predictor.save(folder / "model")
        if not self._single:
            journal.end("FINISHED")
        elif not before.has_model:
            np.save(folder / "model" / "example.npy", self._example)
            journal.write("model", path="model", input_example="model/example.npy")
        self.outcomes[run.id] = outcome

    def _same(self, run: Run, what: str, before: Mapping[str, float], now: Mapping[str, float]) -> bool:
        """Return whether metrics are the recorded ones.

        Raises:
            RunFailedError: they are not, and the setting ``force`` is off.
        """
        difference = _difference(what, before, now)
        if difference and not self._may_differ(run):
            raise RunFailedError(
                f"{run.folder}: {difference}: the run does not repeat itself on this machine with these versions; "
                "start it again in another folder, or continue with --force"
            )
        if difference and run.id not in self._forced:
            self._accept(run, difference)
        return not difference

    def conclude(self, outcome: Outcome, *, draw: bool = True) -> None:
        """Draw the curves of a single run, unless ``draw`` is False, and end its journal.

        This is separate from `finished`, because drawing may take longer than training.
        """
        from framework.plots import curves, drawn

        run, folder = outcome.run, folder_of(outcome.run)
        title = f"{run.name} on {run.config['problem']}"
        try:
            picture = folder / "curves.png"
            if draw and drawn(lambda: curves(outcome.history, title, outcome.kept_epoch), picture, self._warn):
                self._journals[run.id].write("artifact", path="curves.png", to="")
        finally:
            self._journals[run.id].end("FINISHED")

    def failed(self, run: Run, error: BaseException) -> None:
        """Close the run's journal; after an interrupt, end it.

        An error is recorded by the code that catches it (`runs.failure`), because the run may be trained again alone.
        """
        if run.id not in self._journals or run.id in self.outcomes:
            return
        if isinstance(error, Exception):
            self._journals[run.id].close()
        else:
            self._journals[run.id].end("KILLED")


def begin(
    journal: Journal,
    run: Run,
    config: RunConfig,
    overrides: Sequence[str],
    parent: Path | None,
    data: Data | None = None,
) -> None:
    """Write a run's files and the first entries of its journal.

    Args:
        journal: the run's journal, without entries.
        run: the run.
        config: its checked configuration.
        overrides: the user's overrides that led to it.
        parent: the sweep's folder, or None for a single run.
        data: its data set, or None if the run failed before it was loaded.
    """
    folder = folder_of(run)
    files = _write_files(folder, config, overrides)
    sweep = parent.name if parent else ""
    journal.write(
        "start",
        name=run.name,
        experiment=config.section(Tracking).experiment,
        params=config.params,
        tags=provenance.tags(config, list(overrides), folder, sweep_id=sweep, setting=run.setting),
        description=provenance.description(config, list(overrides)),
        parent=os.path.relpath(parent.resolve(), folder.resolve()) if parent else None,
        dataset=data and _dataset(config, data),
        code=config.code,
    )
    for name in files:
        journal.write("artifact", path=name, to="")


def _dataset(config: RunConfig, data: Data) -> dict[str, Any]:
    return {
        "name": config.parts["dataset"].name,
        "source": data.source,
        "digest": data.digest,
        "samples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "features": list(data.input_shape),
        "task": data.task,
    }


def _difference(what: str, before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """Return the first difference of metrics from the recorded ones, or ""; times are not compared."""
    for name, value in now.items():
        old = before.get(name)
        same = value == old or (old is not None and value != value and old != old)  # NaN is recorded as NaN
        if not same and not name.startswith("time/"):
            return f"{name} of {what} is {value!r} and was recorded as {old!r}"
    return ""


def _ending(outcome: Outcome) -> dict[str, str]:
    return {"ended": outcome.ended, **({"diverged": "true"} if outcome.diverged else {})}


def folder_of(run: Run) -> Path:
    """Return the folder of a run that is recorded.

    Raises:
        ValueError: the run has none.
    """
    if run.folder is None:
        raise ValueError(f"run {run.name} has no folder to write to")
    return run.folder


def _write_files(folder: Path, config: RunConfig, overrides: Sequence[str]) -> list[str]:
    texts = {
        "config.yaml": dump(config.as_data()),
        "overrides.yaml": dump(masked_words(overrides)),
        "environment.txt": provenance.environment(),
    }
    contents = {name: text.encode() for name, text in texts.items()} | config.plugin_sources
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return list(contents)
