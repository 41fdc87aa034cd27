"""One run that is tracked while it trains."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from framework import errors
from framework.base.run import Run
from framework.config.resolved import RunConfig
from framework.config.settings import Display, Tracking
from framework.runs import summary
from framework.runs.closing import closed
from framework.runs.console import observers
from framework.runs.failure import one_line
from framework.runs.folder import resumable
from framework.runs.ownership import owned
from framework.runs.runner import execute
from framework.tracking.client import Progress, Tracker
from framework.tracking.console import DeliveryProgress, whereabouts
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import Outcome


class _Noting(Observer):
    """Records the store in a run's folder as soon as its journal has begun."""

    def __init__(self, tracker: Tracker, folder: Path) -> None:
        self._tracker = tracker
        self._folder = folder

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Record the store."""
        self._tracker.note(self._folder)


def tracked(
    config: RunConfig,
    overrides: Sequence[str],
    folder: Path,
    *,
    setting: str,
    resume: bool = False,
    changed: str = "",
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
        resume: whether to continue the run that the folder holds.
        changed: as for `execute`.
        observers: observers besides the journal and the hooks.
        progress: as for `Tracker`.
        warn: called with one line per problem that leaves the run complete.
        result: called with the outcome as soon as it is recorded, before the delivery is announced.

    Raises:
        InputError: the parts of the configuration do not fit together, the folder holds another run, or the store's
            address is invalid; or another process writes to the folder.
    """
    with owned(folder), resumable(folder), Tracker.of(config.section(Tracking), progress) as tracker, closed(folder):
        tracker.follow(folder)

        def recorded(outcome: Outcome) -> None:
            if result is not None:
                result(outcome)
            tracker.announce()

        outcome = execute(
            config,
            overrides,
            folder,
            setting=setting,
            resume=resume,
            changed=changed,
            observers=[_Noting(tracker, folder), *observers],
            warn=warn,
            result=recorded,
        )
    return outcome, tracker


def shown(
    config: RunConfig,
    overrides: Sequence[str],
    folder: Path,
    *,
    setting: str,
    resume: bool = False,
    changed: str = "",
) -> Outcome:
    """Train one run as `tracked` does; show its progress and print its result and where its files are.

    Args:
        config: a checked configuration.
        overrides: the user's overrides that led to it.
        folder: folder for the run's files.
        setting: name of its setting.
        resume: whether to continue the run that the folder holds.
        changed: as for `execute`.

    Raises:
        InputError: as for `tracked`.
        RunFailedError: the run failed.
    """

    def show(outcome: Outcome) -> None:
        sys.stdout.write(f"{summary.summary(outcome)}\n")
        sys.stdout.flush()

    progress = config.section(Display).progress
    with one_line(folder), DeliveryProgress(progress=progress) as waiting:
        outcome, tracker = tracked(
            config,
            overrides,
            folder,
            setting=setting,
            resume=resume,
            changed=changed,
            observers=observers(progress=progress),
            progress=waiting,
            result=show,
        )
    errors.warn_all(tracker.problems)
    sys.stdout.write(whereabouts(folder, tracker.uri, config.data["tracking"]["uri"]))
    return outcome
