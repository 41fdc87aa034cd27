"""What Hydra calls for each job: from a composed config to a finished run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from framework import display
from framework.composition import Job, shared_by_all, split
from framework.config import Composed, check
from framework.errors import InputError
from framework.launching import plan
from framework.records import Outcome
from framework.runner import Finished, execute
from framework.tracking import Tracker


def job(composed: DictConfig) -> Finished | None:
    """Train the run of a composed config in the folder Hydra gave it, or say what it would take (``plan=true``).

    Raises:
        InputError: the configuration is wrong; the folder is gone again.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    overrides = list(hydra.overrides.task)
    try:
        config = check(Composed.of(composed))
        if hydra.mode is RunMode.MULTIRUN:
            outcome, finished = _train_in_sweep(config, hydra)
            sys.stdout.write(f"{hydra.job.num:>5}  {display.one_line(outcome)}\n")
            sys.stdout.flush()
            return finished
        if config["plan"]:
            planned = plan([Job(0, tuple(overrides), config, {}, folder)], config["launcher"], config["threads"])
            display.warn(planned.cautions)
            sys.stdout.write(display.plan_text(planned))
            _remove_if_fresh(folder)
            return None
        with Tracker(config["tracking"]["uri"], enabled=config["tracking"]["enabled"]) as tracker:
            tracker.follow(folder)
            outcome = execute(config, overrides, folder, observers=display.observers(progress=config["progress"]))
            sys.stdout.write(f"{display.summary(outcome)}\n")
            sys.stdout.flush()
        display.warn(tracker.problems)
        sys.stdout.write(display.whereabouts(folder, tracker.uri))
        return Finished.of(outcome, overrides)
    except InputError:
        _remove_if_fresh(folder)
        raise


def holding_errors() -> tuple[TaskFunction, list[Exception]]:
    """Return `job` as Hydra wants it, and a list that holds the error of a single run.

    Hydra would print a line of its own and its frames before ours; a sweep's errors are its sweeper's to report.
    """
    errors: list[Exception] = []

    def held(composed: DictConfig) -> Finished | None:
        try:
            return job(composed)
        except Exception as error:
            if HydraConfig.get().mode is RunMode.MULTIRUN:
                raise
            errors.append(error)
            return None

    return held, errors


def quiet_job(composed: DictConfig) -> Finished:
    """Train one run of a sweep and print nothing; arguments and errors as in `job`."""
    hydra = HydraConfig.get()
    return _train_in_sweep(check(Composed.of(composed)), hydra)[1]


def _train_in_sweep(config: Mapping[str, Any], hydra: Any) -> tuple[Outcome, Finished]:
    overrides, parent = list(hydra.overrides.task), Path(hydra.sweep.dir).resolve()
    record = parent / "multirun.yaml"  # a launcher that is called without a sweeper has none
    arguments = OmegaConf.load(record).hydra.overrides.task if record.is_file() else []
    shared = shared_by_all(split(arguments))
    telling = [word for word in overrides if word not in shared]
    outcome = execute(config, overrides, Path(hydra.runtime.output_dir), parent=parent, telling=telling)
    return outcome, Finished.of(outcome, telling)


def _remove_if_fresh(folder: Path) -> None:
    """Remove a run's folder that holds nothing but what Hydra wrote before the run could start."""
    if {path.name for path in folder.iterdir()} <= {".hydra"}:
        shutil.rmtree(folder)
        for above in folder.parents[:2]:  # the day's folder and ``outputs``, if this was their first run
            if any(above.iterdir()):
                break
            above.rmdir()
