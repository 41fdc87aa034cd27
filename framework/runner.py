"""One run from a checked configuration to its files: journal first, then model and picture, MLflow behind it all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from framework import provenance
from framework.journal import Journal
from framework.observers import Observer, hooks
from framework.population import Population
from framework.records import Outcome, Record, Run, flatten
from framework.registry import current
from framework.training import train

NOT_LOGGED = ("epoch", "step")
EXAMPLES = 3
"""Inputs kept with a saved model to show what it takes."""


class Journaling(Observer):
    """Writes each run's folder: configuration, environment, journal, model and (for single runs) the curves.

    Args:
        overrides: what the user set, by run id.
        parent: the sweep's folder, or None for a single run.
        pictures: draw the curves and send the model to MLflow; for single runs.
    """

    def __init__(self, overrides: Mapping[str, Sequence[str]], *, parent: Path | None, pictures: bool) -> None:
        self._overrides = overrides
        self._parent = parent
        self._pictures = pictures
        self._journals: dict[str, Journal] = {}
        self._example: np.ndarray = np.empty(0)

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Write what is known before the first step."""
        data = population.data
        self._example = data.input_scaling.invert(data.test.inputs[:EXAMPLES]).astype(data.test.inputs.dtype)
        for run in runs:
            folder = _folder(run)
            folder.mkdir(parents=True, exist_ok=True)
            overrides = list(self._overrides[run.id])
            _write_files(folder, run, overrides)
            journal = self._journals[run.id] = Journal(folder)
            journal.write(
                "start",
                name=run.name,
                experiment=run.config["tracking"]["experiment"],
                params=flatten({key: value for key, value in run.config.items() if key not in provenance.OUTSIDE}),
                tags=provenance.tags(run.config, overrides, sweep_id=self._parent.name if self._parent else ""),
                description=provenance.description(run.config, overrides),
                parent=str(self._parent) if self._parent else None,
                dataset={
                    "name": run.config["dataset"]["name"],
                    "source": data.source,
                    "digest": data.digest,
                    "samples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
                    "features": list(data.input_shape),
                    "task": data.task,
                },
            )
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.name != "journal.jsonl":
                    journal.write("artifact", path=path.name, to="")

    def epoch(self, record: Record) -> None:
        """Append the epoch's figures."""
        row = record.history[-1]
        values = {name: value for name, value in row.items() if name not in NOT_LOGGED}
        self._journals[record.run.id].write("metrics", step=row["step"], epoch=row["epoch"], values=values)

    def finished(self, outcome: Outcome) -> None:
        """Append the test figures, save the model and close the journal."""
        folder, journal = _folder(outcome.run), self._journals[outcome.run.id]
        tested = {name: value for name, value in outcome.metrics.items() if name.startswith("test/")}
        journal.write("metrics", step=outcome.steps, epoch=len(outcome.history), values=tested)
        journal.write("tags", values={"ended": outcome.ended, **({"diverged": "true"} if outcome.diverged else {})})
        outcome.predictor.save(folder / "model")
        np.save(folder / "model" / "example.npy", self._example)
        if self._pictures:
            from framework.pictures import curves

            journal.write("model", path="model", input_example="model/example.npy")
            curves(outcome.history, folder / "curves.png", title=f"{outcome.run.name} on {outcome.run.config['problem']}")
            journal.write("artifact", path="curves.png", to="")
        self._close(outcome.run, "FINISHED")

    def failed(self, run: Run, error: BaseException) -> None:
        """Say in the journal how it ended."""
        if run.id in self._journals:
            self._journals[run.id].write("tags", values={"error": f"{type(error).__name__}: {error}"[:500]})
            self._close(run, "FAILED" if isinstance(error, Exception) else "KILLED")

    def _close(self, run: Run, status: str) -> None:
        journal = self._journals[run.id]
        journal.write("artifact", path="journal.jsonl", to="")
        journal.write("end", status=status)
        journal.close()


def execute(
    config: Mapping[str, Any],
    overrides: Sequence[str],
    folder: Path,
    *,
    parent: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """Train one run and leave its folder complete.

    Args:
        config: a checked configuration.
        overrides: what the user set to get it.
        folder: where its files go.
        parent: the folder of the sweep it belongs to.
        observers: more who watch.
    """
    run = Run(uuid.uuid4().hex, provenance.run_name(config, overrides), config, folder)
    journaling = Journaling({run.id: overrides}, parent=parent, pictures=parent is None)
    return train([config], [run], [journaling, *hooks(current()), *observers])[0]


def _folder(run: Run) -> Path:
    if run.folder is None:
        raise ValueError(f"run {run.name} has no folder to write to")
    return run.folder


def _write_files(folder: Path, run: Run, overrides: Sequence[str]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(provenance.jsonable(run.config), sort_keys=False))
    (folder / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    (folder / "environment.txt").write_text(provenance.environment())
    for path in provenance.plugin_files(run.config):
        shutil.copyfile(path, folder / path.name)
