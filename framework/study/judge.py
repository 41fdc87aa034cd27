"""The judge of a study: which figure counts on each problem, and what each run's figure counts as."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from framework.config.resolved import RunConfig
from framework.study.contest import Contest, Request
from framework.study.scoring import Figures, Scale, figure_of, lost, scale_of
from framework.study.search import Trial, scored
from framework.sweeps.blocks import Ended
from framework.training.untrained import untrained


class Judge:
    """Counts the figures of a study's runs; figures of untrained models are computed once per model and seed."""

    def __init__(self) -> None:
        self._untrained: dict[str, Figures] = {}
        self._scales: dict[tuple[str, str], Scale] = {}

    def scale(self, contest: Contest) -> Scale:
        """Return the scale of a contest: the figure that counts on its problem."""
        if contest.place not in self._scales:
            self._scales[contest.place] = scale_of(contest.config, self._figures([contest.config])[0])
        return self._scales[contest.place]

    def counted(self, requests: Sequence[Request], ends: Sequence[Ended], *, test: bool) -> list[float]:
        """Return the figure that each run counts with, always finite.

        Args:
            requests: runs of one contest.
            ends: their results.
            test: whether the test figure counts, else the validation figure.

        Raises:
            InputError: the untrained model's figure is needed, and it is not finite.
        """
        scale = self.scale(requests[0].contest)
        name = scale.test if test else scale.validation
        models: Sequence[Figures] = [{}] * len(requests)
        if scale.worst is None:
            models = self._figures([request.contest.config.with_seed(request.seed) for request in requests])
        return [
            scale.counted(figure_of(end, name), lost(end), model.get(name, math.nan))
            for end, model in zip(ends, models, strict=True)
        ]

    def judged(self, trial: Trial, requests: Sequence[Request], ends: Sequence[Ended]) -> Trial:
        """Return a trial with the figures of its runs, one for each tuning seed."""
        losses = [figure_of(end, "val/loss") for end in ends]
        return scored(trial, self.counted(requests, ends, test=False), losses, sum(map(lost, ends)))

    def _figures(self, configs: Sequence[RunConfig]) -> list[Figures]:
        keys = [_model_key(config) for config in configs]
        missing = {key: config for key, config in zip(keys, configs, strict=True) if key not in self._untrained}
        if missing:
            self._untrained |= dict(zip(missing, untrained(list(missing.values())), strict=True))
        return [self._untrained[key] for key in keys]


def _model_key(config: RunConfig) -> str:
    """Return a key of what determines an untrained model's figures: all but the update of its parameters."""
    aside = ("optimizer", "schedule", "stages")
    return json.dumps({key: value for key, value in config.decisive.items() if key not in aside}, sort_keys=True)
