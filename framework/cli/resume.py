"""``python -m framework resume``: continue a run or a sweep that was interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from framework.cli.arguments import Arguments
from framework.errors import InputError
from framework.registry.manager import current
from framework.runs.folder import refuse_unusable
from framework.runs.resume import interrupted
from framework.sweeps.state import FILE as SWEEP
from framework.sweeps.state import SweepState
from framework.tracking.download import own_folder
from framework.tracking.run import shown


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
    parser.add_argument("values", nargs="*", metavar="KEY=VALUES", help="further values of a sweep's axes")
    parser.add_argument("--uri", help="the store that has the run id")
    asked = parser.parse_args(words)
    folder = Path(asked.run) if Path(asked.run).is_dir() else own_folder(asked.run, asked.uri)
    refuse_unusable([folder], "resume")
    if (folder / SWEEP).is_file():
        return _resume_sweep(folder.resolve(), asked.values, train)
    if asked.values:
        raise InputError(f"resume: {asked.values[0]}: only a sweep has axes to which values can be added")
    run = interrupted(folder.resolve())
    if run is None:
        sys.stdout.write(f"{folder} has finished: there is nothing to resume\n")
        return 0
    shown(run.config, run.overrides, run.folder, setting=run.setting, resume=True)
    return 0


def _resume_sweep(folder: Path, values: Sequence[str], train: Callable[[Sequence[str]], int]) -> int:
    state = SweepState.load(folder)
    for path in map(Path, state.plugins):
        if not any(provider.path == path for provider in current().providers):
            current().add_file(path, "resume")
    from framework.hydra_app.splitting import united
    from framework.hydra_app.words import as_typed, quoted

    arguments = united(state.arguments, as_typed(values, sweep=True)) if values else state.arguments
    words = [*state.flags, "-m", *arguments, *state.hydra]
    return train([*words, f"hydra.sweep.dir={quoted(str(folder))}", "resume=true"])
