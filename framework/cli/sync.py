"""``python -m framework sync``: deliver journals to MLflow that an outage or a kill left undelivered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from framework.cli.arguments import Arguments
from framework.errors import InputError, warn_all
from framework.system.formatting import counted
from framework.tracking.client import sync
from framework.tracking.console import DeliveryProgress

DEFAULT_FOLDERS = ("outputs", "multirun")


def main(words: Sequence[str]) -> int:
    """Deliver the journals in and below the named folders; return 0, or 1 if there was a problem.

    Raises:
        InputError: a folder is missing or holds no journal.
    """
    parser = Arguments("sync", "Deliver journals to MLflow.", example="sync outputs")
    parser.add_argument(
        "folders", nargs="*", type=Path, help="run or sweep folders, or parents; default outputs, multirun"
    )
    parser.add_argument("--uri", help="store address; default that of the earlier delivery")
    asked = parser.parse_args(words)
    folders = asked.folders or [Path(name) for name in DEFAULT_FOLDERS if Path(name).is_dir()]
    if not folders:
        raise InputError("there is no outputs or multirun folder here: name the folder of a run or of a sweep")
    with DeliveryProgress(progress=True) as waiting:
        done = sync(folders, asked.uri, waiting)
    warn_all(done.problems)
    sys.stdout.write(f"delivered {counted(len(done.delivered), 'journal')}\n")
    return 1 if done.problems else 0
