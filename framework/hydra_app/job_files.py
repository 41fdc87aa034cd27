"""Hydra's record of a job, ``.hydra/*.yaml``, prepared once so that thousands of jobs need no further composition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from framework.runs.yaml_text import dump
from framework.sweeps.job import HydraRecord, Job, own_values
from framework.system.addresses import masked_config, masked_data, masked_words


def hydra_record(sweep_config: DictConfig, job: Job) -> HydraRecord | None:
    """Return the record of a composed sweep, or None if the user turned it off (``hydra.output_subdir=null``).

    Args:
        sweep_config: the sweep's own configuration.
        job: any job of the sweep.
    """
    if sweep_config.hydra.output_subdir is None:
        return None
    section = masked_data(OmegaConf.to_container(sweep_config.hydra, resolve=False, enum_to_str=True))
    parts = {}
    for name, own in own_values(job).items():
        part = {key: value for key, value in section.pop(name).items() if key not in own}
        parts[name] = dump({"hydra": {name: part}}).removeprefix("hydra:\n")
    return HydraRecord(str(sweep_config.hydra.output_subdir), dump({"hydra": section}), parts)


def without_credentials(config: DictConfig) -> DictConfig:
    """Return a copy of a composed configuration in the form to record: as written, credentials masked."""
    return OmegaConf.create(masked_config(_plain(config)))


def has_credentials(config: DictConfig) -> bool:
    """Return whether a composed configuration holds credentials, so that Hydra itself must not record it."""
    written = _plain(config)
    return masked_config(written) != written


def without_records(config: DictConfig) -> DictConfig:
    """Return a copy of a sweep's configuration with which Hydra's launchers write no files of their own."""
    copy = config.copy()
    with read_write(copy.hydra), open_dict(copy.hydra):
        copy.hydra.output_subdir = None
        copy.hydra.overrides.hydra.append("hydra.output_subdir=null")
    return copy


@contextmanager
def unrecorded(config: DictConfig) -> Iterator[None]:
    """Keep Hydra from recording a configuration inside a ``with`` block."""
    subdir = config.hydra.output_subdir
    _set_subdir(config, None)
    try:
        yield
    finally:
        _set_subdir(config, subdir)


def record_masked(config: DictConfig, folder: Path) -> None:
    """Write Hydra's files of a single run, as Hydra does but without credentials.

    Args:
        config: its composed configuration.
        folder: the folder of these files.
    """
    masked = without_credentials(config)
    hydra = OmegaConf.create({"hydra": masked.pop("hydra")})
    folder.mkdir(parents=True, exist_ok=True)
    overrides = OmegaConf.create(masked_words(_plain(config.hydra.overrides.task)))
    for name, content in (("config.yaml", masked), ("hydra.yaml", hydra), ("overrides.yaml", overrides)):
        OmegaConf.save(content, folder / name)


def _set_subdir(config: DictConfig, subdir: str | None) -> None:
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.output_subdir = subdir


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False, enum_to_str=True)
