"""Conversion of journal entries to MLflow's entities: valid names and lengths, few calls. For the writer process."""

from __future__ import annotations

import functools
import getpass
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import framework
from framework.runs.journal import Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

    from framework.base.parameters import Shape
    from framework.training.predictor import Description

PARAM_CHARACTERS = 6000
TAG_CHARACTERS = 8000
KEY_CHARACTERS = 250
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
"""Variable with the number of times that MLflow repeats a call by itself."""
UPLOADS = 8
"""Files of a model that are uploaded at the same time."""
NOTE = "mlflow.note.content"
"""Tag that the UI shows as a run's description; its value is Markdown."""
RUN_NAME, USER = "mlflow.runName", "mlflow.user"
"""Tags that are fields of a run, too."""
KEY_TAG = "journal_key"
"""Tag with the key of a run's journal, by which a run is found that was created although no answer arrived."""
DATASET_CONTEXT = {"mlflow.data.context": "training"}
"""Tags of a run's data set: what it is used for."""


@functools.lru_cache(maxsize=1000)
def accepted_key(key: str) -> str:
    """Return ``key`` as a valid MLflow name.

    It has letters, digits, ``_ - . /`` and spaces only, no path part that is empty, ``.`` or ``..``, and at most
    `KEY_CHARACTERS` characters.
    """
    parts = re.sub(r"[^\w./ -]", "_", key).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))[:KEY_CHARACTERS] or "_"


def cut(value: Any, most: int) -> str:
    """Return ``value`` as text of at most ``most`` characters; shortened text ends with an ellipsis."""
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def milliseconds(seconds: float) -> int:
    """Return a Unix time in milliseconds, MLflow's unit."""
    return int(seconds * 1000)


def run_tags(start: Entry) -> dict[str, str]:
    """Return the tags of a new run: the user's, and those that the UI shows as name, description, user and source."""
    content = start.content
    tags = {accepted_key(key): cut(value, TAG_CHARACTERS) for key, value in (content.get("tags") or {}).items()}
    tags[RUN_NAME] = cut(content["name"], KEY_CHARACTERS)
    tags["mlflow.source.type"] = "LOCAL"
    tags["mlflow.source.name"] = tags.get("command", "framework")
    tags[USER] = _user()
    if content.get("description"):
        tags[NOTE] = cut(content["description"], TAG_CHARACTERS)
    if tags.get("git_commit"):
        tags["mlflow.source.git.commit"] = tags["git_commit"]
    return tags


BATCHED = ("start", "metrics", "tags", "description")
"""Kinds of entries that a `LogBatch` takes."""


@dataclass
class LogBatch:
    """Params, metrics and tags to be sent in one call.

    Attributes:
        params: values by name.
        tags: values by name.
        metrics: tuples (name, value, time in milliseconds, step).
    """

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)

    @property
    def filled(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.params or self.tags or self.metrics)

    def add(self, entry: Entry) -> None:
        """Add a ``start``, ``metrics``, ``tags`` or ``description`` entry.

        An infinite value is left out and sets the tag ``diverged``, because it would make the axes of charts useless.
        NaN is kept as it is.
        """
        content = entry.content
        if entry.kind == "start":
            params = (content.get("params") or {}).items()
            self.params |= {accepted_key(key): cut(value, PARAM_CHARACTERS) for key, value in params}
        elif entry.kind == "tags":
            self.tags |= {accepted_key(key): cut(value, TAG_CHARACTERS) for key, value in content["values"].items()}
        elif entry.kind == "description":
            self.tags[NOTE] = cut(content["text"], TAG_CHARACTERS)
        else:
            self._add_metrics(content, milliseconds(entry.time))

    def _add_metrics(self, content: dict[str, Any], when: int) -> None:
        values = dict(content["values"])
        if content.get("epoch") is not None:
            values.setdefault("epoch", content["epoch"])
        # MLflow's page of a run lists metrics in order of arrival: send losses and figures first.
        for key, value in sorted(values.items(), key=lambda item: "/" not in item[0] or item[0].startswith("time/")):
            if value is None:
                continue
            if math.isinf(value):
                self.tags["diverged"] = "true"
            else:
                self.metrics.append((accepted_key(key), float(value), when, int(content["step"])))

    def parts(self) -> dict[str, LogBatch]:
        """Return one batch each for params, tags and metrics, for a retry after the store refused the whole batch."""
        return {
            "params": LogBatch(params=self.params),
            "tags": LogBatch(tags=self.tags),
            "metrics": LogBatch(metrics=self.metrics),
        }


