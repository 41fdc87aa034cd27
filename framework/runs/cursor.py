"""The delivery cursor: what MLflow has of a journal, kept beside it in ``mlflow.json``."""

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
"""What MLflow's run ids look like."""


@dataclass
class Cursor:
    """How much of a journal a store holds.

    Attributes:
        tracking_uri: the store, without a password.
        key: a tag that finds the run again when it was made but its id not yet written here.
        experiment, experiment_id, run_id: where the run is; the run's id is None until it is made.
        delivered: bytes of the journal that the store has.
        acted: bytes up to which artifacts, models and the end are there; ahead of ``delivered`` only after a kill.
        ended: whether the run's status is set for good.
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
        """Return the cursor in ``folder``, or None where nothing was ever delivered.

        Raises:
            InputError: the file is damaged.
        """
        path = folder / FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({error}): remove it, and the run is delivered as a new one"
            ) from error

    def save(self, folder: Path) -> None:
        """Write the cursor in one step: a kill leaves the old one or the new one."""
        write_whole(folder / FILE, (json.dumps(asdict(self), indent=2) + "\n").encode())

    def complete(self, folder: Path) -> bool:
        """Whether the store has all of the journal in ``folder``."""
        return self.ended and self.delivered == (folder / JOURNAL).stat().st_size


def run_id(folder: Path) -> str | None:
    """Return the id of the MLflow run that the journal in ``folder`` became, or None while there is none."""
    cursor = Cursor.load(folder)
    return None if cursor is None else cursor.run_id
