"""The judge of a comparison: which figure counts on each problem, and what each run's figure counts as."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from framework.config.resolved import RunConfig
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
    """Counts the figures of runs; figures of untrained models are computed once per model and seed."""

    def __init__(self) -> None:
        self._untrained: dict[str, Figures] = {}
        self._scales: dict[str, Scale] = {}

    def scale(self, problem: str, config: RunConfig) -> Scale:
        """Return the scale of a problem: the figure that counts on it.

        Args:
            problem: its name.
            config: the configuration of one of its runs; the first one that is given for a problem decides.
        """
        if problem not in self._scales:
            self._scales[problem] = scale_of(config, self._figures([config])[0])
        return self._scales[problem]

    def counted(self, runs: Sequence[Ran], *, test: bool) -> list[float]:
        """Return the figure that each run counts with, always finite.

        Args:
            runs: runs of one problem.
            test: whether the test figure counts, else the validation figure.

        Raises:
            InputError: the untrained model's figure is needed, and it is not finite.
        """
        scale = self.scale(runs[0].problem, runs[0].config)
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
        keys = [_model_key(config) for config in configs]
        missing = {key: config for key, config in zip(keys, configs, strict=True) if key not in self._untrained}
        if missing:
            self._untrained |= dict(zip(missing, untrained(list(missing.values())), strict=True))
        return [self._untrained[key] for key in keys]


def validation_losses(runs: Iterable[Ran]) -> list[float]:
    """Return the validation loss of each run's kept model; NaN for a run that has none."""
    return [figure_of(run.end, "val/loss") for run in runs]


def _model_key(config: RunConfig) -> str:
    """Return a key of what determines an untrained model's figures: all but the update of its parameters."""
    aside = ("optimizer", "schedule", "stages", "evaluate_test")
    return json.dumps({key: value for key, value in config.decisive.items() if key not in aside}, sort_keys=True)
