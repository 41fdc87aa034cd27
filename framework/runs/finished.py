"""The result of a job as plain data, from its outcome or from its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.config.resolved import RunConfig
from framework.runs import provenance
from framework.runs.content import JournalContent
from framework.training import kept
from framework.training.history import evaluations_of
from framework.training.record import Outcome


@dataclass(frozen=True)
class Finished:
    """The outcome of a job's run as plain data: the return value of a job.

    Attributes:
        steps, evaluations: optimizer steps and gradient evaluations, as in `Outcome`.
        seconds, population_seconds: training time as in `framework.training.record.Clock`.
        metrics: the kept model's metrics, named as in `framework.training.kept`.
        params: settings that identify the run, as in `run_params`.
        directions: whether greater is better, by the metric's name, as in `RunConfig.directions`.
        reused: whether it is the result of an earlier run, in ``folder``.
    """

    name: str
    folder: str
    ended: str
    seconds: float
    population_seconds: float
    steps: int
    evaluations: int
    metrics: Mapping[str, float]
    params: Mapping[str, Any]
    directions: Mapping[str, bool]
    reused: bool = False

    @classmethod
    def of(cls, outcome: Outcome, config: RunConfig, overrides: Sequence[str]) -> Finished:
        """Return the plain data of an outcome; ``overrides`` are those that identify the run."""
        return cls(
            name=outcome.run.name,
            folder=str(outcome.run.folder),
            ended=outcome.ended,
            seconds=outcome.clock.share,
            population_seconds=outcome.clock.population,
            steps=outcome.steps,
            evaluations=outcome.evaluations,
            metrics=kept.recorded(outcome.metrics),
            params=run_params(config, overrides),
            directions=config.directions,
        )

    @classmethod
    def of_journal(
        cls,
        recorded: JournalContent,
        folder: str,
        config: RunConfig,
        overrides: Sequence[str],
        *,
        reused: bool = False,
    ) -> Finished:
        """Return the plain data of a finished run's journal; it must have an epoch. Arguments as the attributes."""
        last = recorded.history[-1]
        return cls(
            name=recorded.name,
            folder=folder,
            ended=recorded.ended,
            seconds=last["time/seconds"],
            population_seconds=last["time/population_seconds"],
            steps=int(last["step"]),
            evaluations=evaluations_of(recorded.history),
            metrics=kept.recorded(recorded.metrics(config.settings.keeps_best)),
            params=run_params(config, overrides),
            directions=config.directions,
            reused=reused,
        )

    def row(self) -> dict[str, Any]:
        """Return the run's row of the leaderboard as a flat mapping."""
        time = {"seconds": self.seconds, "population_seconds": self.population_seconds}
        work = {"ended": self.ended, "steps": self.steps, "evaluations": self.evaluations, **time}
        return {"run": self.name, **self.params, **self.metrics, **work, "folder": self.folder, "reused": self.reused}


def run_params(config: RunConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings that identify a run, by name: optimizer, lr, seed and the user's other overrides."""
    named = dict(item.lstrip("+").partition("=")[::2] for item in overrides if not item.startswith("~"))
    optimizer = config.optimizer
    params = {"optimizer": optimizer.name, "lr": optimizer.fields.get("lr"), "seed": config.settings.seed}
    usual = ("optimizer", "optimizer.lr", "seed")
    rest = {key: value for key, value in named.items() if key not in usual and not provenance.outside(key)}
    return params | {key: provenance.unquoted(value) for key, value in rest.items()}
