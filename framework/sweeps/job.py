"""A job of a sweep, and the files that Hydra keeps in the job's folder."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.config.check import remade
from framework.config.resolved import RunConfig
from framework.runs import provenance
from framework.runs.yaml_text import dump
from framework.system.addresses import masked_config, masked_data, masked_words


@dataclass(frozen=True)
class Job:
    """One run of a sweep before it starts.

    Attributes:
        number: its position in the sweep, from 0.
        overrides: the user's overrides for this job.
        config: the checked configuration.
        unresolved: the configuration as Hydra stores it, with interpolations.
        folder: the folder for its files.
        dirname: the overrides in the form that Hydra uses in folder names.
        choices: the chosen option of each config group, for Hydra's records.
        distinguishing: the overrides that are not shared by all jobs of the sweep; the run's name is made of them.
        setting: the name of its setting, as in `framework.hydra_app.setting`.
        resume: whether to continue the run that its folder may hold.
        epoch: the epoch of the checkpoint from which it continues, or 0 to start.
        changed: what has changed since its start, if it is continued with the setting ``force``; else "".
    """

    number: int
    overrides: tuple[str, ...]
    config: RunConfig
    unresolved: Mapping[str, Any]
    folder: Path
    dirname: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    distinguishing: tuple[str, ...] = ()
    setting: str = ""
    resume: bool = False
    epoch: int = 0
    changed: str = ""

    @property
    def run_name(self) -> str:
        """The name of its run."""
        return provenance.run_name(self.config, self.distinguishing)

    def as_data(self) -> dict[str, Any]:
        """Return the job as plain data for `remade`: classes of plugin files cannot be sent to another process."""
        return {**vars(self), "config": self.config.as_data()}

    @classmethod
    def remade(cls, data: Mapping[str, Any]) -> Job:
        """Return the job of `as_data` in another process, with this process's classes.

        Raises:
            InputError: this process lacks a plugin, or has another version of it.
        """
        return cls(**{**data, "config": remade(data["config"])})


def own_values(job: Job) -> dict[str, dict[str, Any]]:
    """Return the values of Hydra's section that are specific to one job, by part of the section."""
    return {
        "job": {"num": job.number, "id": str(job.number), "override_dirname": job.dirname},
        "overrides": {"task": list(job.overrides)},
        "runtime": {"choices": dict(job.choices), "output_dir": str(job.folder)},
    }


@dataclass(frozen=True)
class HydraRecord:
    """Hydra's files of a sweep's jobs, as YAML text.

    Text is cheap to send to worker processes, and the part that jobs share is dumped only once.

    Attributes:
        subdir: name of the files' folder inside a job's folder, ``.hydra`` by default.
        shared: YAML of Hydra's section without the parts that contain `own_values`.
        parts: YAML of these parts without the own values; each job's own values are appended.
    """

    subdir: str
    shared: str
    parts: Mapping[str, str]

    def text(self, job: Job) -> str:
        """Return the content of a job's ``hydra.yaml``."""
        own = own_values(job)
        parts = [text + textwrap.indent(dump(masked_data(own[name])), 4 * " ") for name, text in self.parts.items()]
        return self.shared + "".join(parts)

    def write(self, job: Job) -> None:
        """Write ``config.yaml``, ``hydra.yaml`` and ``overrides.yaml`` to `subdir` of the job's folder."""
        folder = job.folder / self.subdir
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "config.yaml": dump(masked_config(job.unresolved)),
            "overrides.yaml": dump(masked_words(job.overrides)),
            "hydra.yaml": self.text(job),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
