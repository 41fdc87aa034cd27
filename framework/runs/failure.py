"""The record of a failed run in its folder: its traceback, and status FAILED in its journal."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from framework.base.run import Run
from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.errors import RunFailedError, format_error
from framework.runs.content import JournalContent
from framework.runs.folder import begun_in, same_run
from framework.runs.journal import Journal
from framework.runs.recorder import begin, folder_of
from framework.system.files import write_whole

FILE = "error.txt"
LONGEST = 500
"""Most characters of the error in a run's tags."""


def record_failure(
    run: Run, config: RunConfig, overrides: Sequence[str], parent: Path | None, error: BaseException | str
) -> None:
    """Record that a run failed: write its traceback to `FILE` and end its journal with status FAILED.

    A run that failed before its first step gets a journal, too, so that MLflow has it. The journal of another run, or
    of a run that has finished, is left alone.

    Args:
        run: the run.
        config: its checked configuration.
        overrides: the user's overrides that led to it.
        parent: the sweep's folder, or None for a single run.
        error: the error, or a text if there is no exception, as after the death of a worker process.

    Raises:
        OSError: the folder cannot be written, as on a full disk.
    """
    folder = folder_of(run)
    begun = begun_in(folder)
    same = same_run(begun, config) or config.section(Display).force
    if begun and (not same or begun[-1].content.get("status") == "FINISHED"):
        return
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder)
    if not begun:
        begin(journal, run, config, overrides, parent)
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    write_whole(folder / FILE, f"{text.rstrip()}\n".encode(errors="backslashreplace"))
    journal.write("artifact", path=FILE, to="")
    journal.end("FAILED", error=_line(error))


@contextmanager
def one_line(folder: Path) -> Iterator[None]:
    """Replace an error that a ``with`` block raises after `record_failure` by one line that names the traceback's file.

    Raises:
        RunFailedError: instead of an error that is recorded in ``folder``. Other errors are raised as they are.
    """
    try:
        yield
    except Exception as error:
        recorded = JournalContent.of(begun_in(folder))
        if recorded.status == "FAILED" and recorded.tags.get("error") == _line(error):
            line = f"{recorded.name} failed: {format_error(error)}; its traceback is in {folder / FILE}"
            raise RunFailedError(line) from error
        raise


def _line(error: BaseException | str) -> str:
    return (error if isinstance(error, str) else format_error(error))[:LONGEST]
