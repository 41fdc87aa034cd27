"""Deliver one journal to one MLflow run, resuming where an earlier delivery stopped. For the writer process only."""

from __future__ import annotations

import posixpath
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from framework.errors import TrackingError
from framework.runs.cursor import Cursor
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import Entry, Tail, sweep_of
from framework.system.files import inside
from framework.tracking import entities
from framework.tracking.store import Store, resolve_experiment, without_password

_TEMPORARY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "CANCELLED")


class UnreachableError(TrackingError):
    """The store does not answer: try again later. Any other `TrackingError` concerns one run or one entry."""


class Delivery:
    """The delivery of one journal to one MLflow run.

    Progress is saved in the `Cursor` beside the journal, so that any process can resume and no journal becomes two
    runs. Entries that were sent but not saved before a kill are sent again, and the store treats them as the same.

    Args:
        folder: the journal's folder.
        uri: the store's address.

    Attributes:
        folder: the journal's folder.
        cursor: how much of the journal the store has.
        problems: one line per refusal of the store.
        alone: True to create the run even if its parent's run does not exist.
        unsaved: whether the store will have more than the saved cursor says; `save` must wait until calls are kept.
        told: called with the number of entries left, before each one that needs calls of its own.
    """

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder = folder
        self.cursor = Cursor(without_password(uri))
        self.problems: list[str] = []
        self.alone = False
        self.unsaved = False
        self.told: Callable[[int], object] = lambda _: None
        self._tail = Tail(folder)
        self._pending: list[Entry] = []
        self._claimed = False
        self._batched = 0  # offset up to which params, metrics and tags are in the store; ahead after a failed action
        self._check = False  # an earlier process began this delivery: check whether its run exists
        self._elsewhere: Cursor | None = None  # of a delivery to another address, which may lead to the same store
        self._search = False  # a run may have been created although no answer arrived
        self._uncertain = False  # a second run may have been created

    def claim(self) -> bool:
        """Lock this journal for delivery; return False if another process holds it, or if there is no journal yet."""
        if self._claimed:
            return True
        if not self._tail.claim():
            return False
        saved = Cursor.load(self.folder)
        if saved is None:
            self.cursor.save(self.folder)
        elif saved.is_for(self.cursor.tracking_uri):
            self.cursor, self._check = saved, True
        else:
            self._elsewhere = saved
        self._tail.offset = self.cursor.delivered
        self._claimed = True
        return True

    def poll(self) -> bool:
        """Read new entries of the journal; return whether any entry waits to be sent."""
        self._pending += self._tail.read()
        return bool(self._pending)

    @property
    def ending(self) -> bool:
        """Whether the run's end entry waits to be sent."""
        return bool(self._pending) and self._pending[-1].kind == "end"

    @property
    def parent(self) -> Path | None:
        """Folder of the sweep's journal; None if there is none, or if the start entry is sent."""
        return sweep_of(self.folder, self._pending[0]) if self._pending else None

    @property
    def progress(self) -> tuple[object, ...]:
        """What the store has of the journal; it changes with each successful step."""
        cursor = self.cursor
        return cursor.run_id, self._check, self._batched, cursor.delivered, cursor.acted, cursor.ended

    def send(self, store: Store) -> bool:
        """Send the waiting entries; return False if the run must wait until its parent's run exists.

        Raises:
            UnreachableError: the store does not answer; nothing is lost, and the call can be repeated.
            TrackingError: this run cannot be delivered.
        """
        if self._elsewhere is not None:
            self._check_address(store, self._elsewhere)
        if self._check:
            self._check_run(store)
        if self.cursor.run_id is None and not self._create(store):
            return False
        if self.cursor.ended and self._pending:
            self._attempt("status", partial(store.calls.reopen_run, self._run_id))
            self.cursor.ended = False
        try:
            self._send_pending(store)
        finally:
            self._progressed(store)
        return True

    def save(self) -> None:
        """Save how much the store has.

        Raises:
            OSError: the file cannot be written.
        """
        self.unsaved = False
        self.cursor.save(self.folder)

    def _progressed(self, store: Store) -> None:
        self.unsaved = True
        if not store.calls.held:
            self.save()

    def give_up(self, store: Store) -> None:
        """Set the run's status to KILLED if its journal has no end, because its training process is gone."""
        if self.cursor.run_id is not None and not self.cursor.ended:
            self._end(store, "KILLED", (self.folder / JOURNAL).stat().st_mtime)
            self._progressed(store)

    def close(self) -> None:
        """Release the journal, so that other processes can deliver it."""
        self._tail.close()
        self._claimed = False

    @property
    def _run_id(self) -> str:
        if self.cursor.run_id is None:
            raise RuntimeError("the run has not been created yet")
        return self.cursor.run_id

    def _check_run(self, store: Store) -> None:
        """Start from the beginning if the run of an earlier delivery is gone, for example with a deleted database."""
        if self.cursor.run_id is None:
            self._search = True
        elif not self._is_there(store, self.cursor):
            self.cursor = Cursor(self.cursor.tracking_uri)
            self._tail.offset, self._pending, self._batched = 0, [], 0
            self.poll()
        self._check = False

    def _check_address(self, store: Store, before: Cursor) -> None:
        """Continue the delivery to another address if the run is in this store, for example in a moved database."""
        if self._is_there(store, before):
            self.cursor = replace(before, tracking_uri=self.cursor.tracking_uri)
            self._pending = [entry for entry in self._pending if entry.end > before.delivered]
        self._elsewhere = None

    def _is_there(self, store: Store, cursor: Cursor) -> bool:
        """Return whether the store has a cursor's run. A run without its key was made for another journal."""
        try:
            with asking():
                key = None if cursor.run_id is None else store.calls.tag(cursor.run_id, entities.KEY_TAG)
        except UnreachableError:
            raise
        except TrackingError:
            return False
        return key == cursor.key

    def _create(self, store: Store) -> bool:
        if not self._pending or self._pending[0].kind != "start":
            raise TrackingError("its journal does not begin with a start entry")
        start = self._pending[0]
        tags = entities.run_tags(start) | {entities.KEY_TAG: self.cursor.key}
        parent = sweep_of(self.folder, start)
        if parent is not None:
            parent_id = self._run_of(parent)
            if parent_id is not None:
                tags["mlflow.parentRunId"] = parent_id
            elif self.alone:
                self.problems.append(
                    f"{self.folder}: its sweep {parent} is not in MLflow, so it has no parent run there"
                )
            else:
                return False
        self.cursor.experiment = resolve_experiment(start.content.get("experiment"))
        with asking(everybody=True):
            self.cursor.experiment_id = store.experiment(self.cursor.experiment)
        with asking():
            self.cursor.run_id = self._made_before(store) or self._make(store, start, tags)
        self._progressed(store)
        return True

    def _make(self, store: Store, start: Entry, tags: dict[str, str]) -> str:
        self._search = True  # without an answer, the run may or may not exist
        when = entities.milliseconds(start.time)
        return store.calls.create_run(self.cursor.experiment_id, when, tags)

    def _made_before(self, store: Store) -> str | None:
        """Return the run that an earlier call created without an answer, or None."""
        if not self._search:
            return None
        self._uncertain = True
        runs = self._runs_of_key(store)
        return runs[0] if runs else None

    def _remove_doubles(self, store: Store) -> None:
        """Delete runs that a creation without an answer made later than another was found or created."""
        for run in self._runs_of_key(store):
            if run != self._run_id:
                store.calls.delete_run(run)
        self._uncertain = False

    def _runs_of_key(self, store: Store) -> list[str]:
        return store.calls.runs_with(self.cursor.experiment_id, entities.KEY_TAG, self.cursor.key)

    def _run_of(self, folder: Path) -> str | None:
        cursor = Cursor.load(folder)
        return cursor.run_id if cursor is not None and cursor.is_for(self.cursor.tracking_uri) else None

    def _send_pending(self, store: Store) -> None:
        """Send the waiting entries: params, metrics and tags in one batch, then the rest in order."""
        batch, actions = entities.LogBatch(), []
        for entry in self._pending:
            if entry.kind in entities.BATCHED and entry.end > self._batched:
                batch.add(entry)
            if (entry.kind == "start" or entry.kind not in entities.BATCHED) and entry.end > self.cursor.acted:
                actions.append(entry)
        self.told(len(actions) + batch.filled)
        if batch.filled:
            self._send_batch(store, batch)
        if self._pending:
            self._batched = self._pending[-1].end
        for place, entry in enumerate(actions):
            self.told(len(actions) - place)
            self._act(store, entry)
            self.cursor.acted = entry.end
        if self._pending:
            self.cursor.delivered = self._pending[-1].end
            self._pending = []

    def _send_batch(self, store: Store, batch: entities.LogBatch) -> None:
        try:
            with asking():
                store.calls.log_batch(self._run_id, batch)
        except UnreachableError:
            raise
        except TrackingError:
            for kind, part in batch.parts().items():
                if part.filled:
                    self._attempt(kind, partial(store.calls.log_batch, self._run_id, part))

    def _act(self, store: Store, entry: Entry) -> None:
        content = entry.content
        if entry.kind == "start":
            if content.get("dataset"):
                self._attempt("data set", partial(store.calls.log_dataset, self._run_id, content["dataset"]))
        elif entry.kind == "artifact":
            self._attempt(f"artifact {content['path']}", partial(self._log_artifact, store, entry))
        elif entry.kind == "model":
            self._attempt("model", partial(self._log_model, store, entry))
        else:
            self._end(store, content["status"], entry.time)

    def _log_artifact(self, store: Store, entry: Entry) -> None:
        path, to = inside(self.folder, entry.content["path"]), entry.content["to"] or ""
        if to and (posixpath.normpath(to) != to or to.startswith(("/", ".."))):
            raise ValueError(f"{to} is no folder of the run's artifacts")
        store.calls.log_artifact(self._run_id, path, to)

    def _log_model(self, store: Store, entry: Entry) -> None:
        example = entry.content["input_example"]
        path, sample = inside(self.folder, entry.content["path"]), inside(self.folder, example) if example else None
        store.calls.log_model(self.cursor.experiment_id, self._run_id, path, sample)

    def _end(self, store: Store, status: str, when: float) -> None:
        if self._uncertain:
            self._attempt("doubled run", partial(self._remove_doubles, store))
        end_time = entities.milliseconds(when)
        self._attempt("status", partial(store.calls.end_run, self._run_id, status, end_time))
        self.cursor.ended = True

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """Call ``action``; add a refusal to ``problems``, so that one bad entry does not block the others."""
        try:
            with asking():
                action()
        except UnreachableError as error:
            if not self._is_about_own_file(error.__cause__):
                raise
            self.problems.append(f"{self.folder}: its {what} cannot be read: {error}")
        except TrackingError as refusal:
            self.problems.append(f"{self.folder}: MLflow refused its {what}: {refusal}")

    def _is_about_own_file(self, error: BaseException | None) -> bool:
        """Return whether the system refused a file of the run; that is no outage of the store."""
        name = error.filename if isinstance(error, OSError) else None
        return isinstance(name, str) and Path(name).is_relative_to(self.folder.resolve())


@contextmanager
def asking(*, everybody: bool = False) -> Iterator[None]:
    """Convert errors to `UnreachableError` if the store does not answer, and to `TrackingError` if it refuses.

    Args:
        everybody: treat a refusal as an outage, because it would affect every run.

    Raises:
        UnreachableError: the store does not answer.
        TrackingError: the store refuses.
    """
    try:
        yield
    except UnreachableError:
        raise
    except Exception as error:
        code = getattr(error, "error_code", None)
        silent = code in _TEMPORARY if code else _is_about_system(error)
        if everybody or silent:
            raise UnreachableError(reason(_root(error) if silent else error)) from error
        raise TrackingError(reason(error)) from error


def _is_about_system(error: Exception) -> bool:
    """Return whether the system or a database is the cause, such as a full disk or a lock, and not what is sent."""
    return isinstance(error, OSError | sqlite3.OperationalError) and not isinstance(error, FileNotFoundError)


def _root(error: BaseException) -> BaseException:
    """Return the first error of a chain: "connection refused" is clearer than the errors of the libraries above."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, at most 200 characters; its type's name if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return entities.cut(without_password(lines[0]), 200)
