"""The calls by which runs arrive in a store, and these calls through MLflow's client, which every store understands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.tracking import entities

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Calls(ABC):
    """The calls that each run needs. Each takes effect as a whole or not at all, and can be repeated.

    Attributes:
        held: whether calls take effect only at `keep`.
    """

    held: bool

    @abstractmethod
    def hold(self) -> None:
        """Let further calls take effect together at `keep`, if the store can do this; other processes must wait then.

        What a call returns is valid from then on.
        """

    @abstractmethod
    def keep(self) -> None:
        """Let the calls since `hold` take effect.

        Raises:
            Exception: an error of the store; none of these calls has taken effect.
        """

    @abstractmethod
    def create_run(self, experiment_id: str, start_time: int, tags: Mapping[str, str]) -> str:
        """Create a run with the status RUNNING and return its id.

        Args:
            experiment_id: its experiment.
            start_time: Unix time in milliseconds.
            tags: its tags; ``mlflow.runName`` is its name. A run of the same `entities.KEY_TAG` may be returned.
        """

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Move a run that was created twice to the store's trash."""

    @abstractmethod
    def experiment(self, name: str) -> tuple[str, bool] | None:
        """Return the id of an experiment, and whether it is active and not in the store's trash; None if none."""

    @abstractmethod
    def make_experiment(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        """Create an experiment and return its id.

        Args:
            name: its name.
            location: address of the folder for the artifacts of its runs; None leaves it to the store.
            tags: its tags.
        """

    @abstractmethod
    def runs_with(self, experiment_id: str, key: str, value: str) -> list[str]:
        """Return the ids of an experiment's runs that have a tag, the oldest first; deleted runs are left out."""

    @abstractmethod
    def tag(self, run_id: str, key: str) -> str | None:
        """Return a tag of a run, which may be deleted, or None; a missing run is an error or None."""

    @abstractmethod
    def reopen_run(self, run_id: str) -> None:
        """Set the status of a run to RUNNING again."""

    @abstractmethod
    def log_batch(self, run_id: str, batch: entities.LogBatch) -> None:
        """Add params, metrics and tags to a run; points that it has already are ignored."""

    @abstractmethod
    def log_dataset(self, run_id: str, dataset: Mapping[str, Any]) -> None:
        """Add the data set of a journal's ``start`` entry to a run, as the one that it trains on."""

    @abstractmethod
    def log_artifact(self, run_id: str, path: Path, to: str) -> None:
        """Copy a file, or the content of a folder, to a folder of the run's artifacts, "" for the top.

        Raises:
            FileNotFoundError: ``path`` does not exist.
        """

    @abstractmethod
    def log_model(self, experiment_id: str, run_id: str, folder: Path, example: Path | None) -> None:
        """Log a saved predictor as the run's model; arguments as for `entities.log_model`."""

    @abstractmethod
    def end_run(self, run_id: str, status: str, end_time: int) -> None:
        """Set the final status of a run and the time of its end, in milliseconds."""

    @abstractmethod
    def close(self) -> None:
        """Release what the calls hold; further calls are errors."""


class ClientCalls(Calls):
    """The calls through MLflow's client.

    Args:
        client: MLflow's client.
    """

    held = False

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def hold(self) -> None:
        """Do nothing: each call takes effect at once."""

    def keep(self) -> None:
        """Do nothing: each call took effect at once."""

    def create_run(self, experiment_id: str, start_time: int, tags: Mapping[str, str]) -> str:
        """Create a run and return its id."""
        name = tags[entities.RUN_NAME]
        run = self._client.create_run(experiment_id, start_time=start_time, tags=dict(tags), run_name=name)
        return str(run.info.run_id)

    def delete_run(self, run_id: str) -> None:
        """End a run and move it to the store's trash."""
        self._client.set_terminated(run_id, "KILLED")
        self._client.delete_run(run_id)

    def make_experiment(self, name: str, location: str | None, tags: Mapping[str, str]) -> str:
        """Create an experiment and return its id."""
        return str(self._client.create_experiment(name, artifact_location=location, tags=dict(tags)))

    def experiment(self, name: str) -> tuple[str, bool] | None:
        """Return the id of an experiment, and whether it is active."""
        found = self._client.get_experiment_by_name(name)
        return None if found is None else (str(found.experiment_id), found.lifecycle_stage == "active")

    def runs_with(self, experiment_id: str, key: str, value: str) -> list[str]:
        """Return the ids of an experiment's runs that have a tag."""
        query, order = f"tags.{key} = '{value}'", ["attributes.start_time"]
        return [run.info.run_id for run in self._client.search_runs([experiment_id], query, order_by=order)]

    def tag(self, run_id: str, key: str) -> str | None:
        """Return a tag of a run, or None."""
        value: str | None = self._client.get_run(run_id).data.tags.get(key)
        return value

    def reopen_run(self, run_id: str) -> None:
        """Set the status of a run to RUNNING again."""
        self._client.update_run(run_id, status="RUNNING")

    def log_batch(self, run_id: str, batch: entities.LogBatch) -> None:
        """Send a batch; the client makes as few calls as MLflow's limits (1,000 values, 100 params) allow."""
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run_id,
            metrics=[Metric(*metric) for metric in batch.metrics],
            params=[Param(key, value) for key, value in batch.params.items()],
            tags=[RunTag(key, value) for key, value in batch.tags.items()],
            synchronous=True,
        )

    def log_dataset(self, run_id: str, dataset: Mapping[str, Any]) -> None:
        """Add a data set to a run; its samples are not loaded."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        entity = Dataset(**entities.dataset_fields(dataset))
        context = [InputTag(key, value) for key, value in entities.DATASET_CONTEXT.items()]
        self._client.log_inputs(run_id, [DatasetInput(entity, context)])

    def log_artifact(self, run_id: str, path: Path, to: str) -> None:
        """Copy a file or the content of a folder."""
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), to or None)
        elif path.is_file():
            self._client.log_artifact(run_id, str(path), to or None)
        else:
            raise FileNotFoundError(f"{path} does not exist")

    def log_model(self, experiment_id: str, run_id: str, folder: Path, example: Path | None) -> None:
        """Log a saved predictor as the run's model."""
        entities.log_model(self._client, experiment_id, run_id, folder, example)

    def end_run(self, run_id: str, status: str, end_time: int) -> None:
        """Set the final status of a run."""
        self._client.set_terminated(run_id, status, end_time)

    def close(self) -> None:
        """Do nothing: the client ends with the process."""
