"""The judge of a comparison: which figure counts on each problem, and what each run's figure counts as."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from framework.config.resolved import RunConfig
from framework.errors import InputError
from framework.study.scoring import Figures, Scale, figure_of, lost, scale_of
from framework.study.search import Trial, scored
from framework.sweeps.blocks import Ended
from framework.training.untrained import untrained


@dataclass(frozen=True)
class Ran:
    """A run of a comparison, with its result.

    Attributes:
        problem, entrant: names.
        config: its configuration.
        end: its result.
    """

    problem: str
    entrant: str
    config: RunConfig
    end: Ended

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.config.settings.seed


class Judge:
    """Counts the figures of runs; figures of untrained models are computed once per model and seed.

    Args:
        configs: the configurations of each problem's runs; those of one seed are enough.
    """

    def __init__(self, configs: Mapping[str, Sequence[RunConfig]]) -> None:
        self._untrained: dict[str, Figures] = {}
        self._scales = {name: scale_of(own[0], self._figures(own)[0]) for name, own in configs.items()}

    def scale(self, problem: str) -> Scale:
        """Return the scale of a problem: the figure that counts on it."""
        return self._scales[problem]

    def counted(self, runs: Sequence[Ran], *, test: bool) -> list[float]:
        """Return the figure that each run counts with, always finite.

        Args:
            runs: runs of one problem.
            test: whether the test figure counts, else the validation figure.
        """
        scale = self.scale(runs[0].problem)
        name = scale.test if test else scale.validation
        models: Sequence[Figures] = [{}] * len(runs)
        if scale.worst is None:
            models = self._figures([run.config for run in runs])
        return [
            scale.counted(figure_of(run.end, name), lost(run.end), model.get(name, math.nan))
            for run, model in zip(runs, models, strict=True)
        ]

    def judged(self, trial: Trial, runs: Sequence[Ran]) -> Trial:
        """Return a trial with the figures of its runs, one for each tuning seed."""
        return scored(
            trial, self.counted(runs, test=False), validation_losses(runs), sum(lost(run.end) for run in runs)
        )

    def _figures(self, configs: Sequence[RunConfig]) -> list[Figures]:
        """Return the figures of each configuration's untrained model; none for a model that no optimizer can train."""
        keys = [_model_key(config) for config in configs]
        for key, config in zip(keys, configs, strict=True):
            if key not in self._untrained and (figures := _of_untrained(config)):
                self._untrained[key] = figures
        return [self._untrained.get(key, {}) for key in keys]


def _of_untrained(config: RunConfig) -> Figures:
    try:
        return untrained([config])[0]
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - a plugin's error belongs to its own run; others have the same model
        return {}


def validation_losses(runs: Iterable[Ran]) -> list[float]:
    """Return the validation loss of each run's kept model; NaN for a run that has none."""
    return [figure_of(run.end, "val/loss") for run in runs]


def _model_key(config: RunConfig) -> str:
    """Return a key of what determines an untrained model's figures: all but the update of its parameters."""
    aside = ("optimizer", "schedule", "stages", "evaluate_test")
    return json.dumps({key: value for key, value in config.decisive.items() if key not in aside}, sort_keys=True)
