"""A sweep: jobs composed and checked before the first starts, one parent run, one leaderboard."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from framework import display, kept, provenance
from framework.blocks import close_interrupted
from framework.composition import Composer, Job, split
from framework.errors import FrameworkError, said
from framework.hydra_launcher import refuse_unkept
from framework.journal import Journal
from framework.launching import Plan, plan, refuse_misfits
from framework.run_folder import make, refuse_unusable, refuse_used_sweep
from framework.tracking import Tracker

LOSS = f"{kept.VALIDATION}loss"
"""The kept model's validation loss, which ranks runs of one metric value, and runs without a metric."""


class SweepFailedError(FrameworkError):
    """Some runs of a sweep failed; the others are complete."""


@runtime_checkable
class TakesPlan(Protocol):
    """A launcher that can use what the sweep has composed and planned already."""

    planned: tuple[Sequence[Job], Plan] | None


class Sweep:
    """Composes, checks, launches and concludes the jobs of one ``-m`` command."""

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._loader = hydra_context.config_loader
        self._config = config
        self._composer = Composer(self._loader, config)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self._folder = Path(config.hydra.sweep.dir).resolve()

    def run(self, arguments: Sequence[str]) -> list[dict[str, Any]]:
        """Run all jobs; return the leaderboard, best first.

        Raises:
            InputError: a job's configuration is wrong; nothing was started.
            SweepFailedError: some jobs failed; the others are complete.
        """
        jobs = self._composer.jobs(split(arguments), 0)
        first = jobs[0].config
        if first["plan"]:
            planned = plan(jobs, first["launcher"], first["threads"])
            display.warn(planned.cautions)
            sys.stdout.write(display.plan_text(planned))
            return []
        tracker = Tracker(first["tracking"]["uri"], enabled=first["tracking"]["enabled"])
        refuse_unusable([self._folder], "hydra.sweep.dir")
        refuse_unusable((job.folder for job in jobs), "hydra.sweep.subdir")
        begun = refuse_used_sweep(self._folder, arguments, jobs, self._config.hydra.output_subdir)
        display.warn(self._prepare(jobs))
        make(self._folder, "hydra.sweep.dir")
        journal = Journal(self._folder)
        if not begun:
            self._begin(journal, arguments, [job.config for job in jobs])
        with tracker:
            for folder in [self._folder, *(job.folder for job in jobs)]:
                tracker.follow(folder)
            rows, failed = self._launch(jobs, journal)
            tracker.finish(display.countdown())
        display.warn(tracker.problems)
        sys.stdout.write(display.leaderboard_text(rows, self._folder) if rows else "")
        sys.stdout.write(display.whereabouts(self._folder, tracker.uri))
        if failed:
            raise SweepFailedError(f"{len(failed)} of {len(jobs)} runs failed; the first: {failed[0]}")
        return rows

    def _prepare(self, jobs: Sequence[Job]) -> list[str]:
        """Refuse what cannot be trained; plan where the launcher makes use of it; return what to warn of."""
        if not isinstance(self._launcher, TakesPlan):
            return refuse_misfits(jobs)
        refuse_unkept(self._config)
        planned = plan(jobs, jobs[0].config["launcher"], jobs[0].config["threads"])
        self._launcher.planned = jobs, planned
        return planned.cautions

    def _launch(self, jobs: Sequence[Job], journal: Journal) -> tuple[list[dict[str, Any]], list[str]]:
        status = "KILLED"
        try:
            results = self._launcher.launch([job.overrides for job in jobs], initial_job_idx=0)
            rows, failed = leaderboard(results), failures(results)
            self._conclude(journal, rows, jobs[0].config)
            status = "FAILED" if failed else "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        except KeyboardInterrupt:
            close_interrupted(jobs)
            raise
        finally:
            journal.write("end", status=status)
            journal.close()
        return rows, failed

    def _begin(self, journal: Journal, arguments: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> None:
        first = configs[0]
        OmegaConf.save(self._config, self._folder / "multirun.yaml")
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

    def _conclude(self, journal: Journal, rows: list[dict[str, Any]], config: Mapping[str, Any]) -> None:
        if not rows:
            return
        from framework.pictures import leaderboard as draw

        _write_csv(self._folder / "leaderboard.csv", rows)
        draw(rows, self._folder / "leaderboard.png", title=f"{config['problem']}: {len(rows)} runs")
        for name in ("leaderboard.csv", "leaderboard.png"):
            journal.write("artifact", path=name, to="")
        best = rows[0]
        journal.write("metrics", step=0, epoch=None, values={name: best[name] for name in kept.shown(best)})
        journal.write("tags", values={"best_run": best["run"]})


def ranking_metric(names: Sequence[str], directions: Mapping[str, bool]) -> tuple[str, bool]:
    """Return the kept model's validation figure that ranks runs, and whether greater is better.

    The first metric beside the loss ranks, else the loss. Runs are ranked on validation, never on test.

    Args:
        names: of the figures, in order.
        directions: whether greater is better, by the metric's name.
    """
    for name in names:
        if name.startswith(kept.VALIDATION) and name != LOSS:
            return name, directions[name.removeprefix(kept.VALIDATION)]
    return LOSS, False


def leaderboard(results: Sequence[JobReturn]) -> list[dict[str, Any]]:
    """Return one row for each run that ended in good order, best validation first, diverged ones last."""
    ended = [result.return_value for result in results if result.status is JobStatus.COMPLETED]
    rows = [run.row() for run in ended]
    if not rows:
        return []
    metric, greater = ranking_metric(list(rows[0]), ended[0].directions)

    def key(row: Mapping[str, Any]) -> tuple[bool, float, float]:
        value = row[metric]
        finite = value == value
        return (not finite, (-value if greater else value) if finite else 0.0, row[LOSS] if finite else 0.0)

    return sorted(rows, key=key)


def failures(results: Sequence[JobReturn]) -> list[str]:
    """Return one line for each job that failed: what was set, and the error."""
    return [
        f"{' '.join(result.overrides or ())}: {said(result._return_value)}"
        for result in results
        if result.status is JobStatus.FAILED
    ]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
