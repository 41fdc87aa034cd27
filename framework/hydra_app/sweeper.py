"""Our sweeper: it checks all jobs before the first one starts, and writes one parent run and one leaderboard."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from framework import errors
from framework.config.resolved import RunConfig
from framework.config.settings import Display, Tracking
from framework.errors import FrameworkError, InputError, warn_all
from framework.hydra_app.compose import Composer
from framework.hydra_app.job import quiet_job
from framework.hydra_app.job_files import has_credentials, without_credentials, without_records
from framework.hydra_app.launcher import refuse_unkept
from framework.hydra_app.reporting import ReportingTask, ended_of
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
from framework.sweeps.parent import best_figures, description
from framework.sweeps.plan_text import plan_text, reused_text
from framework.sweeps.planning import Plan, plan, refuse_misfits
from framework.sweeps.resume import Resumed, resumed, with_earlier
from framework.sweeps.state import FILE as STATE
from framework.sweeps.state import JobIdentity, SweepState
from framework.sweeps.summary import summary
from framework.sweeps.text import settings_markdown, settings_text
from framework.system.addresses import masked_words
from framework.tracking.client import Tracker
from framework.tracking.console import DeliveryProgress, whereabouts
from framework.tracking.recorded import recorded_runs

if TYPE_CHECKING:
    from framework.sweeps.frames import SweepFrame


ONCE = ("resume=", "failed_only=", "force=")
"""Beginnings of arguments that are about one command, and are not repeated by the next ``resume``."""


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
        if not isinstance(self._launcher, TakesPlan) and has_credentials(config):  # it would record them in each job
            self._launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=self._task, config=without_records(config)
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
        jobs = self._composer.jobs(self._composer.searched(split(arguments)), 0)
        display = jobs[0].config.section(Display)
        if display.plan:
            _show_plan(_reusing(Resumed(jobs)))
            return []
        chosen = _reusing(self._chosen(arguments, jobs))
        waiting = DeliveryProgress(progress=display.progress)
        tracker = Tracker.of(jobs[0].config.section(Tracking), waiting)
        warn_all(chosen.cautions)
        if chosen.left:
            warn_all([*self._prepare(chosen.left, len(jobs)), *chosen.afresh])
        make(self._folder, "hydra.sweep.dir")
        with owned(self._folder), resumable(self._folder), waiting, tracker, closed_sweep(self._folder):
            state = self._state(arguments, chosen.jobs)
            state.save(self._folder)
            journal = Journal(self._folder)
            repeated = [word for word in arguments if not word.startswith(ONCE)]
            self._description = description(repeated, len(jobs), chosen.finished.values())
            if not journal.begun:
                self._begin(journal, arguments, [job.config for job in jobs])
            reused = {number for number, end in chosen.finished.items() if isinstance(end, Finished) and end.reused}
            if reused and not self._returned:
                sys.stdout.write(f"{reused_text(len(reused))}\n")
            for folder in [self._folder, *(job.folder for job in chosen.jobs if job.number not in reused)]:
                tracker.follow(folder)
            ended, found = self._run(chosen, journal, tracker, state)
        warn_all(tracker.problems)
        sys.stdout.write(whereabouts(self._folder, tracker.uri, jobs[0].config.data["tracking"]["uri"]))
        if any(isinstance(end, Failed) for end in ended.values()):
            raise SweepFailedError(summary(self._folder, chosen.jobs, ended), found)
        if len(ended) < len(chosen.jobs):
            sys.stdout.write(f"{summary(self._folder, chosen.jobs, ended)}\n")
        return found

    def _chosen(self, arguments: Sequence[str], jobs: Sequence[Job]) -> Resumed:
        """Return the jobs to run: all, or those that the sweep in the folder has not finished.

        Raises:
            InputError: a folder cannot be used.
        """
        refuse_unusable([self._folder], "hydra.sweep.dir")
        refuse_unusable((job.folder for job in jobs), "hydra.sweep.subdir")
        display, place = jobs[0].config.section(Display), self._composer.folder
        if display.resume or display.failed_only:
            known = SweepState.load(self._folder).jobs
            return resumed(jobs, known, self._folder, place, failed_only=display.failed_only, force=display.force)
        if refuse_used_sweep(self._folder, arguments, jobs, self._config.hydra.output_subdir):
            known = SweepState.load(self._folder).jobs if (self._folder / STATE).is_file() else ()
            return resumed(jobs, known, self._folder, place)
        return Resumed(jobs)

    def _state(self, arguments: Sequence[str], jobs: Sequence[Job]) -> SweepState:
        words = cast(list[str], OmegaConf.to_container(self._config.hydra.overrides.hydra, resolve=False))
        left_out = ("hydra.sweep.dir=", "hydra.mode=")
        loaded = [provider.path for provider in current().providers if provider.status == "ok" and provider.path]
        return SweepState(
            arguments=tuple(masked_words([word for word in arguments if not word.startswith(ONCE)])),
            hydra=tuple(word for word in masked_words(words) if not word.lstrip("+").startswith(left_out)),
            flags=tuple(shlex.split(os.environ.get(provenance.FLAGS, ""))),
            plugins=tuple(map(str, loaded)),
            jobs=tuple(
                JobIdentity(
                    job.number,
                    os.path.relpath(job.folder, self._folder),
                    job.config.identity,
                    tuple(masked_words(job.overrides)),
                )
                for job in jobs
            ),
        )

    def _prepare(self, jobs: Sequence[Job], total: int) -> list[str]:
        """Raise InputError for jobs that cannot be trained; plan if the launcher takes a plan; return warnings."""
        if not isinstance(self._launcher, TakesPlan):
            if len(jobs) < total or jobs[0].config.section(Display).fail_fast:
                raise InputError("this launcher runs all jobs of a sweep: for a part use hydra/launcher=population")
            return refuse_misfits(jobs)
        refuse_unkept(self._config)
        planned = plan(jobs)
        self._launcher.planned = jobs, planned
        return planned.cautions

    def _run(
        self, chosen: Resumed, journal: Journal, tracker: Tracker, state: SweepState
    ) -> tuple[Mapping[int, Ended], list[Table]]:
        status = "KILLED"
        try:
            results = self._launch(chosen.left) if chosen.left else []
            ended: dict[int, Ended] = dict(chosen.finished)
            for job, result in zip(chosen.left, results, strict=True):
                if result.status is not JobStatus.UNKNOWN:
                    ended[job.number] = ended_of(result)
            with_result = [job for job in chosen.jobs if job.number in ended]
            found = tables(with_result, [ended[job.number] for job in with_result])
            if not self._returned:
                sys.stdout.write(settings_text(found, self._folder))
                sys.stdout.flush()
            tracker.announce()
            self._conclude(journal, found)
            if any(isinstance(end, Failed) for end in ended.values()):
                status = "FAILED"
            elif len(ended) == len(chosen.jobs):
                status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            if status == "KILLED":  # by an interrupt
                close_jobs(job.folder for job in chosen.left)
            journal.end(status, artifact=False)
            state.ended(status.lower()).save(self._folder)
        return ended, found

    def _launch(self, jobs: Sequence[Job]) -> Sequence[JobReturn]:
        overrides = [job.overrides for job in jobs]
        if isinstance(self._launcher, TakesPlan):  # such a launcher shows the progress itself
            return self._launcher.launch(overrides, initial_job_idx=0)
        with watching(jobs, None, progress=jobs[0].config.section(Display).progress) as watch:
            self._task.report(jobs, watch.ended)
            return self._launcher.launch(overrides, initial_job_idx=0)

    def _begin(self, journal: Journal, arguments: Sequence[str], configs: Sequence[RunConfig]) -> None:
        first = configs[0]
        OmegaConf.save(without_credentials(self._config), self._folder / "multirun.yaml")
        command = provenance.command(arguments, sweep=True)
        optimizers = list(dict.fromkeys(config.optimizer.name for config in configs))
        journal.write(
            "start",
            name=f"sweep of {len(configs)}: {', '.join(optimizers)}"[:200],
            experiment=first.section(Tracking).experiment,
            params={"runs": len(configs), "arguments": " ".join(masked_words(arguments))},
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
        if found:
            drawn(lambda: sweep_picture(found), self._folder / "leaderboard.png", errors.warn)
        for name in ("leaderboard.csv", "settings.csv", "leaderboard.png"):
            if (self._folder / name).exists():
                journal.write("artifact", path=name, to="")
        journal.write("description", text=f"{settings_markdown(found)}\n\n{self._description}")
        earlier = [entry.content for entry in begun_in(self._folder) if entry.kind == "metrics"]
        step = 1 + max((content["step"] for content in earlier), default=-1)  # one more per resume
        for table in found:
            values = best_figures(table, several=len(found) > 1)
            if not any(values.items() <= content["values"].items() for content in earlier[-len(found) :]):
                journal.write("metrics", step=step, epoch=None, values=values)


def _reusing(chosen: Resumed) -> Resumed:
    """Return the jobs with the results of the experiment's earlier runs, if the setting ``reuse`` is on."""
    new = chosen.left
    if not new or not new[0].config.section(Display).reuse:
        return chosen
    return with_earlier(chosen, recorded_runs(new[0].config.section(Tracking), [job.config for job in new]))


def _show_plan(chosen: Resumed) -> None:
    if not chosen.left:
        sys.stdout.write(f"{reused_text(len(chosen.jobs))}. Nothing was started.\n")
        return
    planned = plan(chosen.left)
    warn_all(planned.cautions)
    sys.stdout.write(plan_text(planned, len(chosen.finished)))
