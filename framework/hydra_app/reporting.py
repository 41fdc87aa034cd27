"""Results of a sweep's jobs from Hydra: as they end, for launchers that run jobs in this process, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import TaskFunction
from omegaconf import DictConfig

from framework.errors import format_error
from framework.runs.finished import Finished
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.job import Job


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


def ended_of(result: JobReturn) -> Ended:
    """Return a job's result from its launcher's record; the job has ended."""
    if result.status is JobStatus.COMPLETED:
        ended: Finished = result.return_value
        return ended
    return Failed(format_error(result._return_value))
