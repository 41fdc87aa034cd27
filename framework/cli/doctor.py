"""``python -m framework doctor``: close and deliver runs and sweeps whose process is gone."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from framework.cli.arguments import Arguments
from framework.cli.sync import DEFAULT_FOLDERS
from framework.errors import FrameworkError, InputError, format_error, warn_all
from framework.runs.cursor import FILE as CURSOR
from framework.runs.yaml_text import read_mapping
from framework.sweeps.stale import Examined, Stale, examine
from framework.system.formatting import counted, shortened_path
from framework.tracking.client import pending, sync
from framework.tracking.console import DeliveryProgress
from framework.tracking.running import end_running


def main(words: Sequence[str]) -> int:
    """Close stale runs and sweeps in and below the named folders, and deliver them; return 0, or 1 after a problem.

    Raises:
        InputError: a folder is missing.
    """
    parser = Arguments(
        "doctor", "List runs and sweeps whose process is gone, close and deliver them.", example="doctor outputs"
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, help="run or sweep folders, or parents; default outputs, multirun"
    )
    parser.add_argument("--any-host", action="store_true", help="also what other or unknown machines have begun")
    parser.add_argument("--uri", help="store address; default that of the earlier delivery")
    asked = parser.parse_args(words)
    folders = asked.folders or [Path(name) for name in DEFAULT_FOLDERS if Path(name).is_dir()]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"doctor: {folder}: there is no such folder")
    found = examine(folders)
    problems = list(found.problems)
    closed = _close(found.stale, problems, any_host=asked.any_host)
    _deliver(examine(folders) if closed else found, asked.uri, problems)
    if not found.stale:
        sys.stdout.write("no run or sweep without an end and without a process\n")
    for stale in closed:
        sys.stdout.write(_continued(stale))
    warn_all(problems)
    return 1 if problems else 0


def _close(stale: Sequence[Stale], problems: list[str], *, any_host: bool) -> list[Stale]:
    """List stale runs and sweeps, and close those that are known to be stale; return them."""
    closed = []
    for one in stale:
        sys.stdout.write(f"{'sweep' if one.sweep else 'run'}  {one.folder}  {_process(one)}\n")
        if not any_host and (one.owner is None or not one.owner.here):
            where = "its process is not recorded" if one.owner is None else f"it was started on {one.owner.host}"
            problems.append(
                f"{one.folder} is left alone: {where}; if it has ended, `python -m framework doctor --any-host "
                f"{shlex.quote(str(one.folder))}` closes it"
            )
            continue
        try:
            one.close()
            closed.append(one)
        except (FrameworkError, OSError) as error:
            problems.append(f"{one.folder} is not closed: {format_error(error)}")
    sys.stdout.flush()
    return closed


def _deliver(found: Examined, uri: str | None, problems: list[str]) -> None:
    """Deliver journals that have ended, except those of runs without tracking; set MLflow runs to their status."""
    waiting = []
    for folder in found.ended:
        try:
            if pending(folder) and _is_tracked(folder):
                waiting.append(folder)
        except (FrameworkError, OSError) as error:
            problems.append(format_error(error))
    if waiting:
        with DeliveryProgress(progress=True) as progress:
            done = sync(waiting, uri, progress)
        problems += done.problems
        sys.stdout.write(f"delivered {counted(len(done.delivered), 'journal')}\n")
    try:
        ended = end_running(found.ended, uri)
    except FrameworkError as error:
        problems.append(format_error(error))
    else:
        if ended:
            sys.stdout.write(f"ended {counted(ended, 'run')} that MLflow showed as running\n")


def _is_tracked(folder: Path) -> bool:
    """Return whether a run's delivery has begun, or its configuration asks for it."""
    if (folder / CURSOR).is_file():
        return True
    try:
        tracking = read_mapping(folder / "config.yaml").get("tracking")
    except (OSError, InputError):  # a run whose configuration cannot be read is not delivered either
        return False
    return isinstance(tracking, Mapping) and tracking.get("enabled") is not False


def _process(stale: Stale) -> str:
    if stale.owner is None:
        return "(process not recorded)"
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stale.owner.started))
    return f"(host {stale.owner.host}, process {stale.owner.pid}, started {started})"


def _continued(stale: Stale) -> str:
    if stale.parent is not None:
        return f"set to KILLED: {shortened_path(stale.folder)}; start its sweep again: another sweeper made it\n"
    return f"set to KILLED; continue with: python -m framework resume {shlex.quote(shortened_path(stale.folder))}\n"
