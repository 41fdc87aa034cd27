"""A run's files by its MLflow run id: its own folder if it still exists, otherwise a download from MLflow."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import InputError
from framework.runs.cursor import RUN_ID, Cursor
from framework.tracking.store import mlflow_address, resolve_uri, sqlite_file, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NEEDED = ("config.yaml", "journal.jsonl")
_copies: dict[tuple[str, str], tempfile.TemporaryDirectory[str]] = {}


def fetched(run_id: str, uri: str | None = None) -> Path:
    """Return a folder with a run's ``config.yaml``, ``journal.jsonl`` and, if MLflow has it, ``model``.

    A run is downloaded once per process, to a temporary folder that is deleted when the process ends.

    Args:
        run_id: MLflow's run id.
        uri: the store's address, as for `framework.tracking.store.resolve_uri`.

    Raises:
        InputError: there is no such run in the store, or it was not recorded by this framework.
    """
    address = resolve_uri(uri)
    if (address, run_id) in _copies:
        return Path(_copies[address, run_id].name)
    client, run = _found(run_id, address)
    return folder_of(run) or _copy(client, run, address)


def own_folder(run_id: str, uri: str | None = None) -> Path:
    """Return the folder in which a run was recorded.

    Args:
        run_id: MLflow's run id.
        uri: the store's address, as for `framework.tracking.store.resolve_uri`.

    Raises:
        InputError: there is no such run in the store, or its folder is not on this machine any more.
    """
    _, run = _found(run_id, resolve_uri(uri))
    folder = folder_of(run)
    if folder is None:
        raise InputError(f"{run_id}: its folder {run.data.tags.get('folder', '')} is not here: name the folder itself")
    return folder


def sweep_folder(run_id: str, report: str, uri: str | None = None) -> tuple[Path, bool]:
    """Return the folder of a sweep and True, or a folder with a copy of its report and False if it is not here.

    The copy is deleted when this process ends.

    Args:
        run_id: MLflow's id of the sweep's run.
        report: name of the report's folder in the sweep's folder and among the artifacts.
        uri: the store's address, as for `framework.tracking.store.resolve_uri`.

    Raises:
        InputError: there is no such run in the store, or it has no report.
    """
    address = resolve_uri(uri)
    client, run = _found(run_id, address)
    folder = folder_of(run)
    if folder is not None:
        return folder, True
    if not client.list_artifacts(run_id, report):
        raise InputError(f"{run_id}: its folder is not here, and its artifacts hold no {report}")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    copy = _copies[address, run_id] = tempfile.TemporaryDirectory(prefix="framework-run-")
    client.download_artifacts(run_id, report, copy.name)
    return Path(copy.name), False


def _found(run_id: str, address: str) -> tuple[MlflowClient, Run]:
    """Return a client of the store and the run.

    Raises:
        InputError: there is no such run.
    """
    where = without_password(address)
    database = sqlite_file(address)
    if not RUN_ID.fullmatch(run_id) or (database is not None and not database.is_file()):
        raise InputError(f"{run_id}: there is no such folder, and no run with that id in {where}")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(mlflow_address(address))  # set_tracking_uri would redirect this process's later runs
    try:
        return client, client.get_run(run_id)
    except MlflowException as error:
        raise InputError(f"{run_id}: there is no such run in {where} ({str(error).splitlines()[0]})") from None


def folder_of(run: Run) -> Path | None:
    """Return the folder in which a run of MLflow was recorded, or None if it is not here any more."""
    folder = Path(run.data.tags.get("folder", ""))
    if not folder.is_absolute() or not folder.is_dir():
        return None
    cursor = Cursor.load(folder)
    return folder if cursor is not None and cursor.run_id == run.info.run_id else None


def _copy(client: MlflowClient, run: Run, address: str) -> Path:
    run_id = run.info.run_id
    present = {file.path for file in client.list_artifacts(run_id)}
    missing = [name for name in NEEDED if name not in present]
    if missing:
        raise InputError(
            f"{run_id}: this run's artifacts lack {' and '.join(missing)}; it is not a finished run of this framework"
        )
    copy = tempfile.TemporaryDirectory(prefix="framework-run-")
    folder = Path(copy.name)
    for name in NEEDED:
        client.download_artifacts(run_id, name, str(folder))
    _copy_model(client, run, folder, address)
    _copies[address, run_id] = copy
    return folder


def _copy_model(client: MlflowClient, run: Run, folder: Path, address: str) -> None:
    """Download the model's own files, if the run has a logged model; runs of a sweep have none in MLflow."""
    logged = run.outputs.model_outputs if run.outputs else []
    if not logged:
        return
    from mlflow.artifacts import download_artifacts

    whole = folder / "logged"
    whole.mkdir()
    location = client.get_logged_model(logged[-1].model_id).artifact_location
    download_artifacts(artifact_uri=location, dst_path=str(whole), tracking_uri=mlflow_address(address))
    weights = next(whole.rglob("weights.npz"), None)
    if weights is not None:
        weights.parent.rename(folder / "model")
