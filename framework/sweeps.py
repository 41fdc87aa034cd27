"""A sweep: jobs composed and checked before the first starts, one parent run, one leaderboard."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from framework import display, provenance
from framework.config import check, without_hydra
from framework.errors import FrameworkError, InputError
from framework.journal import Journal
from framework.metric import Metric
from framework.records import Outcome
from framework.registry import find
from framework.tracking import Tracker

MOST_SHOWN = 20
"""Rows of the leaderboard in the terminal and on the parent run's page."""


class SweepFailed(FrameworkError):
    """Some runs of a sweep failed; the others are complete."""


@dataclass(frozen=True)
class Finished:
    """What a job returns: how its run ended, as plain data."""

    name: str
    folder: str
    ended: str
    seconds: float
    steps: int
    metrics: Mapping[str, float]
    params: Mapping[str, Any]

    @classmethod
    def of(cls, outcome: Outcome, overrides: Sequence[str]) -> Finished:
        """Return the plain data of an outcome; params are what the user set, beside optimizer and seed."""
        config = outcome.run.config
        named = dict(item.lstrip("+~").partition("=")[::2] for item in overrides)
        params = {"optimizer": config["optimizer"]["name"], "lr": config["optimizer"].get("lr"), "seed": config["seed"]}
        extra = {key: value for key, value in named.items() if key not in ("optimizer", "optimizer.lr", "seed")}
        return cls(
            name=outcome.run.name,
            folder=str(outcome.run.folder),
            ended=outcome.ended,
            seconds=outcome.seconds,
            steps=outcome.steps,
            metrics=dict(outcome.metrics),
            params={**params, **extra},
        )

    def row(self) -> dict[str, Any]:
        """Return one flat row of the leaderboard."""
        rest = {"ended": self.ended, "steps": self.steps, "seconds": self.seconds, "folder": self.folder}
        return {"run": self.name, **self.params, **self.metrics, **rest}


class Sweep:
    """Composes, checks, launches and concludes the jobs of one ``-m`` command."""

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context = hydra_context
        self._config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self._folder = Path(config.hydra.sweep.dir).resolve()

    def run(self, arguments: Sequence[str]) -> list[dict[str, Any]]:
        """Run all jobs; return the leaderboard, best first.

        Raises:
            InputError: a job's configuration is wrong; nothing was started.
            SweepFailed: some jobs failed; the others are complete.
        """
        jobs = self._jobs(arguments)
        configs = [self._checked(job) for job in jobs]
        self._folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, self._folder / "multirun.yaml")
        journal = self._open(arguments, configs)
        tracking = configs[0]["tracking"]
        with Tracker(tracking["uri"], enabled=tracking["enabled"]) as tracker:
            for folder in [self._folder, *(self._job_folder(number) for number in range(len(jobs)))]:
                tracker.follow(folder)
            rows, failed = self._launch(jobs, configs[0], journal)
        display.warn(tracker.problems)
        if failed:
            raise SweepFailed(f"{len(failed)} of {len(jobs)} runs failed; the first: {failed[0]}")
        return rows

    def _launch(
        self, jobs: Sequence[Sequence[str]], config: Mapping[str, Any], journal: Journal
    ) -> tuple[list[dict[str, Any]], list[str]]:
        status = "KILLED"
        try:
            results = self._launcher.launch(jobs, initial_job_idx=0)
            rows, failed = leaderboard(results), failures(results)
            self._conclude(journal, rows, config)
            status = "FAILED" if failed else "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            journal.write("end", status=status)
            journal.close()
        return rows, failed

    def _jobs(self, arguments: Sequence[str]) -> list[list[str]]:
        parser = OverridesParser.create(config_loader=self._context.config_loader)
        batches = BasicSweeper.split_arguments(parser.parse_overrides(list(arguments)), None)
        return [job for batch in batches for job in batch]

    def _checked(self, job: Sequence[str]) -> dict[str, Any]:
        config = self._context.config_loader.load_sweep_config(self._config, list(job))
        return check(without_hydra(config))

    def _job_folder(self, number: int) -> Path:
        config = self._config.copy()
        OmegaConf.set_readonly(config.hydra, False)
        config.hydra.job.num = number
        return self._folder / str(config.hydra.sweep.subdir)

    def _open(self, arguments: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> Journal:
        first = configs[0]
        journal = Journal(self._folder)
        command = provenance.command(arguments, sweep=True)
        optimizers = list(dict.fromkeys(config["optimizer"]["name"] for config in configs))
        journal.write(
            "start",
            name=f"sweep of {len(configs)}: {', '.join(optimizers)}"[:200],
            experiment=first["tracking"]["experiment"],
            params={"runs": len(configs), "arguments": " ".join(arguments)},
            tags={
                "sweep_id": self._folder.name,
                "problem": str(first["problem"]),
                "command": command,
                **provenance.git_state(),
                **first["tags"],
            },
            description=f"A sweep of {len(configs)} runs.\n\nRun it again:\n\n```\n{command}\n```\n",
            parent=None,
            dataset=None,
        )
        (self._folder / "environment.txt").write_text(provenance.environment())
        for name in ("multirun.yaml", "environment.txt"):
            journal.write("artifact", path=name, to="")
        return journal

    def _conclude(self, journal: Journal, rows: list[dict[str, Any]], config: Mapping[str, Any]) -> None:
        if not rows:
            return
        from framework.pictures import leaderboard as draw

        _write_csv(self._folder / "leaderboard.csv", rows)
        draw(rows, self._folder / "leaderboard.png", title=f"{config['problem']}: {len(rows)} runs")
        for name in ("leaderboard.csv", "leaderboard.png"):
            journal.write("artifact", path=name, to="")
        best = rows[0]
        journal.write("metrics", step=0, epoch=0, values={k: v for k, v in best.items() if k.startswith(("val/", "test/"))})
        journal.write("tags", values={"best_run": best["run"]})


def ranking_metric(names: Sequence[str]) -> tuple[str, bool]:
    """Return the validation figure that ranks runs and whether greater is better.

    The first metric beside the loss ranks, else the loss. Runs are ranked on validation, never on test.
    """
    for name in names:
        if name.startswith("val/") and name != "val/loss":
            cls: type[Metric] = find("metric", name.removeprefix("val/")).cls  # type: ignore[assignment]
            return name, cls.greater_is_better
    return "val/loss", False


def leaderboard(results: Sequence[JobReturn]) -> list[dict[str, Any]]:
    """Return one row for each run that ended in good order, best validation first, diverged ones last."""
    rows = [result.return_value.row() for result in results if result.status is JobStatus.COMPLETED]
    if not rows:
        return []
    metric, greater = ranking_metric([name for name in rows[0] if name.startswith("val/")])

    def key(row: Mapping[str, Any]) -> tuple[bool, float, float]:
        value = row[metric]
        finite = value == value
        return (not finite, (-value if greater else value) if finite else 0.0, row["val/loss"] if finite else 0.0)

    return sorted(rows, key=key)


def failures(results: Sequence[JobReturn]) -> list[str]:
    """Return one line for each job that failed: what was set, and the error."""
    return [
        f"{' '.join(result.overrides or ())}: {type(result._return_value).__name__}: {result._return_value}"
        for result in results
        if result.status is JobStatus.FAILED
    ]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
