"""Grouping of a sweep's jobs by structure: jobs of one group can train as one array program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.config.layers import expand_layers, find_layer
from framework.config.settings import OUTSIDE
from framework.registry.manager import find
from framework.sweeps.job import Job
from framework.training.population import chosen


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
        return (
            f"{config['optimizer']['name']} on {config['dataset']['name']}, model {config['model'].get('name', 'own')}"
        )


def grouped(jobs: Sequence[Job]) -> list[Group]:
    """Return the jobs grouped by structure, in order of first appearance."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(structure(job.config), []).append(job)
    return [
        Group(tuple(sorted(same, key=lambda job: (job.config["seed"], job.number))), why_alone(same[0].config))
        for same in found.values()
    ]


def structure(config: Mapping[str, Any]) -> str:
    """Return a key that is equal for two runs if and only if they can train as one array program.

    The key is the configuration without the values that a population holds per run: the seed, and each plugin field
    that is a column.
    """
    rest = {key: value for key, value in config.items() if key not in (*OUTSIDE, "seed", "model", "stages", "metrics")}
    for kind in ("dataset", "loss", "optimizer", "schedule"):
        cls, fields = chosen(config, kind)
        rest[kind] = [config[kind]["name"], _structural(cls, fields)]
    rest["stages"] = [[name, _structural(find("stage", name).cls, config["stages"][name])] for name in config["stages"]]
    layers = expand_layers(config["model"]["layers"], (1,))
    rest["model"] = [[name, _structural(find_layer(name, ""), fields)] for name, fields in layers]
    rest["metrics"] = config["metrics"]
    return json.dumps(rest, sort_keys=True)


def _structural(cls: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not cls.fields[name].column}


def why_alone(config: Mapping[str, Any]) -> str:
    """Return the reason why runs of this configuration cannot train as one array program, or ""."""
    optimizer = find("optimizer", config["optimizer"]["name"])
    if not optimizer.cls.vectorized:
        return f"optimizer {optimizer.name} takes one run at a time"
    for name, _ in expand_layers(config["model"]["layers"], (1,)):
        if not find_layer(name, "").vectorized:
            return f"layer {name} takes one run at a time"
    if config["max_seconds"] is not None:
        return "max_seconds limits each run's own time"
    return ""
