"""Finished runs by identity, from their journals on disk.

`RunConfig.identity` states what an identity covers. Two runs of one identity that train on the same samples have the
same result, so a finished one can stand for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.config.resolved import RunConfig
from framework.errors import InputError
from framework.runs.content import JournalContent
from framework.runs.folder import begun_in
from framework.runs.samples import sample_hashes

FORCED = "resumed_with_force"
"""Tag of a run that was continued although something had changed; its value names the difference."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        folder: its folder.
        content: its journal.
    """

    folder: Path
    content: JournalContent


def finished_in(folder: Path, config: RunConfig, digest: str) -> FinishedRun | None:
    """Return the finished run of a configuration in a folder, or None if the folder does not hold it.

    A run that was continued with ``--force`` is none, because its identity does not state what it computed.

    Args:
        folder: the folder.
        config: the checked configuration.
        digest: the hash of its data set's samples as they are now.
    """
    try:
        recorded = JournalContent.of(begun_in(folder))
    except InputError:  # a damaged journal is no result
        return None
    same = (recorded.tags.get("config_hash"), recorded.digest) == (config.identity, digest)
    return FinishedRun(folder, recorded) if same and recorded.finished and FORCED not in recorded.tags else None


def finished_runs(configs: Iterable[RunConfig], candidates: Mapping[str, Sequence[Path]]) -> dict[str, FinishedRun]:
    """Return the finished runs of configurations by identity; an identity without one is left out.

    Args:
        configs: checked configurations.
        candidates: folders that may hold a finished run of an identity, by identity; the first that does counts.

    Raises:
        InputError: the samples of a data set are missing or invalid.
    """
    digest = sample_hashes()
    runs: dict[str, FinishedRun] = {}
    for identity, config in {config.identity: config for config in configs}.items():
        found = (finished_in(folder, config, digest(config)) for folder in candidates.get(identity, ()))
        first = next((run for run in found if run is not None), None)
        if first is not None:
            runs[identity] = first
    return runs
