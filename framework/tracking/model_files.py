"""The files of a logged model, written as MLflow's `pyfunc.save_model` writes them, but without the import of MLflow.

The import takes longer than a short run. A test compares the files with MLflow's.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import framework
from framework.tracking.entities import output_dtype
from framework.training.predictor import Description

SERVING = Path(__file__).with_name("serving.py")
EXAMPLE, SERVED_EXAMPLE = "input_example.json", "serving_input_example.json"
CONDA, PYTHON, REQUIREMENTS = "conda.yaml", "python_env.yaml", "requirements.txt"


@dataclass(frozen=True)
class ModelFiles:
    """A saved predictor that is to become a model of MLflow.

    Attributes:
        folder: a folder written by `Predictor.save`.
        description: its description.
        inputs: a few inputs ``(N, *shape)`` in the data set's own units, or None.
    """

    folder: Path
    description: Description
    inputs: np.ndarray | None

    @classmethod
    def read(cls, folder: Path, example: Path | None) -> ModelFiles | None:
        """Return the model in a folder; None if it must be written by MLflow.

        These are models with plugins, whose requirements MLflow merges, examples with missing values, and models of
        version 0.1, which lack the shape of their outputs.

        Raises:
            InputError: the model is damaged.
            OSError: the example cannot be read.
        """
        description = Description.read(folder)
        inputs = None if example is None else np.load(example, allow_pickle=False)
        if description.plugins or description.output_shape is None or (inputs is not None and np.isnan(inputs).any()):
            return None
        return cls(folder, description, inputs)

    def write(self, to: Path, model_id: str, run_id: str, location: str) -> None:
        """Write the model's files; files of an earlier attempt are replaced.

        Args:
            to: the folder.
            model_id: MLflow's id of the model.
            run_id: MLflow's id of its run.
            location: the address of the folder.
        """
        shutil.copytree(self.folder, to / "artifacts" / "model", dirs_exist_ok=True)
        shutil.copy(SERVING, to)
        example = {} if self.inputs is None else {"saved_input_example_info": self._write_example(to, self.inputs)}
        written = {
            "artifact_path": location,
            "flavors": {"python_function": self._flavor()},
            "is_signature_from_type_hint": False,
            "mlflow_version": importlib.metadata.version("mlflow"),
            "model_id": model_id,
            "model_size_bytes": sum(path.stat().st_size for path in to.rglob("*") if path.is_file()),
            "model_uuid": model_id,
            "prompts": None,
            "run_id": run_id,
            **example,
            "signature": self._signature(),
            "type_hint_from_example": False,
            "utc_time_created": str(datetime.datetime.now(datetime.UTC).replace(tzinfo=None)),
        }
        _write_environment(to)
        _write_yaml(to / "MLmodel", written)

    def _flavor(self) -> dict[str, Any]:
        return {
            "artifacts": {"model": {"path": "artifacts/model", "uri": self.folder.absolute().as_uri()}},
            "cloudpickle_version": importlib.metadata.version("cloudpickle"),
            "code": None,
            "env": {"conda": CONDA, "virtualenv": PYTHON},
            "loader_module": "mlflow.pyfunc.loaders.code_model",
            "model_code_path": str(SERVING),
            "python_version": platform.python_version(),
            "streamable": False,
        }

    def _signature(self) -> dict[str, str | None]:
        """Return the signature that `entities.log_model` logs, as JSON."""
        columns = [{"type": "any", "name": name, "required": False} for name in self.description.columns]
        shape = [-1, *(self.description.output_shape or ())]
        tensor = {"dtype": output_dtype(self.description).name, "shape": shape}
        parameter = {"name": "output", "default": "scores", "shape": None, "type": "string"}
        return {
            "inputs": json.dumps(columns) if columns else None,
            "outputs": json.dumps([{"type": "tensor", "tensor-spec": tensor}]),
            "params": json.dumps([parameter]),
        }

    def _write_example(self, to: Path, inputs: np.ndarray) -> dict[str, str]:
        """Write the example, a table if the inputs have names; return its description."""
        content: Any = inputs.tolist()
        table = {"pandas_orient": "split"} if self.description.columns else {}
        if table:
            content = {"columns": self.description.columns, "data": content}
        (to / EXAMPLE).write_text(json.dumps(content))
        served = {"dataframe_split" if table else "inputs": content}
        (to / SERVED_EXAMPLE).write_text(json.dumps(served, indent=2))
        kind = {"type": "dataframe" if table else "ndarray"}
        return {"artifact_path": EXAMPLE, **table, "serving_input_path": SERVED_EXAMPLE, **kind}


def _write_environment(to: Path) -> None:
    """Write what a model needs, for pip, conda and virtualenv."""
    needed = [f"mlflow=={importlib.metadata.version('mlflow')}", "numpy"]
    needed.append(f"{framework.DISTRIBUTION}=={framework.__version__}")
    (to / REQUIREMENTS).write_text("\n".join(needed))
    python = platform.python_version()
    conda = [f"python={python}", _installed("pip", "<="), {"pip": needed}]
    _write_yaml(to / CONDA, {"channels": ["conda-forge"], "dependencies": conda, "name": "mlflow-env"})
    build = [_installed(name, "==") for name in ("pip", "setuptools", "wheel")]
    environment = {"python": python, "build_dependencies": build, "dependencies": [f"-r {REQUIREMENTS}"]}
    _write_yaml(to / PYTHON, environment)


def _installed(name: str, relation: str) -> str:
    """Return a requirement of the installed version of a distribution, or of any version if it is not installed."""
    try:
        return f"{name}{relation}{importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return name


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, default_flow_style=False, sort_keys=False))
