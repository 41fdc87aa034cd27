"""Execution of one run, from a checked configuration to its files: the journal first, then the model and the picture.

MLflow gets its data from the journal.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from framework import errors
from framework.base.run import Run
from framework.checkpoint.writing import Checkpoints
from framework.config.resolved import RunConfig
from framework.config.settings import Checkpointing
from framework.errors import InputError, format_error
from framework.registry.manager import current
from framework.runs import provenance
from framework.runs.failure import record_failure
from framework.runs.recorder import Journaling
from framework.runs.resume import last_state
from framework.training.hooks import afresh, hooks
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.record import Outcome


def execute(
    config: RunConfig,
    overrides: Sequence[str],
    folder: Path,
    *,
    parent: Path | None = None,
    distinguishing: Sequence[str] | None = None,
    setting: str = "",
    resume: bool = False,
    changed: str = "",
    observers: Sequence[Observer] = (),
    warn: Callable[[str], object] = errors.warn,
    result: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train one run, write its folder and return its outcome.

    Args:
        config: a checked configuration.
        overrides: the user's overrides that led to it.
        folder: folder for the run's files.
        parent: folder of the sweep that the run belongs to, or None.
        distinguishing: the overrides that appear in its name; by default all.
        setting: name of its setting.
        resume: whether to continue a run that failed or was interrupted; one that was killed is continued anyway. It
            continues from its checkpoint if it has one.
        changed: what has changed since the run's start, if it is continued with the setting ``force``; else "".
        observers: further observers.
        warn: as in `Journaling`.
        result: called with the outcome as soon as it is recorded, before pictures are drawn.

    Raises:
        InputError: the parts do not fit together, or the folder holds another run.
        Exception: the run failed with this error, which is recorded in its folder as in `record_failure`.
    """
    name = provenance.run_name(config, overrides if distinguishing is None else distinguishing)
    run = Run(uuid.uuid4().hex, name, config.as_data(), folder, setting)
    configs, single = {run.id: config}, parent is None
    state, ignored = last_state(folder, config)
    forced = {run.id: changed or ignored} if changed or ignored else {}
    journaling = Journaling(
        configs, {run.id: overrides}, parent=parent, single=single, resume=resume, forced=forced, warn=warn
    )
    watching = [*hooks(current()), *observers]
    checkpoints = Checkpoints(configs, config.section(Checkpointing).every_seconds, watching, warn=warn)
    for line in afresh(current(), state.hooks) if state and single else []:
        warn(line)
    interrupted = False
    try:
        (outcome,) = train([config], [run], [journaling, checkpoints, *watching], [state] if state else [])
        if result is not None:
            result(outcome)
    except KeyboardInterrupt:
        interrupted = True
        raise
    except Exception as error:
        refused = single and isinstance(error, InputError) and not journaling.has_begun(run)
        if not refused and run.id not in journaling.outcomes:
            try:
                record_failure(run, config, overrides, parent, error)
            except OSError as full:  # as on a full disk: the run's own error is the one to report
                warn(f"{folder}: the failure cannot be recorded: {format_error(full)}")
        raise
    finally:
        if parent is None and run.id in journaling.outcomes:
            journaling.conclude(journaling.outcomes[run.id], draw=not interrupted)
    return outcome
