"""One run of a sweep before it starts, and what its folder keeps for Hydra."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.runs.yaml_text import dump


@dataclass(frozen=True)
class Job:
    """One run of a sweep before it starts.

    Attributes:
        number: its place in the sweep, from 0.
        overrides: what the user set for it.
        config: checked, plain data.
        unresolved: the configuration as Hydra stores it.
        folder: where its files go.
        dirname: the overrides as Hydra's folder names use them.
        choices: which option of each group was chosen, for Hydra's records.
        distinguishing: the overrides that not all jobs of the sweep share; they make the run's name.
        setting: the name of its setting, as in `framework.hydra_app.setting`.
    """

    number: int
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    unresolved: Mapping[str, Any]
    folder: Path
    dirname: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    distinguishing: tuple[str, ...] = ()
    setting: str = ""


def own_values(job: Job) -> dict[str, dict[str, Any]]:
    """Return what Hydra's section says of one job and of no other, by the part of the section it stands in."""
    return {
        "job": {"num": job.number, "id": str(job.number), "override_dirname": job.dirname},
        "overrides": {"task": list(job.overrides)},
        "runtime": {"choices": dict(job.choices), "output_dir": str(job.folder)},
    }


@dataclass(frozen=True)
class HydraRecord:
    """What Hydra keeps of a sweep's jobs. Plain text, so that it goes to worker processes and is dumped only once.

    Attributes:
        subdir: the folder for it in a job's own, ``.hydra`` by default.
        shared: YAML of Hydra's section without the parts that hold `own_values`.
        parts: YAML of these parts, without the own values; each job's are added below it.
    """

    subdir: str
    shared: str
    parts: Mapping[str, str]

    def text(self, job: Job) -> str:
        """Return the text of a job's ``hydra.yaml``."""
        own = own_values(job)
        parts = [text + textwrap.indent(dump(own[name]), 4 * " ") for name, text in self.parts.items()]
        return self.shared + "".join(parts)

    def write(self, job: Job) -> None:
        """Write ``config.yaml``, ``hydra.yaml`` and ``overrides.yaml`` below the job's folder."""
        folder = job.folder / self.subdir
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "config.yaml": dump(job.unresolved),
            "overrides.yaml": dump(list(job.overrides)),
            "hydra.yaml": self.text(job),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
