"""The result of a run for Python and notebooks: just finished, or read back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.config.resolved import decisive, flatten
from framework.config.settings import keeps_best
from framework.errors import InputError
from framework.runs.content import JournalContent
from framework.runs.cursor import run_id
from framework.runs.journal import read_journal
from framework.runs.yaml_text import read_mapping
from framework.training.history import History
from framework.training.predictor import Predictor
from framework.training.record import Outcome

if TYPE_CHECKING:
    from framework.plots import Picture


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        metrics: metrics of the kept parameters: ``train/…``, ``val/…`` and, unless ``evaluate_test`` was off,
            ``test/…``. MLflow has the first two as ``kept/train/…`` and ``kept/val/…``, in addition to the series of
            all epochs.
        history: one row per epoch: ``epoch``, ``step``, ``lr``, ``time/…`` and all metrics; ``.to_frame()`` for pandas.
        run_id: id of the MLflow run, or None if tracking is off or failed to deliver.
        params: the resolved configuration, flattened with dots (``"optimizer.lr"``).
        folder: folder of the run's files.
        ended: ``"budget"``, ``"early stopping"``, ``"diverged"``, ``"stopped"`` (by a plugin) or ``"unfinished"``.
        setting: optimizer and values that differ from the problem's defaults, except the seed: as in `sweep` and in the
            tag ``setting`` in MLflow.
        kept_epoch: the epoch whose parameters are kept, or None before the first.
        plugins: whether plugin files saved with the model may be run, as in `load`.
    """

    metrics: dict[str, float]
    history: History
    run_id: str | None
    params: dict[str, Any]
    folder: Path
    ended: str
    setting: str
    kept_epoch: int | None
    plugins: bool = False

    def __repr__(self) -> str:
        from framework.runs.summary import ENDINGS
        from framework.system.formatting import figure_text

        figures = [
            f"{name} {figure_text(value)}" for name, value in self.metrics.items() if not name.startswith("train/")
        ]
        return f"<{', '.join([f'Result of {self._title()}: {ENDINGS.get(self.ended, self.ended)}', *figures])}>"

    def _repr_html_(self) -> str:
        """Return HTML with the run's ending, the metrics of the three splits, the folder and the MLflow run."""
        from framework.runs.html import result_html
        from framework.runs.summary import ending

        ended = ending(self.ended, self.history, self.kept_epoch)
        return result_html(self._title(), ended, self.metrics, self.folder, self.run_id)

    def plot(self) -> Picture:
        """Return a picture of loss, metric and learning rate against the step, with the kept epoch marked."""
        from framework.plots import curves

        return curves(self.history, self._title(), self.kept_epoch)

    def _title(self) -> str:
        return f"{self.setting} seed={self.params['seed']} on {self.params['problem']}"

    def predict(self, x: Any, output: str = "scores") -> np.ndarray:
        """Return the model's outputs for raw inputs ``(N, *input)``, or with ``output="class"`` the classes ``(N,)``.

        Arguments and units as in `Predictor.predict`.

        Raises:
            InputError: the run's folder holds no model, the model cannot be loaded, or the inputs do not fit it.
        """
        return Predictor.load(self.folder / "model", plugins=self.plugins).predict(x, output)


def result_of(outcome: Outcome) -> Result:
    """Return the result of a run that finished in this process.

    Raises:
        InputError: the run has no folder.
    """
    folder = outcome.run.folder
    if folder is None:
        raise InputError(f"run {outcome.run.name} was kept in memory: it has no folder")
    return Result(
        metrics=outcome.metrics,
        history=History(outcome.history),
        run_id=run_id(folder),
        params=flatten(decisive(outcome.run.config)),
        folder=folder,
        ended=outcome.ended,
        setting=outcome.run.setting,
        kept_epoch=outcome.kept_epoch,
    )


def read_run(folder: Path, run: str | None) -> Result:
    """Return the result of the run in a folder, finished or not.

    Args:
        folder: folder of the run.
        run: its MLflow run id, or None.

    Raises:
        InputError: it is not a run's folder, or its journal is damaged.
    """
    entries = read_journal(folder)
    config = _config(folder / "config.yaml")
    best = keeps_best(config.get("keep"), config.get("patience"))
    recorded, params = JournalContent.of(entries), flatten(decisive(config))
    return Result(
        metrics=recorded.metrics(best),
        history=recorded.history,
        run_id=run,
        params=params,
        folder=folder,
        ended=recorded.ended,
        setting=recorded.tags.get("setting") or str(params.get("optimizer.name", "")),
        kept_epoch=recorded.kept_epoch(best),
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        config = read_mapping(path)
    except FileNotFoundError:
        raise InputError(f"{path.parent} is not a run's folder: it holds no {path.name}") from None
    kinds = {"problem": str | None, "seed": int, "optimizer": dict}
    wrong = [key for key, kind in kinds.items() if key not in config or not isinstance(config[key], kind)]
    if wrong:
        raise InputError(f"{path} is damaged: {', '.join(wrong)}")
    return config
