"""How the runs of a sweep ended, in one line."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from framework.runs.failure import FILE as ERROR
from framework.runs.folder import begun_in
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.by_setting import DIVERGED, FAILED
from framework.sweeps.job import Job
from framework.system.formatting import counted, shortened_path

OK, KILLED, LEFT = "ok", "killed", "not started"


def summary(folder: Path, jobs: Sequence[Job], ended: Mapping[int, Ended]) -> str:
    """Return one line: the number of runs by how they ended, the first failure, and the command that continues.

    Args:
        folder: the sweep's folder.
        jobs: all jobs.
        ended: the results of the jobs that ended, by number.
    """
    how = {job.number: _how(job, ended.get(job.number)) for job in jobs}
    numbers = Counter(how.values())
    parts = [f"{numbers[kind]:,} {kind}" for kind in (OK, DIVERGED, FAILED, KILLED, LEFT) if numbers[kind]]
    line = f"{counted(len(jobs), 'run')}: {', '.join(parts)}"
    first = next((job for job in jobs if how[job.number] == FAILED), None)
    if first is not None:
        line += f" (the first: {failure_text(first, ended[first.number])})"
    unfinished = any(numbers[kind] for kind in (FAILED, KILLED, LEFT))
    return f"{line}; python -m framework resume {shlex.quote(shortened_path(folder))} continues" if unfinished else line


def _how(job: Job, end: Ended | None) -> str:
    if end is None:
        return KILLED if begun_in(job.folder) else LEFT
    if isinstance(end, Failed):
        return FAILED
    return DIVERGED if end.ended == DIVERGED else OK


def failure_text(job: Job, end: Ended | None) -> str:
    """Return one line about a job that failed: its name, the error, and the file with the traceback."""
    error = end.error if isinstance(end, Failed) else ""
    written = (job.folder / ERROR).is_file()
    return f"{job.run_name}: {error}" + (f"; see {shortened_path(job.folder / ERROR)}" * written)
