"""Our sweeper: it checks all jobs before the first one starts, and writes one parent run and one leaderboard."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from framework import errors
from framework.config.settings import Display, Tracking
from framework.errors import FrameworkError, warn_all
from framework.hydra_app.compose import Composer
from framework.hydra_app.job import quiet_job
from framework.hydra_app.job_runner import JobRunner, show_plan
from framework.hydra_app.parent_run import ParentRun
from framework.hydra_app.splitting import split
from framework.hydra_app.study import StudyRun
from framework.hydra_app.study_words import has_study
from framework.runs.finished import Finished
from framework.runs.folder import begun_in, refuse_unusable
from framework.runs.journal import Journal
from framework.study.of_sweep import comparison_of_sweep
from framework.study.result import StudyResult
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.folder import refuse_used_sweep
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import Table, tables, write_runs, write_settings
from framework.sweeps.parent import best_figures, description
from framework.sweeps.plan_text import reused_text
from framework.sweeps.resume import Resumed, resumed, with_earlier
from framework.sweeps.state import FILE as STATE
from framework.sweeps.state import SweepState
from framework.sweeps.summary import summary
from framework.sweeps.text import settings_markdown, settings_text
from framework.tracking.recorded import recorded_runs

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


class Sweep:
    """Composes, checks and launches the jobs of one ``-m`` command, and writes its results."""

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config = config
        self._composer = Composer(hydra_context.config_loader, config)
        self._runner = JobRunner(hydra_context, task_function, config)
        self._folder = Path(config.hydra.sweep.dir).resolve()
        self._description = ""
        self._returned = task_function is quiet_job  # the Python API returns the tables, so they are not printed

    def run(self, arguments: Sequence[str]) -> list[Table] | StudyResult | None:
        """Run all jobs; return the tables of their results, or the result of a study.

        With ``plan=true``, print the plan and return an empty list or None.

        Args:
            arguments: the overrides after ``-m``.

        Raises:
            InputError: a job's configuration is invalid, or a folder is in use; nothing was started.
            SweepFailedError: some jobs failed; the others are complete.
        """
        if has_study(arguments):
            return StudyRun(self._composer, self._runner, self._config, arguments, quiet=self._returned).run()
        jobs = self._composer.jobs(self._composer.searched(split(arguments)), 0)
        if jobs[0].config.section(Display).plan:
            show_plan(_reusing(Resumed(jobs)))
            return []
        chosen = _reusing(self._chosen(arguments, jobs))
        warn_all(chosen.cautions)
        if chosen.left:
            warn_all([*self._runner.prepare(chosen.left, len(jobs)), *chosen.afresh])
        parent = ParentRun(self._folder, self._config, arguments, jobs[0].config)
        with parent.opened():
            parent.add(chosen.jobs)
            self._description = description(parent.repeated, len(jobs), chosen.finished.values())
            optimizers = dict.fromkeys(job.config.optimizer.name for job in jobs)
            name = f"sweep of {len(jobs)}: {', '.join(optimizers)}"
            parent.begin(name, [job.config for job in jobs], len(jobs), self._description)
            reused = {number for number, end in chosen.finished.items() if isinstance(end, Finished) and end.reused}
            if reused and not self._returned:
                sys.stdout.write(f"{reused_text(len(reused))}\n")
            parent.follow([job for job in chosen.jobs if job.number not in reused])
            ended, found = self._run(chosen, parent)
        warn_all(parent.problems)
        sys.stdout.write(parent.whereabouts())
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

    def _run(self, chosen: Resumed, parent: ParentRun) -> tuple[Mapping[int, Ended], list[Table]]:
        with parent.recorded():
            ended = {**chosen.finished, **self._runner.train(chosen.left)}
            with_result = [job for job in chosen.jobs if job.number in ended]
            found = tables(with_result, [ended[job.number] for job in with_result])
            if not self._returned:
                sys.stdout.write(settings_text(found, self._folder))
                sys.stdout.flush()
            parent.announce()
            self._conclude(parent.journal, found)
            compared = comparison_of_sweep(chosen.jobs, ended, parent.repeated)
            if compared is not None:
                parent.report(compared)
            if any(isinstance(end, Failed) for end in ended.values()):
                parent.status = "FAILED"
            elif len(ended) == len(chosen.jobs):
                parent.status = "FINISHED"
        return ended, found

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