def dataset_fields(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of MLflow's `Dataset` for the data set of a ``start`` entry; its samples are not loaded."""
    source = str(dataset.get("source") or dataset["name"])
    web = source.startswith(("http://", "https://"))
    profile = {name: dataset[name] for name in ("samples", "features", "task") if dataset.get(name) is not None}
    return {
        "name": str(dataset["name"]),
        "digest": str(dataset.get("digest") or "unknown")[:36],
        "source_type": "http" if web else "local",
        "source": json.dumps({"url" if web else "uri": source}),
        "profile": json.dumps(profile),
    }


def log_model(client: MlflowClient, experiment_id: str, run_id: str, folder: Path, example: Path | None) -> None:
    """Log a saved predictor as the run's pyfunc model ``model``: code by name and arrays in .npz, no pickle.

    A call that failed can be repeated: the model that it began is completed. `mlflow.models.Model.log` would begin a
    second one, and it asks the store for the history of each metric.

    Args:
        client: MLflow's client.
        experiment_id: the run's experiment.
        run_id: MLflow's run id.
        folder: a folder written by `Predictor.save`.
        example: an .npy file of a few inputs ``(N, *shape)`` in the data set's own units, logged as input example.
            None logs no example.
    """
    from mlflow.entities import LoggedModelOutput

    begun = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    if any(model.status == "READY" for model in begun):
        return
    run = client.get_run(run_id)
    model = begun[0] if begun else client.create_logged_model(experiment_id, "model", run_id, params=run.data.params)
    linked = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in linked}:  # a second link would be refused
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    _leave_out_scan()
    with _resending(), tempfile.TemporaryDirectory(prefix="framework-model-") as name:
        _save_model(model, run_id, folder, example, Path(name) / "model")
        _upload(Path(name) / "model", model.artifact_location)
        client.finalize_logged_model(model.model_id, "READY")


def _upload(folder: Path, location: str) -> None:
    """Copy the files of a folder to a place for artifacts, several at a time: a slow server delays each one."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    places = [path.parent.relative_to(folder).as_posix() for path in files]
    with ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(repository.log_artifact, map(str, files), [None if to == "." else to for to in places]))


def _leave_out_scan() -> None:
    """Let MLflow look up our requirements by their distributions' names.

    It would read the files of all installed packages first (0.35 s), to find names of distributions from names of
    modules. The variable is not public: a version of MLflow without it scans.
    """
    from mlflow.utils import requirements_utils

    known = vars(requirements_utils)
    if known.get("_MODULES_TO_PACKAGES", {}) is None:
        known["_MODULES_TO_PACKAGES"] = {}


@contextmanager
def _resending() -> Iterator[None]:
    """Let MLflow repeat failed calls: a model has many files, each of which may be sent twice."""
    before = os.environ[RETRIES]
    os.environ[RETRIES] = "4"
    try:
        yield
    finally:
        os.environ[RETRIES] = before


def _save_model(model: LoggedModel, run_id: str, folder: Path, example: Path | None, to: Path) -> None:
    """Write the files of a logged model."""
    import mlflow

    from framework.registry import manager
    from framework.training.kept_plugins import requirements
    from framework.training.predictor import Description

    manager.install(manager.load(built_in=("plugins.layers",)))  # a saved model needs no other built-in plugins
    description = Description.read(folder)
    # MLflow predicts the example at once, which would run plugin files of a folder that is only being delivered.
    shown = example is not None and not any(plugin.file for plugin in description.plugins)
    inputs = np.load(example, allow_pickle=False) if example is not None and shown else None
    if inputs is not None and description.columns:
        import pandas

        inputs = pandas.DataFrame(inputs, columns=description.columns)
    mlflow.pyfunc.save_model(
        to,
        mlflow_model=mlflow.models.Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, model_id=model.model_id, run_id=run_id
        ),
        python_model=str(Path(__file__).with_name("serving.py")),
        artifacts={"model": folder.absolute().as_uri()},  # as a URI, because MLflow percent-decodes a plain path
        signature=_signature(description, _output_shape(folder, description)),
        input_example=inputs,
        pip_requirements=[
            "numpy",
            f"{framework.DISTRIBUTION}=={framework.__version__}",
            *requirements(description.plugins),
        ],
    )
    for cache in list(to.rglob("__pycache__")):
        shutil.rmtree(cache)


def _output_shape(folder: Path, description: Description) -> Shape:
    """Return the shape of one output.

    Models of earlier versions do not state it; they keep no plugin files, so that it is safe to predict.
    """
    if description.output_shape is not None:
        return description.output_shape
    from framework.training.predictor import Predictor

    return Predictor.load(folder).predict(np.zeros((1, *description.input_shape))).shape[1:]


def _signature(description: Description, shape: Shape) -> ModelSignature:
    """Return the signature of a logged model.

    Columns of a table are named. Their type is AnyType, because MLflow refuses integers for a float column and vice
    versa. They are not required, because MLflow's error for a plain array prints the array, while the predictor's error
    names the columns. Other inputs have no schema, because MLflow would refuse all dtypes but one.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    columns = description.columns
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name, required=False) for name in columns]) if columns else None,
        outputs=Schema([TensorSpec(output_dtype(description), (-1, *shape))]),
        params=ParamSchema([ParamSpec("output", "string", "scores")]),
    )


def output_dtype(description: Description) -> np.dtype[Any]:
    """Return the dtype of a model's outputs."""
    return np.dtype(description.dtype if description.task == "classification" else np.float64)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"
