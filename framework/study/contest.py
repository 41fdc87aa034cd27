"""One entrant on one problem, and the runs that a study asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from framework.config.resolved import RunConfig
from framework.study.comparison import Place
from framework.study.settings import MOST_SEEDS, Study
from framework.study.space import Axis
from framework.study.statistics import seeds_to_tell
from framework.sweeps.blocks import Ended

TUNING, REPORTING = "tuning", "reporting"
"""The phases of a study; a run's tag has one of these values."""

SEEDS_APART = 2 * MOST_SEEDS
"""Distance between the first seeds of studies of different ``seed``."""


@dataclass(frozen=True)
class Contest:
    """One entrant on one problem.

    Attributes:
        problem, entrant: names.
        words: the overrides that compose its runs, without the tuned fields and the seed.
        config: its configuration at the fields' defaults.
        axes: the fields to tune; empty if nothing is tuned.
    """

    problem: str
    entrant: str
    words: tuple[str, ...]
    config: RunConfig
    axes: tuple[Axis, ...] = ()

    @property
    def place(self) -> Place:
        """The names of the problem and the entrant."""
        return self.problem, self.entrant


@dataclass(frozen=True)
class Request:
    """A run that a study needs.

    Attributes:
        contest: the entrant and the problem.
        seed: its seed.
        values: values of the tuned fields by name.
    """

    contest: Contest
    seed: int
    values: Mapping[str, float] = field(default_factory=dict)


Train = Callable[[str, Sequence[Request]], list[Ended]]
"""Function that trains what is missing of a phase's runs and returns the result of each, in the requests' order."""


def tuning_seeds(settings: Study) -> list[int]:
    """Return the seeds with which settings are tried."""
    first = SEEDS_APART * settings.seed + MOST_SEEDS
    return list(range(first, first + settings.tuning_seeds))


def reporting_seeds(settings: Study, entrants: int, problems: int) -> list[int]:
    """Return the seeds with which the chosen settings are trained: none of them is a tuning seed.

    Args:
        settings: the study's settings; without ``seeds``, their number is that of `seeds_to_tell`, at
            least ``least_seeds``.
        entrants: the number of entrants.
        problems: the number of problems.
    """
    first = SEEDS_APART * settings.seed
    fewest = max(settings.least_seeds, seeds_to_tell(entrants, problems))
    return list(range(first, first + (settings.seeds or fewest)))
