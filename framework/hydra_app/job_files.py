"""Hydra's record of a job, ``.hydra/*.yaml``, prepared once so that thousands of jobs need no further composition."""

from __future__ import annotations

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from framework.runs.yaml_text import dump
from framework.sweeps.job import HydraRecord, Job, own_values


def hydra_record(sweep_config: DictConfig, job: Job) -> HydraRecord | None:
    """Return the record of a composed sweep, or None if the user turned it off (``hydra.output_subdir=null``).

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
    return HydraRecord(str(sweep_config.hydra.output_subdir), dump({"hydra": section}), parts)
