"""Helpers for tests of sweeps: run a sweep in this process and read its files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from runs import same_numbers

import framework
from framework.hydra_app.in_process import own_hydra
from framework.hydra_app.job import quiet_job
from framework.runs.journal import read_journal
from framework.sweeps import planning

SMALL = (
    "problem=digits_softmax",
    "dataset.train_limit=75",
    "epochs=3",
    "tracking.enabled=false",
    "progress=false",
)
LAYERS = (
    "model.layers=[flatten,{layer: dense, units: 12},batch_norm,relu,{layer: dropout, rate: 0.3},"
    "{layer: dense, units: outputs}]"
)
MIXED = (
    *SMALL,
    "~model.initial",
    LAYERS,
    "epochs=6",
    "patience=1",
    "optimizer=adam,adamw",
    "optimizer.lr=0.1,1e30",
    "optimizer.beta1=0.8,0.9",
    "seed=0,3",
)
"""Sixteen jobs of two structures. Seeds, rates and betas differ; some stop early, and adamw diverges at rate 1e30."""


def swept(folder: Path, *overrides: str) -> Any:
    """Run a sweep in this process and return its result.

    The estimated time starts no workers, even if a busy machine makes it large; ``launcher.workers`` still does.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "WORTH_A_POOL", math.inf)
        return framework.sweep(f"hydra.sweep.dir={folder}", *overrides)


def jobs_of(folder: Path) -> list[Path]:
    """Return the folders of a sweep's jobs, ordered by number."""
    return sorted((path.parent for path in folder.glob("*/journal.jsonl")), key=lambda path: int(path.name))


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """Return the epoch and test metrics in a run's journal, without times."""
    rows = [entry.content for entry in read_journal(folder) if entry.kind == "metrics"]
    return [
        {**row, "values": {name: value for name, value in row["values"].items() if not name.startswith("time/")}}
        for row in rows
    ]


def tags_of(folder: Path) -> dict[str, str]:
    """Return all tags in a run's journal."""
    return {k: v for entry in read_journal(folder) if entry.kind == "tags" for k, v in entry.content["values"].items()}


def kinds_of(folder: Path) -> list[str]:
    """Return the kinds of the entries in a run's journal, in order."""
    return [entry.kind for entry in read_journal(folder)]


def status_of(folder: Path) -> str:
    """Return the status in the only ``end`` entry of a run's journal."""
    ends = [entry.content["status"] for entry in read_journal(folder) if entry.kind == "end"]
    assert len(ends) == 1
    return str(ends[0])


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    """Return the stored weights of a run's model by name."""
    with np.load(folder / "model" / "weights.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def assert_same_run(one: Path, other: Path, *, killed: bool = False) -> None:
    """Assert that two folders hold bitwise equal runs, except for times.

    With ``killed``, the other run may have been killed and continued after it had recorded some of its artifacts, which
    it then records again.
    """
    assert same_numbers(epochs_of(one), epochs_of(other)), f"histories of {one} and {other}"
    assert tags_of(one) == tags_of(other)
    kinds = kinds_of(one), kinds_of(other)
    assert kinds[0] == kinds[1] or (killed and set(kinds[0]) == set(kinds[1])), kinds
    weights, others = weights_of(one), weights_of(other)
    assert weights.keys() == others.keys()
    for name, array in weights.items():
        assert array.tobytes() == others[name].tobytes(), name


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def yaml_of(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text())


@contextmanager
def launcher(name: str, folder: Path, *overrides: str) -> Iterator[Any]:
    """Yield a launcher that Hydra has instantiated."""
    words = [f"hydra/launcher={name}", f"hydra.sweep.dir={folder}", *overrides]
    with own_hydra() as hydra:
        config = hydra.compose_config("config", words, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        yield Plugins.instance().instantiate_launcher(hydra_context=context, task_function=quiet_job, config=config)


def returns(name: str, folder: Path, jobs: list[list[str]], *overrides: str, first: int = 0) -> list[JobReturn]:
    """Launch jobs, numbered from ``first``, with the launcher ``name``; return what Hydra gets back."""
    with launcher(name, folder, *overrides) as made:
        return list(made.launch(jobs, initial_job_idx=first))
