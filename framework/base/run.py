"""The identity and the configuration of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]
"""One run's resolved configuration as plain data: settings at the top level, and one section per plugin."""


@dataclass(frozen=True)
class Run:
    """The identity of a run, for observers, hooks and files.

    Attributes:
        id: an identifier, unique within the process and sweep.
        name: a readable name, such as ``"adam lr=0.001 seed=0"``.
        config: the resolved configuration.
        folder: the folder of its files, or None for a run in memory.
        setting: the name of its setting: everything that identifies the run except the seed.
    """

    id: str
    name: str
    config: Config = field(repr=False)
    folder: Path | None = None
    setting: str = ""
