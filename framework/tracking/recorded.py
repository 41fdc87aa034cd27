"""Finished runs of an experiment by identity: MLflow says where they are, and their journals on disk what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from framework.config.resolved import RunConfig
from framework.config.settings import Tracking
from framework.errors import InputError
from framework.runs.reuse import FinishedRun, finished_runs
from framework.tracking.delivery import asking
from framework.tracking.download import folder_of
from framework.tracking.store import mlflow_address, resolve_experiment, resolve_uri, sqlite_file

PAGE = 1000
"""Runs per request."""


def recorded_runs(tracking: Tracking, configs: Sequence[RunConfig]) -> dict[str, FinishedRun]:
    """Return the finished runs of configurations in an experiment, by identity; one without a run is left out.

    A run whose folder is gone, or whose journal is not that of a finished run of this identity on these samples, does
    not count. Of several runs, the newest counts.

    Args:
        tracking: the settings that name the store and the experiment.
        configs: checked configurations.

    Raises:
        InputError: tracking is off, so that there is no store; or the samples of a data set are missing or invalid.
        TrackingError: the store does not answer.
    """
    return finished_runs(configs, recorded_folders(tracking))


def recorded_folders(tracking: Tracking) -> dict[str, list[Path]]:
    """Return the folders of the finished runs of an experiment that are here, by identity, the newest first.

    The runs are found by their tag ``config_hash``, and their folders by their tag ``folder``. This imports mlflow.

    Args:
        tracking: the settings that name the store and the experiment.

    Raises:
        InputError: tracking is off, so that there is no store.
        TrackingError: the store does not answer.
    """
    if not tracking.enabled:
        raise InputError("reuse=true finds earlier runs in MLflow: it needs tracking.enabled=true")
    folders: dict[str, list[Path]] = {}
    for identity, folder in _finished(resolve_uri(tracking.uri), resolve_experiment(tracking.experiment)):
        folders.setdefault(identity, []).append(folder)
    return folders


def _finished(address: str, experiment: str) -> Iterator[tuple[str, Path]]:
    """Yield identity and folder of the finished runs of an experiment whose folders are here, the newest first."""
    database = sqlite_file(address)
    if database is not None and not database.is_file():
        return
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_address(address))
    with asking(everybody=True):
        known = client.get_experiment_by_name(experiment)
    token = None
    while known is not None:
        with asking(everybody=True):
            query, order = "attributes.status = 'FINISHED'", ["attributes.start_time DESC"]
            runs = client.search_runs([known.experiment_id], query, max_results=PAGE, order_by=order, page_token=token)
        for run in runs:
            identity = run.data.tags.get("config_hash")
            folder = folder_of(run) if identity else None
            if identity and folder:
                yield identity, folder
        token = runs.token
        if not token:
            return
