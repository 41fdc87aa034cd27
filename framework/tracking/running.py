"""MLflow runs that are RUNNING although their journal has ended."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from framework.runs.cursor import Cursor
from framework.runs.journal import last_entry
from framework.tracking import entities
from framework.tracking.delivery import asking
from framework.tracking.store import Store, resolve_uri, sqlite_file
from framework.tracking.writer import QUIET


def end_running(folders: Iterable[Path], uri: str | None = None) -> int:
    """Give MLflow runs that are RUNNING the status in their journal's end; return how many there were.

    A run is known by the key of its journal, so that runs of the same folder on other machines are left alone. This
    happens if the database was restored from a copy, or if the store made a run twice.

    Args:
        folders: folders whose journals have ended and are delivered.
        uri: the store's address, as for `resolve_uri`.

    Raises:
        TrackingError: the store does not answer, or refuses.
    """
    address = resolve_uri(uri)
    database = sqlite_file(address)
    if database is not None and not database.is_file():
        return 0
    keys = {cursor.key: folder for folder in folders if (cursor := Cursor.load(folder)) is not None}
    if not keys:
        return 0
    os.environ.update(QUIET)
    ended = 0
    with warnings.catch_warnings(), asking():
        warnings.simplefilter("ignore")  # importing MLflow triggers warnings about its own modules
        client = Store(address).client
        experiments = [one.experiment_id for one in client.search_experiments()]
        token: str | None = ""
        while token is not None:
            runs = client.search_runs(experiments, "attributes.status = 'RUNNING'", page_token=token or None)
            for run in runs:
                folder = keys.get(run.data.tags.get(entities.KEY_TAG, ""))
                last = last_entry(folder) if folder is not None else None
                if last is not None and last.kind == "end":
                    when = entities.milliseconds(last.time)
                    client.set_terminated(run.info.run_id, last.content["status"], when)
                    ended += 1
            token = runs.token or None
    return ended
