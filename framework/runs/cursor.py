"""The delivery cursor: how much of a journal was delivered to MLflow, stored next to it in ``mlflow.json``."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from framework.errors import InputError
from framework.runs.journal import FILE as JOURNAL
from framework.system.files import write_whole

FILE = "mlflow.json"
RUN_ID = re.compile(r"[0-9a-f]{32}")
"""Pattern of MLflow's run ids."""


@dataclass
class Cursor:
    """The state of the delivery of a journal to a tracking store.

    Attributes:
        tracking_uri: the store's URI, without a password.
        key: value of a tag that identifies the run in the store if it was created but its id not yet saved here.
        experiment, experiment_id, run_id: the place of the run in the store; ``run_id`` is None until it is created.
        delivered: bytes of the journal that the store has.
        acted: bytes up to which artifacts, models and the end are in the store; ahead of ``delivered`` only after a
            kill.
        ended: whether the run's final status is set.
    """

    tracking_uri: str
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    experiment: str = ""
    experiment_id: str = ""
    run_id: str | None = None
    delivered: int = 0
    acted: int = 0
    ended: bool = False

    @classmethod
    def load(cls, folder: Path) -> Cursor | None:
        """Return the cursor in ``folder``, or None if nothing was ever delivered.

        Raises:
            InputError: the file is damaged.
        """
        path = folder / FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}): remove it to deliver the run as a new one") from error

    def save(self, folder: Path) -> None:
        """Write the cursor atomically: a kill leaves either the old file or the new one."""
        write_whole(folder / FILE, (json.dumps(asdict(self), indent=2) + "\n").encode())

    def complete(self, folder: Path) -> bool:
        """Return whether the store has all of the journal in ``folder``."""
        return self.ended and self.delivered == (folder / JOURNAL).stat().st_size


def run_id(folder: Path) -> str | None:
    """Return the id of the MLflow run of the journal in ``folder``, or None if there is none yet."""
    cursor = Cursor.load(folder)
    return None if cursor is None else cursor.run_id
