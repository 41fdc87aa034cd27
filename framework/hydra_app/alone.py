"""A single run of a valid configuration: its folder is checked, Hydra records it, and it trains."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.errors import warn_all
from framework.hydra_app.job import alone, overrides_of
from framework.hydra_app.job_files import has_credentials, record_masked, unrecorded
from framework.runs.folder import HYDRA_FILES, cleared_if_refused, make, refuse_used_run
from framework.sweeps.folder import refuse_alone
from framework.sweeps.job import Job
from framework.sweeps.plan_text import plan_text
from framework.sweeps.planning import plan


def run_alone(
    loader: ConfigLoader,
    composed: DictConfig,
    config_name: str,
    config: RunConfig,
    unresolved: Mapping[str, Any],
    folder: Path,
) -> None:
    """Train a single run, or show its plan.

    Args:
        loader: Hydra's config loader.
        composed: the composed configuration.
        config_name: name of the primary configuration.
        config: the checked configuration.
        unresolved: the composed configuration as plain data, with its interpolations.
        folder: the run's folder.

    Raises:
        InputError: a setting is about sweeps, or the folder is in use; nothing was written.
    """
    refuse_alone(config)
    overrides = overrides_of(composed.hydra)
    if config.section(Display).plan:
        planned = plan([Job(0, tuple(overrides), config, {}, folder)])
        warn_all(planned.cautions)
        sys.stdout.write(plan_text(planned))
        return
    subdir = composed.hydra.output_subdir
    refuse_used_run(folder, config, unresolved, subdir)
    files = [f"{composed.hydra.job.name}.log", *(f"{subdir}/{name}" for name in HYDRA_FILES if subdir is not None)]
    with cleared_if_refused(folder, files):
        make(folder, "hydra.run.dir")
        context = HydraContext(config_loader=loader, callbacks=Callbacks(composed))
        context.callbacks.on_run_start(config=composed, config_name=config_name)
        secret = has_credentials(composed)
        if secret and subdir is not None:
            record_masked(composed, folder / subdir)
        with unrecorded(composed) if secret else nullcontext():
            returned = run_job(
                hydra_context=context,
                task_function=lambda _: alone(config, overrides, folder),
                config=composed,
                job_dir_key="hydra.run.dir",
                job_subdir_key=None,
            )
        context.callbacks.on_run_end(config=composed, config_name=config_name, job_return=returned)
        if returned.status is JobStatus.FAILED:
            raise returned._return_value  # the public property would print additional lines
