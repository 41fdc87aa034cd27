"""Who a run is, and its configuration: what hooks, observers and files know it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]
"""One run's resolved configuration, plain data: the settings at the top, and a section for each plugin."""


@dataclass(frozen=True)
class Run:
    """Who a run is: what observers, hooks and files know it by.

    Attributes:
        id: unique within the process and sweep.
        name: what people read, such as ``"adam lr=0.001 seed=0"``.
        config: the resolved configuration.
        folder: where its files are, or None for a run in memory.
        setting: the name of its setting: all that identifies it but the seed.
    """

    id: str
    name: str
    config: Config = field(repr=False)
    folder: Path | None = None
    setting: str = ""
