"""Our Hydra launcher: train jobs in populations and return Hydra's records of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from framework.config.settings import Display, Launching
from framework.errors import InputError, RunFailedError, warn_all
from framework.hydra_app.compose import Composer, seen_by_hydra
from framework.hydra_app.job_files import hydra_record
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.console import watching
from framework.sweeps.job import Job, own_values
from framework.sweeps.plan_text import grouping_text
from framework.sweeps.planning import Plan, launch, plan


class LazyReturn(JobReturn):
    """Hydra's record of a job.

    Its configurations are created on access, because those of ten thousand jobs would not fit into memory.

    Args:
        job: the job.
        ended: its result, or None if it did not run to its end.
        source: the sweep's configuration.
    """

    def __init__(self, job: Job, ended: Ended | None, source: DictConfig) -> None:
        super().__init__(overrides=list(job.overrides), working_dir=str(Path.cwd()), task_name="framework")
        self._job = job
        self._source = source
        self._return_value = RunFailedError(ended.error) if isinstance(ended, Failed) else ended
        if ended is not None:
            self.status = JobStatus.FAILED if isinstance(ended, Failed) else JobStatus.COMPLETED

    @property
    def cfg(self) -> DictConfig:
        """The job's configuration, without Hydra's own section."""
        return OmegaConf.create(dict(self._job.unresolved))

    @cfg.setter
    def cfg(self, value: object) -> None:
        """Ignore the None that Hydra's class sets."""

    @property
    def hydra_cfg(self) -> DictConfig:
        """Hydra's own section, with the job's number, overrides and folder."""
        return OmegaConf.create({"hydra": job_hydra(self._source, self._job)})

    @hydra_cfg.setter
    def hydra_cfg(self, value: object) -> None:
        """Ignore the None that Hydra's class sets."""


def job_hydra(source: DictConfig, job: Job) -> DictConfig:
    """Return Hydra's section of the sweep's configuration with the values of one job."""
    section = source.hydra.copy()
    with read_write(section), open_dict(section):
        for part, values in own_values(job).items():
            section[part].update(values)
    return section


def refuse_unkept(config: DictConfig) -> None:
    """Raise InputError for settings per job that runs of one population cannot have.

    Raises:
        InputError: the sweep's configuration sets ``hydra.job.chdir`` or ``hydra.job.env_set``.
    """
    if config.hydra.job.chdir:
        raise InputError("hydra.job.chdir: runs that train together share one folder; use hydra/launcher=basic")
    if config.hydra.job.env_set:
        raise InputError("hydra.job.env_set: set the variables before the command, or use hydra/launcher=basic")


class PopulationLaunch:
    """Trains jobs in populations.

    Args:
        hydra_context: Hydra's context.
        task_function: passed to Hydra's callbacks; it is not called.
        config: the sweep's configuration.

    Attributes:
        planned: the jobs and their plan if the sweeper has already made them, else None.
    """

    def __init__(self, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context = hydra_context
        self._config = config
        self._task_function = task_function
        self.planned: tuple[Sequence[Job], Plan] | None = None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Train the jobs; return Hydra's records in the jobs' order.

        Args:
            job_overrides: the overrides of each job; not used if ``planned`` is set.
            initial_job_idx: number of the first job; not used if ``planned`` is set.

        Raises:
            InputError: there is no job, or a configuration is invalid.
        """
        jobs, planned = self.planned or self._plan(job_overrides, initial_job_idx)
        config = jobs[0].config
        sys.stdout.write(grouping_text(planned))
        sys.stdout.flush()
        parent = Path(self._config.hydra.sweep.dir).resolve()
        record = hydra_record(self._config, jobs[0])
        callbacks = JobCallbacks(self._context, self._config, self._task_function)
        callbacks.start(jobs)
        returns: dict[int, JobReturn] = {}
        with watching(jobs, planned, progress=config.section(Display).progress) as watch:

            def done(job: Job, ended: Ended) -> None:
                returns[job.number] = LazyReturn(job, ended, self._config)
                callbacks.end(job, returns[job.number])
                watch.ended(job, ended)

            launch(planned, config.section(Launching).backend, parent, record, done, _warn, watch.fractions)
        return [returns.get(job.number) or LazyReturn(job, None, self._config) for job in jobs]

    def _plan(self, job_overrides: Sequence[Sequence[str]], first: int) -> tuple[Sequence[Job], Plan]:
        refuse_unkept(self._config)
        if not job_overrides:
            raise InputError("the sweep has no run: a range or a choice in it is empty")
        jobs = Composer(self._context.config_loader, self._config).jobs(job_overrides, first)
        return jobs, plan(jobs)


class JobCallbacks:
    """Calls the user's Hydra callbacks, if any: for the start of all jobs at once, and for the end of each job."""

    def __init__(self, context: HydraContext, config: DictConfig, task_function: TaskFunction) -> None:
        self._context = context
        self._config = config
        self._task_function = task_function
        self._configs: dict[int, DictConfig] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Call ``on_job_start`` for all jobs."""
        if not self._config.hydra.callbacks:
            return
        for job in jobs:
            config = self._context.config_loader.load_sweep_config(self._config, list(job.overrides))
            with read_write(config), open_dict(config):
                config.hydra.job.num, config.hydra.job.id = job.number, str(job.number)
                config.hydra.runtime.output_dir = str(job.folder)
            self._configs[job.number] = config
            with seen_by_hydra(config):
                self._context.callbacks.on_job_start(config=config, task_function=self._task_function)

    def end(self, job: Job, returned: JobReturn) -> None:
        """Call ``on_job_end`` for one job."""
        if job.number in self._configs:
            config = self._configs.pop(job.number)
            with seen_by_hydra(config):
                self._context.callbacks.on_job_end(config=config, job_return=returned)


def _warn(line: str) -> None:
    warn_all([line])
