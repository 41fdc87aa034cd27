"""The journals that wait for delivery: which there are, and which of them may be sent to a store."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.errors import InputError
from framework.runs.cursor import RUN_ID, Cursor
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import first_entry, sweep_of, whole_size
from framework.system.addresses import MASK
from framework.tracking.store import resolve_uri, without_password


class Waiting:
    """The journals in and below some folders that wait for delivery to a store.

    A folder's ``mlflow.json`` is data that may come from anybody. Nothing is sent to the store that it names, unless
    the user names the same store.

    Args:
        tops: folders of runs or sweeps, or parents of such folders.
        uri: the store's address, which takes all journals that it does not have; by default the address as
            `resolve_uri` finds it, which takes the journals that are recorded for it or for no store.

    Attributes:
        uri: the store's resolved address.
        problems: one line per journal that cannot be read, and per other store that journals are recorded for.

    Raises:
        InputError: there is no journal in one of the folders, or the store's address is invalid.
    """

    def __init__(self, tops: Iterable[Path], uri: str | None = None) -> None:
        self.uri = resolve_uri(uri)
        self.problems: list[str] = []
        self._asked = uri is not None
        self._folders: dict[Path, None] = {}
        self._elsewhere: dict[str, dict[Path, None]] = {}
        for folder in dict.fromkeys(found for top in tops for found in _journals(top.absolute())):
            try:
                self._add(folder)
            except (InputError, OSError) as error:
                self.problems.append(f"{folder} is not delivered: {error}")
        self.problems += [_elsewhere(address, list(found), self.uri) for address, found in self._elsewhere.items()]

    @property
    def folders(self) -> list[Path]:
        """The folders of the journals to be sent, each after its sweep's."""
        return list(self._folders)

    def _add(self, folder: Path) -> None:
        if folder in self._folders or not pending(folder, self.uri if self._asked else None):
            return
        sweep = _sweep(folder)
        if sweep is not None:
            self._add(sweep)
        cursor = Cursor.load(folder) or (Cursor.load(sweep) if sweep is not None else None)
        if self._asked or cursor is None or cursor.is_for(self.uri):
            self._folders[folder] = None
        else:
            self._elsewhere.setdefault(cursor.tracking_uri, {})[folder] = None


def pending(folder: Path, uri: str | None = None) -> bool:
    """Return whether ``folder`` has a journal with entries that no store has.

    Args:
        folder: a run's folder.
        uri: a resolved address; if given, return whether this store lacks entries.

    Raises:
        InputError: the state of the delivery is damaged.
        OSError: the journal is not a file that can be read.
    """
    if not whole_size(folder):  # the run never began
        return False
    cursor = Cursor.load(folder)
    return cursor is None or not cursor.complete(folder) or (uri is not None and not cursor.is_for(uri))


@dataclass(frozen=True)
class Naming:
    """How a command names a store.

    Attributes:
        before: what to do before the command, "" if nothing.
        option: the command's argument ``--uri …`` with a leading space, "" if the command finds the store anyway.
    """

    before: str = ""
    option: str = ""

    @classmethod
    def of(cls, uri: str, written: str | None = None) -> Naming:
        """Return how a command names a store; credentials are not shown.

        In the writer, call this before the store is opened, because MLflow then sets MLFLOW_TRACKING_URI itself.

        Args:
            uri: the store's resolved address.
            written: the address as the user wrote it, which may refer to variables of the environment.
        """
        if uri == resolve_uri():
            return cls()
        shell = re.sub(r"\$\{oc\.env:(\w+)\}", r"${\1}", written or "")
        if "${" in shell and re.fullmatch(r"(\$\{\w+\}|[^$\"`\\*])+", shell):
            return cls(option=f' --uri "{shell}"')
        if without_password(uri) != uri or MASK in uri:
            return cls(before="set MLFLOW_TRACKING_URI to this address with its credentials, then ")
        return cls(option=f" --uri {shlex.quote(uri)}")


def _elsewhere(address: str, folders: Sequence[Path], uri: str) -> str:
    tops, naming = [folder for folder in folders if not set(folder.parents) & set(folders)], Naming.of(address)
    what = f"{folders[0]} is" if len(folders) == 1 else f"{len(folders)} journals below {_common(folders)} are"
    return (
        f"{what} not sent: recorded for {address}, and the store here is {without_password(uri)}; {naming.before}"
        f"`python -m framework sync {shlex.join(map(str, tops))}{naming.option}` delivers there"
    )


def _common(folders: Sequence[Path]) -> Path:
    return Path(os.path.commonpath(folders))


def _journals(top: Path) -> list[Path]:
    folders = sorted(path.parent for path in top.rglob(JOURNAL) if not _is_artifact(path))
    if not folders:
        raise InputError(f"{top} holds no {JOURNAL}, nor does any folder in it: give the folder of a run or of a sweep")
    return folders


def _is_artifact(path: Path) -> bool:
    """Return whether a journal is MLflow's artifact copy; delivering it would create a second run."""
    return path.parent.name == "artifacts" and RUN_ID.fullmatch(path.parent.parent.name) is not None


def _sweep(folder: Path) -> Path | None:
    """Return the folder of a run's sweep, which goes first, so that the run gets its parent in MLflow; or None.

    A journal may name any folder; only one that contains the run's is its sweep's.
    """
    sweep = sweep_of(folder, first_entry(folder))
    known = sweep is not None and sweep in folder.parents and (sweep / JOURNAL).is_file()
    return sweep if known else None
