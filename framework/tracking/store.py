"""Find the MLflow store and experiment of a run, and open the store without race conditions on a new database.

The training process uses the addresses only, so that what opens a store is imported when it is opened.
"""

from __future__ import annotations

import functools
import os
import re
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from framework.errors import InputError, TrackingError
from framework.system.addresses import MASK, same_store
from framework.system.addresses import sqlite_file as sqlite_file
from framework.system.addresses import without_password as without_password
from framework.system.mounts import is_local
from framework.tracking.experiment_views import experiment_tags
from framework.tracking.moved import ROOT, follow_move

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

    from framework.tracking.calls import Calls

DEFAULT_EXPERIMENT = "framework"
EXPERIMENT_CHARACTERS = 500
"""MLflow's limit on the length of an experiment's name."""
_FOLDER_CHARACTERS = 60
_OPTIONS = re.compile(r"[\w.-]+=[^&=]*(&[\w.-]+=[^&=]*)*")
_LOCK_SECONDS = 120
_UNFINISHED: dict[Path, str] = {}
"""Errors of databases whose tables this process could not make. Its connections to them stay open, so that only another
process can delete them and begin again."""
_SQL = ("postgresql", "mysql", "mssql")


def resolve_uri(configured: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the store's address: ``configured``, else MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working folder.

    Paths of SQLite files are made absolute, so that every process uses the same file; ``~`` is the home directory. As
    in any URL, ``%25``, ``%3F`` and ``%23`` stand for the characters ``%``, ``?`` and ``#`` of a path.

    An address with masked credentials, as recorded, stands for the same address in MLFLOW_TRACKING_URI.

    Raises:
        InputError: the address is a folder (MLflow no longer supports file stores), an in-memory database, or invalid;
            or its credentials are masked and not in MLFLOW_TRACKING_URI.
    """
    uri = configured or environment.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if MASK in uri:
        uri = _with_credentials(uri, environment.get("MLFLOW_TRACKING_URI", ""))
    if uri.startswith("sqlite:"):
        return _absolute(uri)
    scheme, separator, rest = uri.partition("://")
    if separator and scheme != "file" and re.search(r"\s", rest):
        raise InputError(f"tracking.uri={scheme}://…: an address has no white space: write a space as %20")
    if scheme == "databricks" or (separator and rest and scheme != "file"):
        return uri
    file = Path(uri.removeprefix("file://").removeprefix("file:") or ".")
    raise InputError(
        f"tracking.uri={without_password(uri)}: MLflow keeps runs in a database or on a server, not in a folder; "
        f"set tracking.uri=sqlite:///{without_password(str(file.with_suffix('.db')))} or an http address"
    )


def _with_credentials(masked: str, known: str) -> str:
    if MASK not in known and same_store(masked, known):
        return known
    raise InputError(
        f"the store is {without_password(masked)}, and its credentials are not recorded: set MLFLOW_TRACKING_URI to "
        "this address with its credentials"
    )


def resolve_experiment(configured: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the experiment's name: ``configured``, else MLFLOW_EXPERIMENT_NAME, else `DEFAULT_EXPERIMENT`.

    Raises:
        InputError: the name is too long or not valid Unicode.
    """
    name = configured or environment.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    where = "tracking.experiment" if configured else "MLFLOW_EXPERIMENT_NAME"
    if len(name) > EXPERIMENT_CHARACTERS:
        raise InputError(
            f"{where}={name[:20]}…: the name has {len(name)} characters; MLflow allows at most {EXPERIMENT_CHARACTERS}"
        )
    if not _is_text(name):
        raise InputError(f"{where}={name!a}: this name is not valid Unicode; choose another")
    return name


def artifact_root(uri: str) -> Path | None:
    """Return the folder for the artifacts of a database's runs, or None if a server decides."""
    database = sqlite_file(uri)
    if database is not None:
        return database.parent / ROOT
    return Path.cwd() / ROOT if uri.startswith(_SQL) else None


def experiment_folder(name: str) -> str:
    """Return the name of an experiment's folder in `artifact_root`: a single path part, never ``..`` or a separator."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".")[:_FOLDER_CHARACTERS] or "_"


def mlflow_address(uri: str) -> str:
    """Return a resolved address in the form to pass to MLflow.

    SQLAlchemy 2.1 percent-decodes the path of a database; SQLAlchemy 2.0 and MLflow do not. A path that decoding
    changes has no address that all of them understand, so it is reached through a symbolic link in a temporary folder
    that is deleted when this process ends.

    Raises:
        OSError: the link cannot be made.
    """
    database = sqlite_file(uri)
    if database is None:
        return uri
    path = database if _is_plain(database.as_posix()) else _link(database)
    _, question, options = uri.partition("?")
    return f"{uri.partition('///')[0]}///{path.as_posix()}{question}{options}"


@functools.cache
def _links() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="framework-store-")


@functools.cache
def _link(database: Path) -> Path:
    link = Path(_links().name) / f"{len(list(Path(_links().name).iterdir()))}.db"
    link.symlink_to(database)
    return link


def remove_links() -> None:
    """Delete the temporary folder of `mlflow_address`, if there is one, for a process that ends at once."""
    if _links.cache_info().currsize:
        _links().cleanup()


def _is_plain(path: str) -> bool:
    return "?" not in path and unquote(path) == path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _absolute(uri: str) -> str:
    head, separator, tail = uri.partition("///")
    name, question, options = tail.partition("?")
    if not separator or not name or name == ":memory:" or name.startswith("file:"):
        raise InputError(f"tracking.uri={uri}: runs need a database file, as in sqlite:///mlflow.db")
    if question and not _OPTIONS.fullmatch(options):
        raise InputError(f"tracking.uri={uri}: the text after ? is not a list of options; write ? in a path as %3F")
    path = Path(unquote(name)).expanduser().absolute()
    if not _is_plain(path.name):
        raise InputError(
            f"tracking.uri={uri}: MLflow cannot open a file named {path.name}; choose a name without % and ?"
        )
    return f"{head}///{re.sub('[%?#]', lambda found: quote(found[0]), path.as_posix())}{question}{options}"


class Store:
    """An open MLflow store, for the writer process and not for the training process.

    A SQLite database is opened under a file lock, because MLflow creates its tables without one, and two processes that
    do so at the same time fail. If a kill or a full disk ends that, the tables are made again from the beginning.

    MLflow is imported when its client is needed: by all stores but databases that `sqlite_calls` understands.

    Args:
        uri: a resolved address.

    Attributes:
        uri: the address.
        calls: the calls by which runs arrive.

    Raises:
        TrackingError: the store cannot be opened.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._experiments: dict[str, str] = {}
        database = sqlite_file(uri)
        if database is None:
            self.calls: Calls = self._through_client()
            return
        from filelock import FileLock, Timeout

        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{database}.lock", timeout=_LOCK_SECONDS):
                unfinished = Path(f"{database}.unfinished")
                _prepare_database(database, unfinished)
                if unfinished.exists() or not takes_statements(uri):
                    self._make_tables(database)
                follow_move(database)
                unfinished.unlink(missing_ok=True)
                self.calls = self._calls_of(database)
        except (OSError, sqlite3.Error, Timeout) as error:
            raise TrackingError(f"{database}: {error}") from error

    @functools.cached_property
    def client(self) -> MlflowClient:
        """MLflow's client."""
        import mlflow

        if sqlite_file(self.uri) is not None:
            from sqlalchemy import event
            from sqlalchemy.engine import Engine

            event.listen(Engine, "connect", _wait_less)
        address = mlflow_address(self.uri)
        mlflow.set_tracking_uri(address)
        return mlflow.MlflowClient(address)

    def _make_tables(self, database: Path) -> None:
        """Let MLflow make the tables of a database that has none, and check those of another.

        Raises:
            TrackingError: MLflow fails.
        """
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self.client.search_experiments(max_results=1)
        except SQLAlchemyError as error:
            line = str(error).partition("\n")[0]
            if Path(f"{database}.unfinished").exists():
                _UNFINISHED[database] = line
            raise TrackingError(f"{database}: {_remedied(line)}") from error

    def experiment(self, name: str) -> str:
        """Return the id of the experiment ``name``; create the experiment if it does not exist.

        A new experiment gets an explicit artifact location, because MLflow would fix it to the working directory of
        the first process. Only an experiment created here gets the tags that decide how it opens in the UI.

        Raises:
            TrackingError: the experiment of that name is deleted (in the store's trash).
        """
        if name not in self._experiments:
            self._experiments[name] = self._find(name) or self._make(name)
        return self._experiments[name]

    def close(self) -> None:
        """Release the store; of a database, a copy of its file is then complete."""
        self.calls.close()

    def last_used(self) -> Experiment | None:
        """Return the experiment of the newest run, or None if there is no run."""
        known = {experiment.experiment_id: experiment for experiment in self.client.search_experiments()}
        runs = self.client.search_runs(list(known), order_by=["attributes.start_time DESC"], max_results=1)
        return known[runs[0].info.experiment_id] if runs else None

    def _calls_of(self, database: Path) -> Calls:
        from framework.tracking.sqlite_calls import SqliteCalls

        return SqliteCalls(database, self._through_client) if takes_statements(self.uri) else self._through_client()

    def _through_client(self) -> Calls:
        from framework.tracking.calls import ClientCalls

        return ClientCalls(self.client)

    def _find(self, name: str) -> str | None:
        known, active = self.calls.experiment(name) or (None, True)
        if not active:
            raise TrackingError(
                f"experiment {name!r} is deleted in {without_password(self.uri)}: restore it in the UI, or set another "
                "tracking.experiment"
            )
        return known

    def _make(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        root = artifact_root(self.uri)
        location = None if root is None else (root / experiment_folder(name)).as_uri()
        try:
            return self.calls.make_experiment(name, location, experiment_tags())
        except MlflowException as error:
            # Another process may have created it in the meantime.
            if error.error_code == "RESOURCE_ALREADY_EXISTS" and (found := self._find(name)):
                return found
            raise


def takes_statements(uri: str) -> bool:
    """Return whether runs arrive by SQL statements: in a local database with tables of a tested revision.

    Options in a database's address are left to MLflow's client.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    from framework.tracking.sqlite_calls import has_tested_tables

    database = sqlite_file(uri)
    return database is not None and "?" not in uri and database.is_file() and has_tested_tables(database)


def needs_client(uri: str) -> bool:
    """Return whether a store is opened through MLflow's client, as far as this can be told before it is opened."""
    try:
        return not takes_statements(uri)
    except sqlite3.Error:
        return False  # the error is reported when the store is opened


def _remedied(line: str) -> str:
    """Return an error's line; with a remedy if it shows that a database has only some of its tables."""
    if not re.search("already exists|duplicate column|no such (table|column)", line):
        return line
    return f"its tables are incomplete ({line[:60]}): move the file away, or restore a copy if it has runs"


def _prepare_database(path: Path, unfinished: Path) -> None:
    """Raise an error if a file cannot be a database; set a new database to write-ahead logging.

    ``unfinished`` is a file that exists while the tables of a new database are made. If it exists before, another
    process did not finish: a database without runs is then deleted, because MLflow cannot complete it.

    Without this check MLflow would retry for minutes. A write-ahead log lets the UI read while runs are written, and
    avoids most waits for the disk. It needs memory that processes share, which network file systems lack. The mode is
    stored in the file; an existing database keeps its mode.
    """
    if path in _UNFINISHED:
        raise OSError(_UNFINISHED[path])
    if unfinished.exists() and not _has_runs(path):
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
    fresh = not path.exists()
    if fresh:
        unfinished.touch()
    connection = sqlite3.connect(path, timeout=20)
    try:
        if fresh and is_local(path):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA schema_version").fetchone()
        connection.execute("BEGIN IMMEDIATE").connection.rollback()
    finally:
        connection.close()


def _has_runs(path: Path) -> bool:
    """Return whether a database, which may be damaged or missing, has runs."""
    connection = sqlite3.connect(path, timeout=20)
    try:
        return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise
    finally:
        connection.close()


def _wait_less(connection: Any, _record: Any) -> None:
    from framework.tracking.sqlite_calls import wait_less

    if isinstance(connection, sqlite3.Connection):
        wait_less(connection)
