"""Studies: ``-m study=…``, or ``compare``. The course of a study is in `framework.study.run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from framework.config.settings import Display, Tracking
from framework.errors import FrameworkError, InputError, RunFailedError, TrackingError, warn_all
from framework.hydra_app.compose import Composer
from framework.hydra_app.job_runner import JobRunner, show_plan
from framework.hydra_app.parent_run import ParentRun
from framework.hydra_app.study_words import contests, study_words
from framework.hydra_app.words import as_written
from framework.reports.stored import FOLDER, PAGE
from framework.runs.finished import Finished
from framework.runs.folder import refuse_unusable
from framework.runs.reuse import finished_runs
from framework.study.build import comparison_of_study
from framework.study.comparison import Comparison
from framework.study.contest import REPORTING, TUNING, Contest, Request, reporting_seeds, tuning_seeds
from framework.study.result import StudyResult
from framework.study.run import Studied, first_trials, reporting, study
from framework.study.settings import Study
from framework.study.text import best_means, comparison_markdown, comparison_text
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.folder import refuse_used_sweep
from framework.sweeps.job import Job
from framework.sweeps.plan_text import reused_text
from framework.sweeps.resume import Resumed, resumed, with_earlier
from framework.sweeps.state import FILE as STATE
from framework.sweeps.state import JobIdentity, SweepState
from framework.sweeps.summary import failure_text, summary
from framework.system.formatting import counted
from framework.tracking.recorded import recorded_folders

PHASE = "study_phase"
"""Tag of the runs of a study: its value is the phase."""


class StudyRun:
    """Composes, trains and records the runs of one study.

    Args:
        composer: composes its jobs.
        runner: trains them.
        config: Hydra's configuration of the sweep.
        arguments: the overrides after ``-m``.
        quiet: whether to print no tables.

    Raises:
        InputError: the study's words or a configuration are invalid.
    """

    def __init__(
        self, composer: Composer, runner: JobRunner, config: DictConfig, arguments: Sequence[str], *, quiet: bool
    ) -> None:
        words = study_words(arguments, config)
        self._settings: Study = words.settings
        self._contests: list[Contest] = contests(words, composer)
        entrants = len({contest.entrant for contest in self._contests})
        problems = len({contest.problem for contest in self._contests})
        self._seeds = reporting_seeds(words.settings, entrants, problems)
        self._composer, self._runner, self._config, self._arguments = composer, runner, config, list(arguments)
        self._folder = Path(config.hydra.sweep.dir).resolve()
        self._quiet = quiet
        self._known: Sequence[JobIdentity] = ()
        self._recorded: dict[str, list[Path]] = {}
        self._results: dict[tuple[str, ...], Ended] = {}
        self._failed: list[str] = []
        self._parent: ParentRun

    @property
    def _first(self) -> Contest:
        return self._contests[0]

    def run(self) -> StudyResult | None:
        """Run the study; return its result, or None with ``plan=true``, which prints the plan.

        Raises:
            InputError: a configuration is invalid, or the folder is in use; nothing was started.
            RunFailedError: some runs failed; the comparison counts them with the worst figure.
        """
        display = self._first.config.section(Display)
        if not self._runner.takes_part:
            raise InputError("a study trains its runs in several parts: it needs hydra/launcher=population")
        jobs = self._jobs(TUNING, first_trials(self._contests, self._settings), 0)
        jobs += self._jobs(REPORTING, reporting(self._contests, {}, self._seeds), len(jobs))
        if display.plan:
            self._recorded = self._earlier()
            self._show_plan(jobs)
            return None
        self._known = self._earlier_jobs(jobs, resume=display.resume)
        self._recorded = self._earlier()
        self._parent = ParentRun(self._folder, self._config, self._arguments, self._first.config, self._known)
        with self._parent.opened():
            self._begin(len(jobs))
            with self._parent.recorded():
                found = self._concluded(study(self._contests, self._settings, self._seeds, self._train))
        warn_all(self._parent.problems)
        sys.stdout.write(self._parent.whereabouts())
        if self._failed:
            failed, runs = len(self._failed), counted(len(self._results), "run")
            raise RunFailedError(f"{failed} of {runs} failed and count as the worst (the first: {self._failed[0]})")
        return StudyResult(found, self._folder, self._folder / FOLDER / PAGE)

    def _begin(self, runs: int) -> None:
        names = list(dict.fromkeys(contest.entrant for contest in self._contests))
        about = f"A study of {', '.join(names)}."
        settings = {f"study.{name}": value for name, value in self._settings.rows[0].items()}
        configs = [contest.config for contest in self._contests]
        self._parent.begin(f"study: {', '.join(names)}", configs, runs, about, settings)
        self._parent.follow()

    def _earlier_jobs(self, jobs: Sequence[Job], *, resume: bool) -> Sequence[JobIdentity]:
        """Return the jobs of the study that the folder holds and that is continued; none for a new folder.

        Raises:
            InputError: the folder cannot be used, or holds something else; or a run of any phase cannot be continued.
        """
        refuse_unusable([self._folder], "hydra.sweep.dir")
        if not resume:
            held = (self._folder / STATE).is_file()  # then the later runs depend on figures: `resumed` compares all
            words, subdir = as_written(self._arguments), self._config.hydra.output_subdir
            if not refuse_used_sweep(self._folder, words, [] if held else jobs, subdir) or not held:
                return ()
        known = SweepState.load(self._folder).jobs
        if not self._first.config.section(Display).force:
            again = self._composer.jobs([each.overrides for each in known], 0)
            resumed(again, known, self._folder, self._composer.folder)
        return known

    def _earlier(self) -> dict[str, list[Path]]:
        tracking = self._first.config.section(Tracking)
        if not (self._settings.reuse and tracking.enabled):
            return {}
        try:
            return recorded_folders(tracking)
        except TrackingError as error:
            warn_all([f"no earlier run is reused: {error}"])
            return {}

    def _jobs(self, phase: str, requests: Sequence[Request], first: int) -> list[Job]:
        words = dict.fromkeys(_words(request, phase) for request in requests)
        return self._composer.jobs([each for each in words if each not in self._results], first)

    def _train(self, phase: str, requests: Sequence[Request]) -> list[Ended]:
        """Return the result of each requested run; those that have none yet are trained."""
        number = 1 + max((job.number for job in self._parent.identities), default=-1)
        jobs = self._jobs(phase, requests, number)
        if jobs:
            chosen = self._with_results(jobs, number)
            self._say(phase, requests, chosen)
            self._parent.add(chosen.jobs)
            self._parent.follow([job for job in chosen.jobs if not _is_reused(chosen.finished.get(job.number))])
            if chosen.left:
                warn_all([*self._runner.prepare(chosen.left, len(chosen.left)), *chosen.afresh])
            ended = {**chosen.finished, **self._runner.train(chosen.left)}
            with_result = [(job, ended[job.number]) for job in chosen.jobs if job.number in ended]
            self._results |= {job.overrides: end for job, end in with_result}
            self._failed += [failure_text(job, end) for job, end in with_result if isinstance(end, Failed)]
            if len(ended) < len(chosen.jobs):
                raise FrameworkError(summary(self._folder, chosen.jobs, ended))
        return [self._results[_words(request, phase)] for request in requests]

    def _with_results(self, jobs: Sequence[Job], number: int) -> Resumed:
        chosen = Resumed(jobs)
        if self._known:
            force = self._first.config.section(Display).force
            place = self._composer.folder
            chosen = resumed(jobs, self._known, self._folder, place, force=force, first=number)
            warn_all(chosen.cautions)
        return with_earlier(chosen, finished_runs([job.config for job in chosen.left], self._recorded))

    def _say(self, phase: str, requests: Sequence[Request], chosen: Resumed) -> None:
        if self._quiet:
            return
        seeds = len({request.seed for request in requests})
        settings = counted(len(requests) // seeds, "setting")
        reused = len(chosen.finished)
        rest = f", {reused_text(reused)}" if reused else ""
        sys.stdout.write(f"{phase}: {settings} with {counted(seeds, 'seed')}{rest}\n")
        sys.stdout.flush()

    def _concluded(self, studied: Studied) -> Comparison:
        """Print the comparison, and write it to the folder and the parent run."""
        found = comparison_of_study(studied, self._settings, self._seeds, self._parent.repeated)
        if not self._quiet:
            sys.stdout.write(comparison_text(found))
            sys.stdout.flush()
        self._parent.announce()
        journal = self._parent.journal
        journal.write("description", text=comparison_markdown(found))
        journal.write("metrics", step=0, epoch=None, values=best_means(found))
        self._parent.report(found)
        self._parent.status = "FAILED" if self._failed else "FINISHED"
        return found

    def _show_plan(self, jobs: Sequence[Job]) -> None:
        chosen = with_earlier(Resumed(jobs), finished_runs([job.config for job in jobs], self._recorded))
        tuned = sum(bool(contest.axes) for contest in self._contests)
        trials = len(first_trials(self._contests, self._settings))
        more = f", and {trials} more for each extension of all ranges" if trials and self._settings.extensions else ""
        sys.stdout.write(
            f"{counted(len(self._contests), 'contest')} of an entrant with a problem, {tuned} of them tuned: "
            f"{trials} tuning runs (seeds {tuning_seeds(self._settings)[0]} …){more}; "
            f"{counted(len(self._seeds), 'reporting seed')}\n"
        )
        show_plan(chosen)


def _is_reused(end: Ended | None) -> bool:
    return isinstance(end, Finished) and end.reused


def _words(request: Request, phase: str) -> tuple[str, ...]:
    """Return the overrides of a run."""
    values = [f"optimizer.{name}={value!r}" for name, value in request.values.items()]
    tested = ["evaluate_test=false"] if phase == TUNING else []
    return (*request.contest.words, *values, f"seed={request.seed}", *tested, f"tags.{PHASE}={phase}")
