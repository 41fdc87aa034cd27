"""Grouping of a sweep's jobs by structure: jobs of one group can train as one array program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from framework.config.resolved import RunConfig
from framework.sweeps.job import Job


@dataclass(frozen=True)
class Group:
    """Jobs of one structure, sorted by seed so that adjacent jobs share their batches.

    Attributes:
        jobs: one or more.
        alone: the reason why the jobs cannot train together, or "".
    """

    jobs: tuple[Job, ...]
    alone: str = ""

    @property
    def label(self) -> str:
        """Return a readable label: optimizer, data set and model."""
        config = self.jobs[0].config
        return f"{config.optimizer.name} on {config.parts['dataset'].name}, model {config.model or 'own'}"


def grouped(jobs: Sequence[Job]) -> list[Group]:
    """Return the jobs grouped by structure and first epoch, in order of first appearance."""
    groups: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        groups.setdefault((structure(job.config), job.epoch), []).append(job)
    return [
        Group(tuple(sorted(same, key=lambda job: (job.config.settings.seed, job.number))), why_alone(same[0].config))
        for same in groups.values()
    ]


def structure(config: RunConfig) -> str:
    """Return a key that is equal for two runs if and only if they can train as one array program.

    The key is the configuration without the values that a population holds per run: the seed, and each plugin field
    that is a column.
    """
    replaced = {"seed", "stages", "model", *config.parts}
    rest = {key: value for key, value in config.decisive.items() if key not in replaced}
    for kind, part in config.parts.items():
        rest[kind] = [part.name, part.structure]
    rest["stages"] = [[stage.name, stage.structure] for stage in config.stages]
    rest["layers"] = [[layer.name, layer.structure] for layer in config.layers]
    return json.dumps(rest, sort_keys=True)


def why_alone(config: RunConfig) -> str:
    """Return the reason why runs of this configuration cannot train as one array program, or ""."""
    for part in (config.optimizer, *config.layers):
        if not part.cls.vectorized:
            return f"{part.kind} {part.name} trains one run at a time"
    if config.settings.max_seconds is not None:
        return "max_seconds limits each run's own time"
    return ""
