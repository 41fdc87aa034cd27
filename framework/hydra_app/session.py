"""Execution of a Hydra command line.

Hydra's own entry point creates a run's folder and writes to it before it calls the task function. Here a single run is
composed and checked, and its folder is checked, before anything is written. A sweep starts without the additional
composition with which Hydra's entry point finds its mode. Hydra's entry point handles everything else (``--cfg``,
``--info``, completion).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobStatus, run_job
from hydra.errors import SearchPathException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from framework.config.check import check
from framework.config.settings import Display
from framework.errors import InputError, nearest, warn_all
from framework.hydra_app import job
from framework.hydra_app.compose import seen_by_hydra
from framework.hydra_app.composed import plain_data
from framework.hydra_app.errors import explained
from framework.hydra_app.expansion import refuse_search
from framework.hydra_app.flags import read
from framework.hydra_app.job_files import has_credentials, record_masked, unrecorded
from framework.runs.folder import HYDRA_FILES, cleared_if_refused, make, refuse_used_run
from framework.sweeps.folder import refuse_alone
from framework.sweeps.job import Job
from framework.sweeps.plan_text import plan_text
from framework.sweeps.planning import plan
from framework.system.paths import conf_folder

VERSION_BASE = "1.3"


def main(words: Sequence[str]) -> None:
    """Execute the arguments after ``python -m framework``: train a run or a sweep, or show what a flag asks for.

    Raises:
        InputError: the arguments or the configuration are invalid, or the run's folder is in use; nothing was written.
    """
    arguments, flags = read(words)
    with explained(arguments.overrides):
        if _trains(arguments):
            _train(arguments)
            return
        if arguments.cfg is not None or arguments.info in ("all", "config"):
            _refuse_wrong(arguments)
        sys.argv = ["framework", *arguments.overrides, *flags]  # in this order: --info takes the next word as its value
        hydra.main(version_base=VERSION_BASE, config_path=str(conf_folder()), config_name="config")(job.job)()


def _trains(arguments: argparse.Namespace) -> bool:
    others = ("help", "hydra_help", "cfg", "resolve", "shell_completion", "info", "experimental_rerun")
    return not any(getattr(arguments, name) for name in others)


def _train(arguments: argparse.Namespace) -> None:
    """Compose and run one job, or a sweep if ``-m`` is given or the configuration sets ``hydra.mode=MULTIRUN``."""
    version.setbase(VERSION_BASE)
    composer = _composer(arguments)
    try:
        name, overrides = arguments.config_name or "config", arguments.overrides
        own_configs = arguments.config_name or arguments.config_path or arguments.config_dir
        may_sweep = own_configs or any("hydra.mode" in word for word in overrides)
        if arguments.multirun:
            composer.multirun(name, job.job, [*overrides, "hydra.mode=MULTIRUN"])
        elif may_sweep and composer.get_mode(name, overrides) is RunMode.MULTIRUN:
            composer.multirun(name, job.job, overrides)
        else:
            refuse_search(overrides)
            composed = composer.compose_config(name, overrides, run_mode=RunMode.RUN, with_log_configuration=True)
            composed.hydra.mode = RunMode.RUN
            _run_composed(composer, composed, name)
    finally:
        GlobalHydra.instance().clear()


def _refuse_wrong(arguments: argparse.Namespace) -> None:
    """Raise InputError if the configuration to be shown is invalid.

    Raises:
        InputError: a value is invalid, or there is no key as named by ``--package``.
    """
    version.setbase(VERSION_BASE)
    name, overrides = arguments.config_name or "config", arguments.overrides
    try:
        composed = _composer(arguments).compose_config(name, overrides, run_mode=RunMode.RUN)
        check(plain_data(composed))
        package = arguments.package if arguments.package != "_global_" else None
        if package is not None and OmegaConf.select(composed, package) is None:
            raise InputError(f"--package {package}: there is no such key{nearest(package, map(str, composed))}")
    finally:
        GlobalHydra.instance().clear()


def _composer(arguments: argparse.Namespace) -> Any:
    configs = arguments.config_path or str(conf_folder())
    path = create_automatic_config_search_path(job.__file__, None, configs)
    if arguments.config_dir is not None:
        added = Path(arguments.config_dir).absolute()
        if not added.is_dir():
            raise SearchPathException(f"Additional config directory '{added}' not found")
        path.prepend(provider="command-line", path=f"file://{added}", anchor=SearchPathQuery(provider="schema"))
    return Hydra.create_main_hydra2(task_name="framework", config_search_path=path)


def _run_composed(composer: Any, composed: DictConfig, config_name: str) -> None:
    with seen_by_hydra(composed):  # ${hydra:…} refers to this config
        folder = Path(str(composed.hydra.run.dir)).absolute()
        with read_write(composed.hydra.runtime), open_dict(composed.hydra.runtime):
            composed.hydra.runtime.output_dir = str(folder)
        taken = plain_data(composed)
        config = check(taken)
    refuse_alone(config)
    overrides = job.overrides_of(composed.hydra)
    if config.section(Display).plan:
        planned = plan([Job(0, tuple(overrides), config, {}, folder)])
        warn_all(planned.cautions)
        sys.stdout.write(plan_text(planned))
        return
    subdir = composed.hydra.output_subdir
    refuse_used_run(folder, config, taken.unresolved, subdir)
    files = [f"{composed.hydra.job.name}.log", *(f"{subdir}/{name}" for name in HYDRA_FILES if subdir is not None)]
    with cleared_if_refused(folder, files):
        make(folder, "hydra.run.dir")
        context = HydraContext(config_loader=composer.config_loader, callbacks=Callbacks(composed))
        context.callbacks.on_run_start(config=composed, config_name=config_name)
        secret = has_credentials(composed)
        if secret and subdir is not None:
            record_masked(composed, folder / subdir)
        with unrecorded(composed) if secret else nullcontext():
            returned = run_job(
                hydra_context=context,
                task_function=lambda _: job.alone(config, overrides, folder),
                config=composed,
                job_dir_key="hydra.run.dir",
                job_subdir_key=None,
            )
        context.callbacks.on_run_end(config=composed, config_name=config_name, job_return=returned)
        if returned.status is JobStatus.FAILED:
            raise returned._return_value  # the public property would print additional lines
