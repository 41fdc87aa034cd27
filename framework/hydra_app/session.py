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
from pathlib import Path
from typing import Any

import hydra
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import SearchPathException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from framework.config.check import check
from framework.errors import InputError, nearest
from framework.hydra_app.compose import seen_by_hydra
from framework.hydra_app.composed import plain_data
from framework.hydra_app.errors import explained
from framework.hydra_app.expansion import refuse_search
from framework.hydra_app.flags import read
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
        from framework.hydra_app.job import job

        hydra.main(version_base=VERSION_BASE, config_path=str(conf_folder()), config_name="config")(job)()


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
            _sweep(composer, name, [*overrides, "hydra.mode=MULTIRUN"])
        elif may_sweep and composer.get_mode(name, overrides) is RunMode.MULTIRUN:
            _sweep(composer, name, overrides)
        else:
            refuse_search(overrides)
            composed = composer.compose_config(name, overrides, run_mode=RunMode.RUN, with_log_configuration=True)
            composed.hydra.mode = RunMode.RUN
            _run_composed(composer, composed, name)
    finally:
        GlobalHydra.instance().clear()


def _sweep(composer: Any, name: str, overrides: Sequence[str]) -> None:
    from framework.hydra_app.job import job

    composer.multirun(name, job, overrides)


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
    path = create_automatic_config_search_path(__file__, None, configs)
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
    from framework.hydra_app.alone import run_alone  # what trains is imported for a valid configuration only

    run_alone(composer.config_loader, composed, config_name, config, taken.unresolved, folder)
