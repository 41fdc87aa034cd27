"""Training of checked jobs through Hydra's launcher."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from framework.config.settings import Display
from framework.errors import InputError, warn_all
from framework.hydra_app.job_files import has_credentials, without_records
from framework.hydra_app.launcher import refuse_unkept
from framework.hydra_app.reporting import ReportingTask, ended_of
from framework.sweeps.blocks import Ended
from framework.sweeps.console import watching
from framework.sweeps.job import Job
from framework.sweeps.plan_text import plan_text, reused_text
from framework.sweeps.planning import Plan, plan, refuse_misfits
from framework.sweeps.resume import Resumed


@runtime_checkable
class TakesPlan(Protocol):
    """A launcher that accepts the jobs and the plan that the sweep has already made."""

    planned: tuple[Sequence[Job], Plan] | None


class JobRunner:
    """Trains jobs of one command with its launcher.

    Args:
        hydra_context: Hydra's context.
        task_function: the function that Hydra's launchers call for a job.
        config: the sweep's configuration.
    """

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config = config
        self._task = ReportingTask(task_function)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=self._task, config=config
        )
        if not self.takes_part and has_credentials(config):  # Hydra's launcher would record them in each job
            self._launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=self._task, config=without_records(config)
            )

    @property
    def takes_part(self) -> bool:
        """Whether the launcher can run a part of a sweep's jobs."""
        return isinstance(self._launcher, TakesPlan)

    def prepare(self, jobs: Sequence[Job], total: int) -> list[str]:
        """Plan the training of jobs if the launcher takes a plan; return warnings.

        Args:
            jobs: the jobs to train.
            total: the number of all jobs of the sweep.

        Raises:
            InputError: a job cannot be trained, or not with this launcher.
        """
        if not isinstance(self._launcher, TakesPlan):
            if len(jobs) < total or jobs[0].config.section(Display).fail_fast:
                raise InputError("this launcher runs all jobs of a sweep: for a part use hydra/launcher=population")
            return refuse_misfits(jobs)
        refuse_unkept(self._config)
        planned = plan(jobs)
        self._launcher.planned = jobs, planned
        return planned.cautions

    def train(self, jobs: Sequence[Job]) -> dict[int, Ended]:
        """Train the jobs that `prepare` received last; return the results of those that ended, by number."""
        of_job = zip(jobs, self._launch(jobs) if jobs else [], strict=True)
        return {job.number: ended_of(result) for job, result in of_job if result.status is not JobStatus.UNKNOWN}

    def _launch(self, jobs: Sequence[Job]) -> Sequence[JobReturn]:
        overrides = [job.overrides for job in jobs]
        if isinstance(self._launcher, TakesPlan):  # such a launcher shows the progress itself
            return self._launcher.launch(overrides, initial_job_idx=0)
        with watching(jobs, None, progress=jobs[0].config.section(Display).progress) as watch:
            self._task.report(jobs, watch.ended)
            return self._launcher.launch(overrides, initial_job_idx=0)


def show_plan(chosen: Resumed) -> None:
    """Print the plan of the jobs that are left to train, and how many results are there already."""
    if not chosen.left:
        sys.stdout.write(f"{reused_text(len(chosen.jobs))}. Nothing was started.\n")
        return
    planned = plan(chosen.left)
    warn_all(planned.cautions)
    sys.stdout.write(plan_text(planned, len(chosen.finished)))
