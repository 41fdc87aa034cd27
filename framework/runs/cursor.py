"""The delivery cursor: how much of a journal was delivered to MLflow, stored next to it in ``mlflow.json``."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType

from framework.errors import InputError
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import whole_size
from framework.system import strict_json
from framework.system.addresses import absolute, relative, same_store
from framework.system.files import read_regular, write_new, write_whole

FILE = "mlflow.json"
RUN_ID = re.compile(r"[0-9a-f]{32}")
"""Pattern of MLflow's run ids."""


@dataclass
class Cursor:
    """The state of the delivery of a journal to a tracking store.

    Attributes:
        tracking_uri: the store's resolved address without credentials; in the file, a SQLite database in a folder above
            is written relative to the journal's folder, so that both can be moved together.
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
            saved = cls(**strict_json.loads(read_regular(path)))
            saved._refuse_invalid()
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError, RecursionError) as error:
            raise InputError(f"{path} is damaged ({error}): remove it to deliver the run as a new one") from error
        saved.tracking_uri = absolute(saved.tracking_uri, folder)
        return saved

    def _refuse_invalid(self) -> None:
        kinds: dict[str, type | UnionType] = {"str": str, "int": int, "bool": bool, "str | None": str | None}
        for item in fields(self):
            if not isinstance(getattr(self, item.name), kinds[str(item.type)]):
                raise ValueError(f"{item.name} is not valid")
        if min(self.delivered, self.acted) < 0 or not RUN_ID.fullmatch(self.key):
            raise ValueError("delivered, acted or key is not valid")
        if not self.tracking_uri.isprintable() or "\0" in self.experiment:
            raise ValueError("tracking_uri or experiment is not valid")

    def save(self, folder: Path) -> None:
        """Write the cursor atomically: a kill leaves either the old file or the new one."""
        write_whole(folder / FILE, self._content(folder))

    def begin(self, folder: Path) -> None:
        """Write the cursor if there is none yet, so that a later delivery knows the store."""
        write_new(folder / FILE, self._content(folder))

    def _content(self, folder: Path) -> bytes:
        stored = {**asdict(self), "tracking_uri": relative(self.tracking_uri, folder)}
        return (json.dumps(stored, indent=2) + "\n").encode()

    def is_for(self, uri: str) -> bool:
        """Return whether this is the state of a delivery to the store with the resolved address ``uri``."""
        return same_store(self.tracking_uri, uri)

    def complete(self, folder: Path) -> bool:
        """Return whether the store has all of the journal in ``folder``; an incomplete last line is not counted."""
        size = (folder / JOURNAL).stat().st_size
        return self.ended and (self.delivered == size or self.delivered == whole_size(folder))


def run_id(folder: Path) -> str | None:
    """Return the id of the MLflow run of the journal in ``folder``, or None if there is none yet."""
    cursor = Cursor.load(folder)
    return None if cursor is None else cursor.run_id
