"""The calls by which runs arrive in a local SQLite database, as SQL statements.

MLflow's client takes ten times as long: it creates an object for each metric point, uses ten transactions per run, and
reads the run in each of them and before each artifact; and the import of MLflow takes longer than a short run. The
statements here write the same rows, which a test compares. They are used only for the revisions of MLflow's tables with
which that test passed.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from framework.errors import TrackingError
from framework.tracking import entities, model_files
from framework.tracking.calls import Calls

REVISIONS = frozenset({"bf29a5ff90ea", "dc11669786a5"})
"""Alembic's identifiers of the tables of MLflow 3.7 and 3.17."""
LOCK_SECONDS = 20
"""How long a call waits for other processes that write, as MLflow's do."""
CHECKPOINT_PAGES = 10_000
"""Pages of the write-ahead log before they are moved to the database, which waits for the disk."""
CACHE_KIB = 32_768
"""Memory for pages of the database: the rows of one run are spread over the whole index of the metrics."""
CLOSING_MILLISECONDS = 1000
"""How long the last checkpoint waits for other processes."""

_ADD_METRIC = (
    'INSERT INTO metrics ("key", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?) '
    'ON CONFLICT ("key", timestamp, step, run_uuid, value, is_nan) DO NOTHING'
)
_SET_LATEST = (
    'INSERT INTO latest_metrics ("key", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?) '
    'ON CONFLICT ("key", run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, '
    "step = excluded.step, is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) "
    "> (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)
_SET_TAG = (
    'INSERT INTO tags ("key", value, run_uuid) VALUES (?, ?, ?) '
    'ON CONFLICT ("key", run_uuid) DO UPDATE SET value = excluded.value'
)
_ADD_PARAM = 'INSERT INTO params ("key", value, run_uuid) VALUES (?, ?, ?) ON CONFLICT ("key", run_uuid) DO NOTHING'
_ADD_DATASET = (
    "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, "
    "dataset_profile) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_ADD_MODEL = (
    "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, "
    "last_updated_timestamp_ms, status, lifecycle_stage, source_run_id) VALUES (?, ?, 'model', ?, ?, ?, ?, 'active', ?)"
)
_ADD_MODEL_PARAMS = (
    "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value) "
    'SELECT ?, ?, "key", value FROM params WHERE run_uuid = ?'
)
_ADD_OUTPUT = (
    "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) "
    "VALUES (?, 'RUN_OUTPUT', ?, 'MODEL_OUTPUT', ?)"
)
_READY = 2
"""The status of a complete model."""
WORKSPACE = "default"
"""The workspace that MLflow's client uses unless another is set; tables of earlier revisions have none."""
Row = tuple[Any, ...]


def has_tested_tables(database: Path) -> bool:
    """Return whether a database has a revision of MLflow's tables that is in `REVISIONS`.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as connection:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        if connection.execute(query).fetchone() is None:
            return False
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return len(found) == 1 and found[0][0] in REVISIONS


class SqliteCalls(Calls):
    """The calls for a SQLite database; runs whose artifacts are elsewhere than in a local folder are left to others.

    Args:
        database: the file, with tables of one of `REVISIONS`.
        others: function that returns the calls for what the statements leave to others: experiments and runs whose
            artifacts are not in a local folder, other workspaces, and models that `model_files` cannot write.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """

    def __init__(self, database: Path, others: Callable[[], Calls]) -> None:
        self.held = False
        self._lost: BaseException | None = None  # the error that ended a transaction of several calls
        self._others = others
        self._connection = sqlite3.connect(database, timeout=LOCK_SECONDS, isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        wait_less(self._connection)

    def hold(self) -> None:
        """Let further calls share one transaction, which begins with the first that writes."""
        self.held = True

    def keep(self) -> None:
        """End the transaction."""
        self.held = False
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost
        self._commit()

    def create_run(self, experiment_id: str, start_time: int, tags: Mapping[str, str]) -> str:
        """Create a run and return its id: the key of its journal, so that a repeated call returns the same run.

        If the user has deleted that run, another one is created.
        """
        with self._transaction():
            query = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
            found = self._one(query, experiment_id)
            if found is None:
                raise TrackingError(f"experiment {experiment_id} is deleted")
            if _is_folder(found[0]):
                key = tags.get(entities.KEY_TAG, "")
                known = self._one("SELECT lifecycle_stage FROM runs WHERE run_uuid = ?", key)
                if known == ("active",):
                    return key
                run_id = key if key and known is None else uuid.uuid4().hex
                place = f"{found[0].rstrip('/')}/{run_id}/artifacts"
                self._insert_run(run_id, experiment_id, start_time, place, tags)
                return run_id
        return self._elsewhere().create_run(experiment_id, start_time, tags)

    def _insert_run(
        self, run_id: str, experiment_id: str, start_time: int, place: str, tags: Mapping[str, str]
    ) -> None:
        self._connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, "
            "start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
            "VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)",
            (run_id, tags[entities.RUN_NAME], tags.get(entities.USER, "unknown"), start_time, place, experiment_id),
        )
        self._many(_SET_TAG, ((key, value, run_id) for key, value in tags.items()))

    def experiment(self, name: str) -> tuple[str, bool] | None:
        """Return the id of an experiment, and whether it is active."""
        found = self._connection.execute("SELECT * FROM experiments WHERE name = ?", (name,))
        columns = [column[0] for column in found.description]
        known = [dict(zip(columns, row, strict=True)) for row in found]
        if not known:
            return None
        if len(known) > 1 or known[0].get("workspace", WORKSPACE) != WORKSPACE:
            return self._elsewhere().experiment(name)
        return str(known[0]["experiment_id"]), known[0]["lifecycle_stage"] == "active"

    def make_experiment(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        """Create an experiment and return its id."""
        return self._elsewhere().make_experiment(name, location, tags)

    def delete_run(self, run_id: str) -> None:
        """End a run and move it to the store's trash."""
        self._elsewhere().delete_run(run_id)

    def runs_with(self, experiment_id: str, key: str, value: str) -> list[str]:
        """Return the ids of an experiment's runs that have a tag."""
        query = (
            "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE experiment_id = ? "
            "AND lifecycle_stage = 'active' AND \"key\" = ? AND value = ? ORDER BY start_time, run_uuid"
        )
        return [row[0] for row in self._connection.execute(query, (experiment_id, key, value))]

    def tag(self, run_id: str, key: str) -> str | None:
        """Return a tag of a run, or None."""
        found = self._one('SELECT value FROM tags WHERE run_uuid = ? AND "key" = ?', run_id, key)
        return None if found is None else str(found[0])

    def reopen_run(self, run_id: str) -> None:
        """Set the status of a run to RUNNING again."""
        with self._transaction():
            self._active(run_id)
            self._connection.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (run_id,))

    def log_batch(self, run_id: str, batch: entities.LogBatch) -> None:
        """Add params, metrics and tags to a run."""
        with self._transaction():
            self._active(run_id)
            self._add_params(run_id, batch.params)
            rows = [_metric_row(run_id, *metric) for metric in batch.metrics]
            self._many(_ADD_METRIC, rows)
            self._many(_SET_LATEST, _latest(rows))
            self._many(_SET_TAG, ((key, value, run_id) for key, value in batch.tags.items()))
            if entities.RUN_NAME in batch.tags:
                self._connection.execute(
                    "UPDATE runs SET name = ? WHERE run_uuid = ?", (batch.tags[entities.RUN_NAME], run_id)
                )

    def _add_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Add params; refuse the change of one, as MLflow does."""
        added = self._many(_ADD_PARAM, ((key, value, run_id) for key, value in params.items()))
        if added == len(params):
            return
        known = dict(self._connection.execute('SELECT "key", value FROM params WHERE run_uuid = ?', (run_id,)))
        changed = [key for key, value in params.items() if known[key] != value]
        if changed:
            raise TrackingError(f"params cannot be changed: {', '.join(changed)}")

    def log_dataset(self, run_id: str, dataset: Mapping[str, Any]) -> None:
        """Add a data set to a run; runs of an experiment with the same data set share its row."""
        fields = entities.dataset_fields(dataset)
        with self._transaction():
            experiment_id = self._active(run_id)
            query = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?"
            found = self._one(query, experiment_id, fields["name"], fields["digest"])
            source = uuid.uuid4().hex if found is None else found[0]
            if found is None:
                names = ("name", "digest", "source_type", "source", "profile")
                self._connection.execute(_ADD_DATASET, (source, experiment_id, *(fields[name] for name in names)))
            edge = uuid.uuid4().hex
            query = "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) "
            query += "VALUES (?, 'DATASET', ?, 'RUN', ?) ON CONFLICT DO NOTHING"
            if self._connection.execute(query, (edge, source, run_id)).rowcount:
                tags = ((edge, key, value) for key, value in entities.DATASET_CONTEXT.items())
                self._many("INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)", tags)

    def log_artifact(self, run_id: str, path: Path, to: str) -> None:
        """Copy a file or the content of a folder."""
        (place,) = self._one("SELECT artifact_uri FROM runs WHERE run_uuid = ?", run_id) or ("",)
        if not _is_folder(place):
            self._elsewhere().log_artifact(run_id, path, to)
            return
        folder = _folder(place) / to
        if path.is_dir():
            shutil.copytree(path, folder, dirs_exist_ok=True)
        elif path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder)
        else:
            raise FileNotFoundError(f"{path} does not exist")

    def log_model(self, experiment_id: str, run_id: str, folder: Path, example: Path | None) -> None:
        """Log a saved predictor as the run's model.

        The model's id follows from the run's, so that a repeated call writes the same files again.
        """
        query = "SELECT status FROM logged_models WHERE source_run_id = ? AND lifecycle_stage = 'active'"
        begun = self._connection.execute(query, (run_id,)).fetchall()
        if (_READY,) in begun:
            return
        (place,) = self._one("SELECT artifact_location FROM experiments WHERE experiment_id = ?", experiment_id) or (
            "",
        )
        model = model_files.ModelFiles.read(folder, example)
        if begun or model is None or not _is_folder(place):
            self._elsewhere().log_model(experiment_id, run_id, folder, example)
            return
        with self._transaction():
            self._active(run_id)  # before files are written
        model_id = f"m-{run_id}"
        location = f"{place.rstrip('/')}/models/{model_id}/artifacts"
        model.write(_folder(location), model_id, run_id, location)
        now = entities.milliseconds(time.time())
        with self._transaction():
            self._active(run_id)
            self._connection.execute(_ADD_MODEL, (model_id, experiment_id, location, now, now, _READY, run_id))
            self._connection.execute(_ADD_MODEL_PARAMS, (model_id, experiment_id, run_id))
            self._connection.execute(_ADD_OUTPUT, (uuid.uuid4().hex, run_id, model_id))

    def end_run(self, run_id: str, status: str, end_time: int) -> None:
        """Set the final status of a run."""
        with self._transaction():
            self._active(run_id)
            query = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
            self._connection.execute(query, (status, end_time, run_id))

    def close(self) -> None:
        """Move the write-ahead log to the database, so that a copy of that file alone is complete; then close it."""
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {CLOSING_MILLISECONDS}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Let the statements of the context take effect as a whole or not at all, with those of other calls if held."""
        if self._lost is not None:
            raise self._lost
        shared = self._connection.in_transaction
        if not shared:
            self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("SAVEPOINT call")
        try:
            yield
            self._connection.execute("RELEASE call")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO call")
                self._connection.execute("RELEASE call")
            elif shared:  # some errors end the whole transaction, such as a full disk
                self._lost = error
            raise
        finally:
            if not self.held:
                self._commit()

    def _commit(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _elsewhere(self) -> Calls:
        """Return the other calls, which would wait for the end of a transaction; end it."""
        if self._lost is not None:
            raise self._lost
        self._commit()
        return self._others()

    def _active(self, run_id: str) -> int:
        """Return a run's experiment; refuse a run that was deleted, as MLflow does."""
        query = "SELECT experiment_id FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
        found = self._one(query, run_id)
        if found is None:
            raise TrackingError(f"run {run_id} is deleted")
        return int(found[0])

    def _one(self, query: str, *values: Any) -> Row | None:
        found: Row | None = self._connection.execute(query, values).fetchone()
        return found

    def _many(self, query: str, rows: Iterable[Row]) -> int:
        """Execute a statement for each row; return the number of rows that were written."""
        return self._connection.executemany(query, rows).rowcount


def wait_less(connection: sqlite3.Connection) -> None:
    """Sync a write-ahead log at checkpoints only.

    Nothing is lost if the process is killed, and the database is not damaged by a power failure.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        connection.execute("PRAGMA synchronous=NORMAL")


def _is_folder(place: str) -> bool:
    """Return whether a place for artifacts is a local folder."""
    return place.startswith("file:///") and not {"?", "#"} & set(place)


def _folder(place: str) -> Path:
    return Path(url2pathname(urlsplit(place).path))


def _metric_row(run_id: str, key: str, value: float, time: int, step: int) -> Row:
    """Return a row of the table of metrics, in which NaN is 0 with a mark."""
    return (key, 0.0, time, step, 1, run_id) if math.isnan(value) else (key, value, time, step, 0, run_id)


def _latest(rows: Iterable[Row]) -> Iterable[Row]:
    """Return the last row of each metric, by step, time and value."""
    last: dict[str, Row] = {}
    for row in rows:
        if row[0] not in last or _order(row) > _order(last[row[0]]):
            last[row[0]] = row
    return last.values()


def _order(row: Row) -> Row:
    _, value, time, step, *_ = row
    return step, time, value
