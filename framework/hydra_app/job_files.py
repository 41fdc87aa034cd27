"""Hydra's own record of a job, ``.hydra/*.yaml``, written for each of ten thousand jobs without composing it again."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from framework.hydra_app.compose import Job
from framework.runs.yaml_text import dump


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

    @classmethod
    def of(cls, sweep_config: DictConfig, job: Job) -> HydraRecord | None:
        """Return the record of a composed sweep, or None if the user wants none (``hydra.output_subdir=null``).

        Args:
            sweep_config: the sweep's own configuration.
            job: any job of the sweep.
        """
        if sweep_config.hydra.output_subdir is None:
            return None
        section = cast(dict[str, Any], OmegaConf.to_container(sweep_config.hydra, resolve=False, enum_to_str=True))
        parts = {}
        for name, own in own_values(job).items():
            part = {key: value for key, value in section.pop(name).items() if key not in own}
            parts[name] = dump({"hydra": {name: part}}).removeprefix("hydra:\n")
        return cls(str(sweep_config.hydra.output_subdir), dump({"hydra": section}), parts)

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
