"""``python -m framework resume``: continue a run or a sweep that was interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from framework.cli.arguments import Arguments
from framework.config.settings import Tracking
from framework.errors import InputError
from framework.registry.manager import current
from framework.runs.folder import refuse_unusable
from framework.runs.resume import Interrupted, interrupted
from framework.sweeps.state import FILE as SWEEP
from framework.sweeps.state import SweepState
from framework.tracking.download import own_folder
from framework.tracking.run import shown

REPEATED = ("hydra.sweep.subdir", "hydra.output_subdir")
"""Settings of Hydra that a resumed sweep takes from its state file."""
FORCE = "continue with the configuration, plugins and data as they are now; ignore a damaged checkpoint"


def main(words: Sequence[str], train: Callable[[Sequence[str]], int]) -> int:
    """Continue a run or a sweep; return the exit code.

    Args:
        words: the arguments after ``resume``.
        train: function that executes the arguments of a command that trains.

    Raises:
        InputError: there is no such run, or it cannot be continued; nothing was changed.
    """
    parser = Arguments("resume", "Continue a run or a sweep that was interrupted.", example="resume outputs/DATE/TIME")
    parser.add_argument("run", help="folder of the run or of the sweep, or the run's MLflow id")
    parser.add_argument("values", nargs="*", default=[], metavar="KEY=VALUES", help="further values of a sweep's axes")
    parser.add_argument("--force", action="store_true", help=FORCE)
    parser.add_argument("--uri", help="the store that has the run id")
    asked = parser.parse_args(words)
    folder = Path(asked.run) if Path(asked.run).is_dir() else own_folder(asked.run, asked.uri)
    refuse_unusable([folder], "resume")
    if (folder / SWEEP).is_file():
        return _resume_sweep(folder.resolve(), asked.values, train, force=asked.force)
    if asked.values:
        raise InputError(f"resume: {asked.values[0]}: only a sweep has axes to which values can be added")
    run = interrupted(folder.resolve(), force=asked.force)
    if run is None:
        sys.stdout.write(f"{folder} has finished: there is nothing to resume\n")
        return 0
    config = run.config.with_store(_store(run))
    shown(config, run.overrides, run.folder, setting=run.setting, resume=True, changed=run.changed)
    return 0


def _store(run: Interrupted) -> str | None:
    """Return the address of the store of a run, which is recorded as the user wrote it.

    Raises:
        InputError: it refers to a variable that is not set, and MLFLOW_TRACKING_URI is not set either.
    """
    uri = run.config.section(Tracking).uri
    if uri is None or "${" not in uri:
        return uri
    from framework.hydra_app.composed import resolved_store

    found = resolved_store(run.config.as_data())
    if found is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise InputError(f"{run.folder}: its store is {uri}: set the variables in it, or MLFLOW_TRACKING_URI")
    return found


def _resume_sweep(folder: Path, values: Sequence[str], train: Callable[[Sequence[str]], int], *, force: bool) -> int:
    state = SweepState.load(folder)
    _refuse_code(folder, state)
    from framework.hydra_app.errors import explained
    from framework.hydra_app.splitting import united
    from framework.hydra_app.words import as_typed, quoted

    with explained([*state.arguments, *values]):
        arguments = united(state.arguments, as_typed(values, sweep=True)) if values else state.arguments
    place = f"hydra.sweep.dir={quoted(str(folder))}"
    return train(["-m", *arguments, *state.hydra, place, "resume=true", *(["force=true"] if force else [])])


def _refuse_code(folder: Path, state: SweepState) -> None:
    """Raise `InputError` if the sweep needs files or classes that only the user may choose.

    A state file is data: it must not decide which code runs.

    Raises:
        InputError: a plugin file is missing on the command line, or the sweep was started with settings of Hydra that
            may name classes.
    """
    loaded = {provider.path.name for provider in current().providers if provider.path}
    for path in map(Path, state.plugins):
        if path.name not in loaded:
            raise InputError(f"{folder}: the sweep used a plugin file: add --plugin {path}")
    risky = [word for word in state.hydra if word.partition("=")[0] not in REPEATED]
    for word in [*state.flags, *risky]:
        raise InputError(
            f"{folder}: the sweep was started with {word}, which may name classes: repeat its whole command with "
            f"hydra.sweep.dir={folder} and resume=true"
        )
