"""The best setting of a running sweep, by the mean validation figure over the seeds that have ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.by_setting import Setting, place
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import Row, problems, ranking, row_of, shared_words, without
from framework.sweeps.text import spread_text
from framework.system.formatting import counted
from framework.training import kept

Key = tuple[str, str]
"""Problem and setting name."""


class BestSoFar:
    """Collects ended runs and reports the best setting of the problem on which the latest successful run ended.

    Means are computed on request, and only for settings of which runs have ended since the last request.

    Args:
        jobs: all jobs of the sweep.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._problems = {job.number: problem for job, problem in zip(jobs, problems(jobs), strict=True)}
        self._seeds: dict[Key, set[Any]] = {}
        for job in jobs:
            self._seeds.setdefault((self._problems[job.number], job.setting), set()).add(job.config.settings.seed)
        names: dict[str, list[str]] = {}
        for problem, name in self._seeds:
            names.setdefault(problem, []).append(name)
        self._shared = {problem: shared_words(several) for problem, several in names.items()}
        self._rows: dict[Key, dict[Any, Row]] = {}
        self._stale: set[Key] = set()
        self._ranked: dict[str, dict[str, tuple[tuple[float, float, float], Setting]]] = {}
        self._figures: dict[str, tuple[str, bool]] = {}
        self._last = ""

    def add(self, job: Job, end: Ended) -> None:
        """Add a run that ended; a failed run puts its setting below complete ones, as in the sweep's table."""
        row = row_of(job, self._problems[job.number], end)
        key = row["problem"], job.setting
        self._rows.setdefault(key, {})[row["seed"]] = row
        self._stale.add(key)
        if not isinstance(end, Failed):
            self._last, by = row["problem"], ranking(list(end.metrics), end.directions)
            if self._figures.setdefault(self._last, by) != by:  # the sweep varies the metrics
                self._figures[self._last] = by
                self._stale |= {known for known in self._rows if known[0] == self._last}

    def text(self) -> str:
        """Return the best setting as one line, or "" while no run has a finite figure."""
        for problem, name in [key for key in self._stale if key[0] == self._last]:
            figure, greater = self._figures[problem]
            setting = Setting.of(list(self._rows[problem, name].values()))
            self._ranked.setdefault(problem, {})[name] = place(setting, figure, greater=greater), setting
            self._stale.remove((problem, name))
        if not self._last:
            return ""
        problem, (figure, _) = self._last, self._figures[self._last]
        _, best = min(self._ranked[problem].values(), key=itemgetter(0))
        if not math.isfinite(best.spread(figure).mean):
            return ""
        where = f" ({problem})" if len(self._shared) > 1 else ""
        name = without(self._shared[problem], best.name)
        value = f"{figure.removeprefix(kept.PREFIX)} {spread_text(best.spread(figure))}"
        return f"best so far{where}: {name}, {value}{self._of_seeds(best)}"

    def _of_seeds(self, setting: Setting) -> str:
        planned = len(self._seeds[setting.problem, setting.name])
        if planned == 1:
            return ""
        ended = f"{setting.seeds} of " if setting.seeds < planned else ""
        return f" ({ended}{counted(planned, 'seed')})"
