"""Our sweeper: it checks all jobs before the first one starts, and writes one parent run and one leaderboard."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from framework import errors
from framework.config.resolved import RunConfig
from framework.config.settings import Display, Tracking
from framework.errors import FrameworkError, format_error, warn_all
from framework.hydra_app.compose import Composer
from framework.hydra_app.job import quiet_job
from framework.hydra_app.launcher import refuse_unkept
from framework.hydra_app.splitting import split
from framework.registry.manager import current
from framework.runs import provenance
from framework.runs.finished import Finished
from framework.runs.folder import begun_in, make, refuse_unusable, resumable
from framework.runs.journal import Journal
from framework.runs.ownership import owned
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.closing import close_jobs, closed_sweep
from framework.sweeps.console import watching
from framework.sweeps.folder import refuse_used_sweep
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import Table, tables, write_runs, write_settings
from framework.sweeps.plan_text import plan_text
from framework.sweeps.planning import Plan, plan, refuse_misfits
from framework.sweeps.resume import Resumed, resumed
from framework.sweeps.state import FILE as STATE
from framework.sweeps.state import JobIdentity, SweepState
from framework.sweeps.text import settings_markdown, settings_text
from framework.tracking.client import Tracker
from framework.tracking.console import DeliveryProgress, whereabouts
from framework.training import kept

if TYPE_CHECKING:
    from framework.sweeps.frames import SweepFrame


class SweepFailedError(FrameworkError):
    """Some runs of a sweep failed; the others are complete.

    Args:
        message: the error message.
        found: the sweep's tables.
    """

    def __init__(self, message: str, found: Sequence[Table]) -> None:
        super().__init__(message)
        self._found = tuple(found)

    @property
    def runs(self) -> SweepFrame:
        """The frame that `framework.sweep` would have returned; failed runs have ``ended`` "failed" and no figures."""
        from framework.sweeps.frames import SweepFrame

        return SweepFrame.of(self._found)


@runtime_checkable
class TakesPlan(Protocol):
    """A launcher that accepts the jobs and the plan that the sweep has already made."""

    planned: tuple[Sequence[Job], Plan] | None


class ReportingTask:
    """A task function that reports each job that ends in this process; in another process it only calls the task."""

    def __init__(self, task: TaskFunction) -> None:
        self._task = task
        self._jobs: Sequence[Job] = ()
        self._ended: Callable[[Job, Ended], None] | None = None

    def report(self, jobs: Sequence[Job], ended: Callable[[Job, Ended], None]) -> None:
        """Report the results of ``jobs`` to ``ended`` from now on."""
        self._jobs, self._ended = jobs, ended

    def __reduce__(self) -> tuple[Any, ...]:
        return ReportingTask, (self._task,)

    def __call__(self, config: DictConfig) -> Any:
        """Call the task, report its result or failure, and return its value."""
        if self._ended is None:
            return self._task(config)
        job = self._jobs[HydraConfig.get().job.num]
        try:
            finished = self._task(config)
        except Exception as error:
            self._ended(job, Failed(format_error(error)))
            raise
        self._ended(job, finished)
        return finished


class Sweep:
    """Composes, checks and launches the jobs of one ``-m`` command, and writes its results."""

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._loader = hydra_context.config_loader
        self._config = config
        self._composer = Composer(self._loader, config)
        self._task = ReportingTask(task_function)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=self._task, config=config
        )
        self._folder = Path(config.hydra.sweep.dir).resolve()
        self._description = ""
        self._returned = task_function is quiet_job  # the Python API returns the tables, so they are not printed

    def run(self, arguments: Sequence[str]) -> list[Table]:
        """Run all jobs; return the tables of their results.

        With ``plan=true``, print the plan and return an empty list.

        Args:
            arguments: the overrides after ``-m``.

        Raises:
            InputError: a job's configuration is invalid, or a folder is in use; nothing was started.
            SweepFailedError: some jobs failed; the others are complete.
        """
        jobs = self._composer.jobs(split(arguments), 0)
        display = jobs[0].config.section(Display)
        if display.plan:
            planned = plan(jobs)
            warn_all(planned.cautions)
            sys.stdout.write(plan_text(planned))
            return []
        chosen = self._chosen(arguments, jobs)
        waiting = DeliveryProgress(progress=display.progress)
        tracker = Tracker.of(jobs[0].config.section(Tracking), waiting)
        if chosen.left:
            warn_all(self._prepare(chosen.left))
        make(self._folder, "hydra.sweep.dir")
        with owned(self._folder), resumable(self._folder), waiting, tracker, closed_sweep(self._folder):
            state = self._state(arguments, chosen.jobs)
            state.save(self._folder)
            journal = Journal(self._folder)
            self._description = _description(arguments, len(jobs))
            if not journal.begun:
                self._begin(journal, arguments, [job.config for job in jobs])
            for folder in [self._folder, *(job.folder for job in chosen.jobs)]:
                tracker.follow(folder)
            found, failed = self._run(chosen, journal, tracker, state)
        warn_all(tracker.problems)
        sys.stdout.write(whereabouts(self._folder, tracker.uri))
        if failed:
            raise SweepFailedError(f"{len(failed)} of {len(jobs)} runs failed; the first: {failed[0]}", found)
        return found

    def _chosen(self, arguments: Sequence[str], jobs: Sequence[Job]) -> Resumed:
        """Return the jobs to run: all, or those that the sweep in the folder has not finished.

        Raises:
            InputError: a folder cannot be used.
        """
        refuse_unusable([self._folder], "hydra.sweep.dir")
        refuse_unusable((job.folder for job in jobs), "hydra.sweep.subdir")
        if jobs[0].config.section(Display).resume:
            return resumed(jobs, SweepState.load(self._folder).jobs, self._folder, self._composer.folder)
        if refuse_used_sweep(self._folder, arguments, jobs, self._config.hydra.output_subdir):
            known = SweepState.load(self._folder).jobs if (self._folder / STATE).is_file() else ()
            return resumed(jobs, known, self._folder, self._composer.folder)
        return Resumed(jobs)

    def _state(self, arguments: Sequence[str], jobs: Sequence[Job]) -> SweepState:
        words = cast(list[str], OmegaConf.to_container(self._config.hydra.overrides.hydra, resolve=False))
        left_out = ("hydra.sweep.dir=", "hydra.mode=")
        loaded = [provider.path for provider in current().providers if provider.status == "ok" and provider.path]
        return SweepState(
            arguments=tuple(word for word in arguments if not word.startswith("resume=")),
            hydra=tuple(word for word in words if not word.lstrip("+").startswith(left_out)),
            flags=tuple(shlex.split(os.environ.get(provenance.FLAGS, ""))),
            plugins=tuple(map(str, loaded)),
            jobs=tuple(
                JobIdentity(job.number, os.path.relpath(job.folder, self._folder), job.config.identity, job.overrides)
                for job in jobs
            ),
        )

    def _prepare(self, jobs: Sequence[Job]) -> list[str]:
        """Raise InputError for jobs that cannot be trained; plan if the launcher takes a plan; return warnings."""
        if not isinstance(self._launcher, TakesPlan):
            return refuse_misfits(jobs)
        refuse_unkept(self._config)
        planned = plan(jobs)
        self._launcher.planned = jobs, planned
        return planned.cautions

    def _run(
        self, chosen: Resumed, journal: Journal, tracker: Tracker, state: SweepState
    ) -> tuple[list[Table], list[str]]:
        status = "KILLED"
        try:
            results = self._launch(chosen.left) if chosen.left else []
            ended: dict[int, Ended] = dict(chosen.finished)
            ended |= {job.number: ended_of(result) for job, result in zip(chosen.left, results, strict=True)}
            found, failed = tables(chosen.jobs, [ended[job.number] for job in chosen.jobs]), failures(results)
            if not self._returned:
                sys.stdout.write(settings_text(found, self._folder))
                sys.stdout.flush()
            tracker.announce()
            self._conclude(journal, found)
            status = "FAILED" if failed else "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            if status == "KILLED":  # by an interrupt
                close_jobs(job.folder for job in chosen.left)
            journal.end(status, artifact=False)
            state.ended(status.lower()).save(self._folder)
        return found, failed

    def _launch(self, jobs: Sequence[Job]) -> Sequence[JobReturn]:
        overrides = [job.overrides for job in jobs]
        if isinstance(self._launcher, TakesPlan):  # such a launcher shows the progress itself
            return self._launcher.launch(overrides, initial_job_idx=0)
        with watching(jobs, None, progress=jobs[0].config.section(Display).progress) as watch:
            self._task.report(jobs, watch.ended)
            return self._launcher.launch(overrides, initial_job_idx=0)

    def _begin(self, journal: Journal, arguments: Sequence[str], configs: Sequence[RunConfig]) -> None:
        first = configs[0]
        OmegaConf.save(self._config, self._folder / "multirun.yaml")
        command = provenance.command(arguments, sweep=True)
        optimizers = list(dict.fromkeys(config.optimizer.name for config in configs))
        journal.write(
            "start",
            name=f"sweep of {len(configs)}: {', '.join(optimizers)}"[:200],
            experiment=first.section(Tracking).experiment,
            params={"runs": len(configs), "arguments": " ".join(arguments)},
            tags={
                "sweep_id": self._folder.name,
                "problem": ", ".join(dict.fromkeys(str(config.problem) for config in configs)),
                "command": command,
                **provenance.git_state(),
                **first.tags,
            },
            description=self._description,
            parent=None,
            dataset=None,
        )
        (self._folder / "environment.txt").write_text(provenance.environment())
        for name in ("multirun.yaml", "environment.txt"):
            journal.write("artifact", path=name, to="")

    def _conclude(self, journal: Journal, found: Sequence[Table]) -> None:
        """Write tables and picture to the sweep's folder, and add them to the parent run."""
        from framework.plots import drawn
        from framework.sweeps.plots import sweep_picture

        write_runs(self._folder / "leaderboard.csv", found)
        write_settings(self._folder / "settings.csv", found)
        drawn(lambda: sweep_picture(found), self._folder / "leaderboard.png", errors.warn)
        for name in ("leaderboard.csv", "settings.csv", "leaderboard.png"):
            if (self._folder / name).exists():
                journal.write("artifact", path=name, to="")
        journal.write("description", text=f"{settings_markdown(found)}\n\n{self._description}")
        recorded = [str(entry.content["values"]) for entry in begun_in(self._folder) if entry.kind == "metrics"]
        for table in found:
            figures = _best_figures(table, several=len(found) > 1)
            if str(figures) not in recorded:  # a resumed sweep may have written them before
                journal.write("metrics", step=0, epoch=None, values=figures)


def _description(arguments: Sequence[str], runs: int) -> str:
    command = provenance.command(arguments, sweep=True)
    return f"A sweep of {runs} runs.\n\nRun it again:\n\n```\n{command}\n```\n"


def _best_figures(table: Table, *, several: bool) -> dict[str, float]:
    """Return the best setting's means, under names that no run uses, so that charts do not show the parent as a run."""
    best = table.settings[0]
    prefix = f"best/{table.problem}/" if several else "best/"
    figures = {name: best.spread(name) for name in kept.shown(best.figures)}
    means = {prefix + name.removeprefix(kept.PREFIX): float(spread.mean) for name, spread in figures.items()}
    return {**means, f"{prefix}seeds": float(best.seeds)}


def ended_of(result: JobReturn) -> Ended:
    """Return a job's result from its launcher's record."""
    if result.status is JobStatus.COMPLETED:
        ended: Finished = result.return_value
        return ended
    return Failed(format_error(result._return_value))


def failures(results: Sequence[JobReturn]) -> list[str]:
    """Return one line per failed job: its overrides and the error."""
    return [
        f"{' '.join(result.overrides or ())}: {format_error(result._return_value)}"
        for result in results
        if result.status is JobStatus.FAILED
    ]
