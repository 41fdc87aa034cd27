"""The parent run of a command that trains several runs: its folder, state file, journal and delivery to MLflow."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from framework.config.resolved import RunConfig
from framework.config.settings import Display, Tracking
from framework.hydra_app.job_files import without_credentials
from framework.hydra_app.words import as_written
from framework.registry.manager import current
from framework.reports.stored import FOLDER, PAGE, write_report
from framework.runs import provenance
from framework.runs.folder import make, resumable
from framework.runs.journal import Journal
from framework.runs.ownership import owned
from framework.study.comparison import Comparison
from framework.sweeps.closing import close_jobs, closed_sweep
from framework.sweeps.job import Job
from framework.sweeps.state import JobIdentity, SweepState
from framework.system.addresses import masked_words
from framework.system.formatting import shortened_path
from framework.tracking.client import Tracker
from framework.tracking.console import DeliveryProgress, whereabouts

ONCE = ("resume=", "failed_only=", "force=")
"""Beginnings of arguments that are about one command, and are not repeated by the next ``resume``."""


class ParentRun:
    """The parent run of a sweep or a study.

    Args:
        folder: the sweep's folder.
        config: Hydra's configuration of the sweep.
        arguments: the overrides after ``-m``.
        first: the configuration of the first job, whose settings of the store and the display count.
        known: jobs of its state file that stay there even if they are not added again.

    Attributes:
        journal: the parent run's journal; set by `opened`.
        status: the status with which the run ends: ``"KILLED"`` until it is set.
    """

    journal: Journal

    def __init__(
        self,
        folder: Path,
        config: DictConfig,
        arguments: Sequence[str],
        first: RunConfig,
        known: Sequence[JobIdentity] = (),
    ) -> None:
        self.folder = folder
        self.status = "KILLED"
        self._config = config
        self._arguments = arguments
        self._first = first
        self._waiting = DeliveryProgress(progress=first.section(Display).progress)
        self._tracker = Tracker.of(first.section(Tracking), self._waiting)
        self._jobs: dict[int, Job] = {}
        self._identities = {job.number: job for job in known}

    @property
    def repeated(self) -> list[str]:
        """The arguments that a later command repeats."""
        return [word for word in as_written(self._arguments) if not word.startswith(ONCE)]

    @property
    def problems(self) -> Sequence[str]:
        """What could not be delivered, as lines for the user."""
        return self._tracker.problems

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder and own it while the context is active; deliver what is recorded at its end."""
        make(self.folder, "hydra.sweep.dir")
        with owned(self.folder), resumable(self.folder), self._waiting, self._tracker, closed_sweep(self.folder):
            self.journal = Journal(self.folder)
            yield

    def add(self, jobs: Sequence[Job]) -> None:
        """Add jobs to the state file, before they start."""
        self._jobs |= {job.number: job for job in jobs}
        self._identities |= {job.number: _identity(job, self.folder) for job in jobs}
        self._state().save(self.folder)

    @property
    def identities(self) -> tuple[JobIdentity, ...]:
        """All jobs so far, as in the state file."""
        return tuple(self._identities.values())

    def begin(
        self,
        name: str,
        configs: Sequence[RunConfig],
        runs: int,
        description: str,
        params: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Write the beginning of the journal, unless the run is continued.

        Args:
            name: the run's name.
            configs: the configurations of its jobs.
            runs: the number of runs.
            description: Markdown for its page.
            params: further parameters of the run.
        """
        if self.journal.begun:
            return
        OmegaConf.save(without_credentials(self._config), self.folder / "multirun.yaml")
        words = as_written(self._arguments)
        self.journal.write(
            "start",
            name=name[:200],
            experiment=self._first.section(Tracking).experiment,
            params={"runs": runs, "arguments": " ".join(masked_words(words)), **params},
            tags={
                "sweep_id": self.folder.name,
                "problem": ", ".join(dict.fromkeys(str(config.problem) for config in configs)),
                "command": provenance.command(words, sweep=True),
                "folder": str(self.folder),
                **provenance.git_state(),
                **self._first.tags,
            },
            description=description,
            parent=None,
            dataset=None,
        )
        (self.folder / "environment.txt").write_text(provenance.environment())
        for name in ("multirun.yaml", "environment.txt"):
            self.journal.write("artifact", path=name, to="")

    def follow(self, jobs: Sequence[Job] = ()) -> None:
        """Deliver the journals of this run and of jobs to MLflow as they grow."""
        for folder in [self.folder, *(job.folder for job in jobs)]:
            self._tracker.follow(folder)

    def announce(self) -> None:
        """Say that what is left is the delivery."""
        self._tracker.announce()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write the end of the journal and of the state file when the context is left, with the status."""
        try:
            yield
        except Exception:
            self.status = "FAILED"
            raise
        finally:
            if self.status == "KILLED":  # by an interrupt
                close_jobs(job.folder for job in self._jobs.values())
            self.journal.end(self.status, artifact=False)
            self._state().ended(self.status.lower()).save(self.folder)

    def report(self, found: Comparison) -> None:
        """Write the report to the folder, and add it to the run's artifacts."""
        for path in write_report(found, self.folder / FOLDER):
            self.journal.write("artifact", path=str(path.relative_to(self.folder)), to=FOLDER)

    def whereabouts(self) -> str:
        """Return lines for the user that name the report, if there is one, the folder and the store."""
        page = self.folder / FOLDER / PAGE
        reported = f"report      {shortened_path(page)}\n" if page.is_file() else ""
        return reported + whereabouts(self.folder, self._tracker.uri, self._first.data["tracking"]["uri"])

    def _state(self) -> SweepState:
        words = cast(list[str], OmegaConf.to_container(self._config.hydra.overrides.hydra, resolve=False))
        left_out = ("hydra.sweep.dir=", "hydra.mode=")
        loaded = [provider.path for provider in current().providers if provider.status == "ok" and provider.path]
        return SweepState(
            arguments=tuple(masked_words(self.repeated)),
            hydra=tuple(word for word in masked_words(words) if not word.lstrip("+").startswith(left_out)),
            flags=tuple(shlex.split(os.environ.get(provenance.FLAGS, ""))),
            plugins=tuple(map(str, loaded)),
            jobs=self.identities,
        )


def _identity(job: Job, folder: Path) -> JobIdentity:
    own = os.path.relpath(job.folder, folder)
    return JobIdentity(job.number, own, job.config.identity, tuple(masked_words(job.overrides)))
