"""The task functions that Hydra calls for each job: they train the run of a composed config."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from framework.config.check import check
from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.hydra_app.compose import composing
from framework.hydra_app.composed import plain_data
from framework.hydra_app.setting import setting_of
from framework.hydra_app.splitting import shared_by_all, split
from framework.runs import summary
from framework.runs.finished import Finished
from framework.runs.journal import FILE as JOURNAL
from framework.runs.ownership import owned
from framework.runs.runner import execute
from framework.system.addresses import masked_word
from framework.tracking.run import shown
from framework.training.record import Outcome


def job(composed: DictConfig) -> Finished:
    """Train the run of a composed config, in the folder that Hydra chose: a job of a sweep, or a rerun.

    Raises:
        InputError: the configuration is invalid.
    """
    hydra = HydraConfig.get()
    config = check(plain_data(composed))
    if hydra.mode is RunMode.MULTIRUN:
        outcome, finished = _train_in_sweep(config, hydra)
        if not (Path(hydra.sweep.dir) / JOURNAL).is_file():  # another sweeper shows no progress or results
            sys.stdout.write(f"{hydra.job.num:>5}  {summary.one_line(outcome)}\n")
            sys.stdout.flush()
        return finished
    return alone(config, overrides_of(hydra), Path(hydra.runtime.output_dir))


def alone(config: RunConfig, overrides: Sequence[str], folder: Path) -> Finished:
    """Train a single run, show its progress and print where its files are.

    Args:
        config: a checked configuration.
        overrides: the user's overrides.
        folder: the folder for its files.

    Raises:
        InputError: the parts of the configuration do not fit together.
    """
    resume = config.section(Display).resume
    outcome = shown(config, overrides, folder, setting=_setting(config), resume=resume)
    return Finished.of(outcome, config, overrides)


def quiet_job(composed: DictConfig) -> Finished:
    """Train one run of a sweep without printing; arguments and errors as for `job`."""
    hydra = HydraConfig.get()
    return _train_in_sweep(check(plain_data(composed)), hydra)[1]


def _train_in_sweep(config: RunConfig, hydra: Any) -> tuple[Outcome, Finished]:
    overrides, parent = overrides_of(hydra), Path(hydra.sweep.dir).resolve()
    record = parent / "multirun.yaml"  # missing if a launcher is called without a sweeper
    arguments = overrides_of(OmegaConf.load(record).hydra) if record.is_file() else []
    shared = shared_by_all(split(arguments))
    distinguishing = [word for word in overrides if masked_word(word) not in shared]
    folder = Path(hydra.runtime.output_dir)
    setting = _setting(config)
    with owned(folder):  # another sweeper than ours does not own the sweep's folder
        outcome = execute(config, overrides, folder, parent=parent, distinguishing=distinguishing, setting=setting)
    return outcome, Finished.of(outcome, config, distinguishing)


def overrides_of(hydra: Any) -> list[str]:
    """Return the overrides as written; ``${…}`` in them refers to keys outside Hydra's section and is not resolved."""
    return cast(list[str], OmegaConf.to_container(hydra.overrides.task, resolve=False))


def _setting(config: RunConfig) -> str:
    hydra = HydraConfig.get()
    return setting_of(config, hydra.runtime.choices, composing(GlobalHydra.instance().config_loader(), hydra))
