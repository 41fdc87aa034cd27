"""One run that is tracked while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from framework import errors
from framework.config.resolved import RunConfig
from framework.config.settings import Tracking
from framework.runs.runner import execute
from framework.tracking.client import Progress, Tracker
from framework.training.observers import Observer
from framework.training.record import Outcome


def tracked(
    config: RunConfig,
    overrides: Sequence[str],
    folder: Path,
    *,
    setting: str,
    observers: Sequence[Observer],
    progress: Progress | None = None,
    warn: Callable[[str], object] = errors.warn,
    result: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, Tracker]:
    """Train one run in its folder while a writer delivers it; return its outcome and the tracker, which has ended.

    Args:
        config: a checked configuration.
        overrides: the user's overrides that led to it.
        folder: folder for the run's files.
        setting: name of its setting.
        observers: observers besides the journal and the hooks.
        progress: as for `Tracker`.
        warn: called with one line per problem that leaves the run complete.
        result: called with the outcome as soon as it is recorded, before the delivery is announced.

    Raises:
        InputError: the parts of the configuration do not fit together, the folder holds another run, or the store's
            address is invalid.
    """
    with Tracker.of(config.section(Tracking), progress) as tracker:
        tracker.follow(folder)

        def recorded(outcome: Outcome) -> None:
            if result is not None:
                result(outcome)
            tracker.announce()

        outcome = execute(config, overrides, folder, setting=setting, observers=observers, warn=warn, result=recorded)
    return outcome, tracker
