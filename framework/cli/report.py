"""``python -m framework report``: make the report of a sweep or a study again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from framework.cli.arguments import Arguments
from framework.errors import InputError
from framework.reports.stored import CONTENT, FOLDER, PAGE, read_report, write_report
from framework.runs.folder import make, refuse_unusable
from framework.study.comparison import Comparison
from framework.study.of_sweep import comparison_of_sweep
from framework.sweeps.recorded import recorded_jobs
from framework.sweeps.state import FILE as SWEEP
from framework.sweeps.state import SweepState
from framework.system.formatting import shortened_path
from framework.tracking.download import sweep_folder


def main(words: Sequence[str]) -> int:
    """Write a report; return the exit code.

    Raises:
        InputError: there is no such sweep, none of its runs has ended, or a file is damaged; nothing was written.
    """
    parser = Arguments("report", "Make the report of a sweep or a study again.", example="report multirun/DATE/TIME")
    parser.add_argument("sweep", help="folder of the sweep or study, or its MLflow run id")
    parser.add_argument("--to", type=Path, help="folder for the report; default report in the sweep's folder")
    parser.add_argument("--uri", help="the store that has the run id")
    asked = parser.parse_args(words)
    if asked.to is not None:
        refuse_unusable([asked.to], "--to")
    folder, here = Path(asked.sweep), True
    if not folder.is_dir():
        folder, here = sweep_folder(asked.sweep, FOLDER, asked.uri)
    if asked.to is None and not here:
        raise InputError(f"report: the folder of {asked.sweep} is not here: say where to write with --to FOLDER")
    refuse_unusable([folder], "report")
    found, to = _comparison(folder), asked.to or folder / FOLDER
    make(to, "--to")
    write_report(found, to)
    sys.stdout.write(f"{found.verdict}\nreport      {shortened_path((to / PAGE).resolve())}\n")
    return 0


def _comparison(folder: Path) -> Comparison:
    if (folder / FOLDER / CONTENT).is_file():
        return read_report(folder / FOLDER)
    if not (folder / SWEEP).is_file():
        raise InputError(f"{folder} is not the folder of a sweep or a study: it holds no {SWEEP}")
    state = SweepState.load(folder)
    if any(word.startswith("study") for word in state.arguments):
        raise InputError(f"{folder}: the study has not ended: python -m framework resume {folder} continues it")
    found = comparison_of_sweep(*recorded_jobs(folder), state.arguments)
    if found is None:
        raise InputError(f"{folder}: no run of this sweep has finished")
    return found
