"""The settings of a run that are not fields of plugins. Their defaults are defined only here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from framework.base.fields import Configurable, choice, flag, integer, number, text
from framework.specs import SPECS

SECTIONS = tuple(kind for kind, spec in SPECS.items() if spec.has_section)
"""Config groups whose section holds one plugin: its name and its fields."""

STAGES = "stages"
"""The config group of which a run may use several options."""


class Section(Configurable):
    """Settings that belong together. An instance is immutable.

    Attributes:
        affects_result: whether they change what a run computes; if so, they are part of its identity.
    """

    affects_result: ClassVar[bool] = True

    @property
    def data(self) -> dict[str, Any]:
        """The settings as plain data."""
        return plain(self.rows[0])

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: checked settings are immutable")
        super().__setattr__(name, value)


class Settings(Section):
    """The training settings of one run."""

    registered_name = "budget"
    seed: int = integer(0, at_least=0, help="seed of initial weights, data order and noise")
    epochs: int | None = integer(None, at_least=1, help="budget in passes over the training split")
    steps: int | None = integer(None, at_least=1, help="budget in optimizer steps; replaces epochs when set")
    max_seconds: float | None = number(None, above=0, help="time limit in seconds, counted from the first step")
    batch_size: int = integer(32, at_least=1, help="samples per optimizer step")
    shuffle: bool = flag(True, help="draw a new order of the samples per epoch")
    replay_order: bool = flag(False, help="with shuffle: repeat the first epoch's order in every epoch")
    drop_last: bool = flag(False, help="skip the last batch if it is smaller")
    patience: int | None = integer(None, at_least=1, help="stop after this many epochs without a better val/loss")
    min_delta: float = number(0.0, at_least=0, help="with patience: least decrease of val/loss that counts")
    keep: str | None = choice(
        None, ("last", "best"), help="epoch to test and save; null: best with patience, else last"
    )
    evaluate_test: bool = flag(True, help="evaluate the kept parameters on the test split; false: while you tune")
    dtype: str = choice("float32", ("float32", "float64"), help="precision of parameters, gradients and data")
    threads: int = integer(
        1, at_least=1, at_most=4096, help="BLAS threads; part of a run's identity (changes last bits)"
    )
    kernel: str = choice("auto", ("auto", "numpy", "fused"), help="engine of the steps; all give the same bits")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return a message if no budget is set, or None."""
        if values["epochs"] is None and values["steps"] is None and values["max_seconds"] is None:
            return "there is none: set epochs, steps or max_seconds"
        return None

    @property
    def keeps_best(self) -> bool:
        """Whether the parameters with the lowest validation loss are kept instead of the last ones."""
        return keeps_best(self.keep, self.patience)


class Tracking(Section):
    """The settings of run records outside the runs' own folders."""

    affects_result = False
    enabled: bool = flag(True, help="record runs in MLflow")
    uri: str | None = text(None, help="store address; default MLFLOW_TRACKING_URI, else ./mlflow.db")
    experiment: str | None = text(None, help="default MLFLOW_EXPERIMENT_NAME, else framework")


def keeps_best(keep: str | None, patience: int | None) -> bool:
    """Return whether the best parameters are kept, for values of the settings ``keep`` and ``patience``."""
    return patience is not None if keep is None else keep == "best"


class Display(Section):
    """The settings of one command: its output, and which runs it trains."""

    affects_result = False
    progress: bool = flag(True, help="show progress: in place on a terminal, a few lines in a log")
    resume: bool = flag(False, help="continue the run or sweep in the given folder; resume DIR sets it")
    force: bool = flag(False, help="with resume: continue although something has changed; resume DIR --force sets it")
    reuse: bool = flag(False, help="in a sweep, take results of the experiment's finished runs; train the rest")
    failed_only: bool = flag(False, help="of the sweep in the given folder, train only the runs that failed")
    fail_fast: bool = flag(False, help="end a sweep at its first failed run; resume DIR continues it")
    plan: bool = flag(False, help="print the runs, their time, memory and disk; start nothing")


class Goal(Section):
    """The settings of a problem that only comparisons read; each problem's file sets them."""

    affects_result = False
    target: float | None = number(
        None, help="validation figure to reach: that of the first metric, or the loss if there is none"
    )
    target_source: str | None = text(None, help="where the target comes from")
    problem_source: str | None = text(None, help="where the problem comes from")


class Launching(Section):
    """The settings that distribute the runs of a sweep over processes."""

    affects_result = False
    backend: str = choice(
        "loky", ("loky", "ray", "dask"), help="joblib backend; ray and dask are optional dependencies"
    )
    workers: int | None = integer(None, at_least=1, help="worker processes; default cores / threads")
    block: int | None = integer(None, at_least=1, help="maximum number of runs per array program; default by size")
    memory: float | None = number(None, above=0, help="memory of all workers in GB; default half of the free memory")


class Checkpointing(Section):
    """The settings of checkpoints."""

    affects_result = False
    every_seconds: float = number(60.0, at_least=0, help="write a checkpoint at most this often, after an epoch")


@dataclass(frozen=True)
class Collection:
    """A setting that holds a list or a mapping of names.

    Attributes:
        default: the value if nothing is set.
        accepts: a description of the accepted values.
        help: one line for help pages.
        affects_result: as in `Section`.
    """

    default: Any
    accepts: str
    help: str
    affects_result: bool = True


COLLECTIONS = {
    "metrics": Collection(None, "a list of metrics, or null", "metrics to record; null: the defaults of the task"),
    "stages": Collection({}, "a list of stages", "transformations around the update rule, in this order"),
    "tags": Collection({}, "tags.KEY=VALUE", "your own tags on the run in MLflow", affects_result=False),
}
"""Settings whose value is a list or a mapping."""

ROOT_SECTIONS: tuple[type[Section], ...] = (Settings, Goal, Display)
"""The sections whose settings users write without a section's name, as in ``epochs``."""

NAMED_SECTIONS: dict[str, type[Section]] = {"tracking": Tracking, "launcher": Launching, "checkpoint": Checkpointing}
"""The sections whose name users write, as in ``tracking.uri``. A new section is one class and its entry here."""

OUTSIDE = frozenset(
    {
        "kernel",  # the engines give the same bits
        *(name for section in ROOT_SECTIONS if not section.affects_result for name in section.fields),
        *(name for name, section in NAMED_SECTIONS.items() if not section.affects_result),
        *(name for name, collection in COLLECTIONS.items() if not collection.affects_result),
    }
)
"""Keys that are not part of a run's identity: they do not change what it computes."""


def everything() -> dict[str, Any]:
    """Return the defaults of all settings that are not fields of plugins, as the root of a configuration."""
    collections = {name: copy.copy(setting.default) for name, setting in COLLECTIONS.items()}
    sections = {name: section.defaults() for name, section in NAMED_SECTIONS.items()}
    root = {name: default for section in ROOT_SECTIONS for name, default in section.defaults().items()}
    return {**root, **collections, **sections}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields by name as plain data: tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
