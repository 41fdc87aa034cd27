"""Execution of one run, from a checked configuration to its files: the journal first, then the model and the picture.

MLflow gets its data from the journal.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from framework import errors
from framework.base.run import Run
from framework.config.resolved import RunConfig, flatten
from framework.config.settings import Tracking
from framework.data.prepare import Data
from framework.registry.manager import current
from framework.runs import provenance
from framework.runs.folder import refuse_another
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import Journal, read_journal
from framework.runs.yaml_text import dump
from framework.training import kept
from framework.training.loop import train
from framework.training.observers import Observer, hooks
from framework.training.population import Population
from framework.training.record import Outcome, Record

NOT_LOGGED = ("epoch", "step")


class Journaling(Observer):
    """Writes each run's folder: configuration, environment, journal and model.

    A journal without an end is continued. Training again gives the same bits, so epochs that are recorded already are
    skipped.

    Args:
        configs: the checked configurations, by run id.
        overrides: the user's overrides, by run id.
        parent: the sweep's folder, or None for a single run.
        single: whether this is a single run. Its journal stays open when it has finished: `conclude` adds the curves.
        final: whether a failure is final; False if each run is then trained alone.
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
        final: bool = True,
        warn: Callable[[str], object] = errors.warn,
    ) -> None:
        self._configs = configs
        self._overrides = overrides
        self._parent = parent
        self._single = single
        self._final = final
        self._warn = warn
        self.outcomes: dict[str, Outcome] = {}
        self._journals: dict[str, Journal] = {}
        self._recorded: dict[str, int] = {}
        self._example: np.ndarray = np.empty(0)

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Write the files and the journal entries that precede the first step.

        Raises:
            InputError: a folder holds another run.
        """
        data = population.data
        self._example = data.examples
        for run in runs:
            folder = _folder(run)
            folder.mkdir(parents=True, exist_ok=True)
            begun = read_journal(folder) if (folder / JOURNAL).is_file() else []
            refuse_another(folder, self._configs[run.id], begun)
            self._recorded[run.id] = max((entry.content.get("epoch") or 0 for entry in begun), default=0)
            self._journals[run.id] = Journal(folder)
            if not begun:
                self._begin(run, folder, data)

    def _begin(self, run: Run, folder: Path, data: Data) -> None:
        overrides, journal, config = list(self._overrides[run.id]), self._journals[run.id], self._configs[run.id]
        files = _write_files(folder, config, overrides)
        journal.write(
            "start",
            name=run.name,
            experiment=config.section(Tracking).experiment,
            params=flatten(config.decisive),
            tags=provenance.tags(
                config,
                overrides,
                folder,
                sweep_id=self._parent.name if self._parent else "",
                setting=run.setting,
            ),
            description=provenance.description(config, overrides),
            parent=str(self._parent) if self._parent else None,
            dataset={
                "name": config.parts["dataset"].name,
                "source": data.source,
                "digest": data.digest,
                "samples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
                "features": list(data.input_shape),
                "task": data.task,
            },
        )
        for name in files:
            journal.write("artifact", path=name, to="")

    def epoch(self, record: Record) -> None:
        """Append the epoch's metrics to the journal, unless they are recorded already."""
        row = record.history[-1]
        if row["epoch"] > self._recorded[record.run.id]:
            values = {name: value for name, value in row.items() if name not in NOT_LOGGED}
            self._journals[record.run.id].write("metrics", step=row["step"], epoch=row["epoch"], values=values)

    def finished(self, outcome: Outcome) -> None:
        """Append the kept model's metrics at its step and save the model; end the journal, except for a single run."""
        folder, journal = _folder(outcome.run), self._journals[outcome.run.id]
        figures = {**kept.recorded(outcome.metrics), kept.EPOCH: outcome.kept_epoch}
        journal.write("metrics", step=outcome.kept_step, epoch=None, values=figures)
        journal.write("tags", values=_ending(outcome))
        outcome.predictor.save(folder / "model")
        if self._single:
            np.save(folder / "model" / "example.npy", self._example)
            journal.write("model", path="model", input_example="model/example.npy")
        else:
            journal.end("FINISHED")
        self.outcomes[outcome.run.id] = outcome

    def conclude(self, outcome: Outcome) -> None:
        """Draw the curves of a single run and end its journal.

        This is separate from `finished`, because drawing may take longer than training.
        """
        from framework.plots import curves, drawn

        run, folder = outcome.run, _folder(outcome.run)
        title = f"{run.name} on {run.config['problem']}"
        try:
            if drawn(lambda: curves(outcome.history, title, outcome.kept_epoch), folder / "curves.png", self._warn):
                self._journals[run.id].write("artifact", path="curves.png", to="")
        finally:
            self._journals[run.id].end("FINISHED")

    def failed(self, run: Run, error: BaseException) -> None:
        """Record the error and the end of the run in its journal; only close it if the run will be trained again."""
        if run.id not in self._journals or run.id in self.outcomes:
            return
        journal = self._journals[run.id]
        if isinstance(error, Exception) and not self._final:
            journal.close()
            return
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        journal.end(status, error=f"{type(error).__name__}: {error}"[:500])


def execute(
    config: RunConfig,
    overrides: Sequence[str],
    folder: Path,
    *,
    parent: Path | None = None,
    distinguishing: Sequence[str] | None = None,
    setting: str = "",
    observers: Sequence[Observer] = (),
    warn: Callable[[str], object] = errors.warn,
    result: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train one run, write its folder and return its outcome.

    Args:
        config: a checked configuration.
        overrides: the user's overrides that led to it.
        folder: folder for the run's files.
        parent: folder of the sweep that the run belongs to, or None.
        distinguishing: the overrides that appear in its name; by default all.
        setting: name of its setting.
        observers: further observers.
        warn: as in `Journaling`.
        result: called with the outcome as soon as it is recorded, before pictures are drawn.

    Raises:
        InputError: the parts do not fit together, or the folder holds another run.
    """
    name = provenance.run_name(config, overrides if distinguishing is None else distinguishing)
    run = Run(uuid.uuid4().hex, name, config.as_data(), folder, setting)
    journaling = Journaling({run.id: config}, {run.id: overrides}, parent=parent, single=parent is None, warn=warn)
    try:
        (outcome,) = train([config], [run], [journaling, *hooks(current()), *observers])
        if result is not None:
            result(outcome)
    finally:
        if parent is None and run.id in journaling.outcomes:
            journaling.conclude(journaling.outcomes[run.id])
    return outcome


def _ending(outcome: Outcome) -> dict[str, str]:
    return {"ended": outcome.ended, **({"diverged": "true"} if outcome.diverged else {})}


def _folder(run: Run) -> Path:
    if run.folder is None:
        raise ValueError(f"run {run.name} has no folder to write to")
    return run.folder


def _write_files(folder: Path, config: RunConfig, overrides: Sequence[str]) -> list[str]:
    texts = {
        "config.yaml": dump(config.as_data()),
        "overrides.yaml": dump(list(overrides)),
        "environment.txt": provenance.environment(),
    }
    contents = {name: text.encode() for name, text in texts.items()} | config.plugin_sources
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return list(contents)
