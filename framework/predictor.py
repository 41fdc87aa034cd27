"""A trained model of one run, as it is saved and served: raw inputs in, outputs in the data set's units out."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from framework import architecture
from framework.batches import chunks
from framework.dataset import Samples, Scaling
from framework.errors import InputError
from framework.model import Model
from framework.parameters import Shape

if TYPE_CHECKING:
    from framework.population import Population

FORMAT = 1
ARRAYS = ("parameters", "buffers", "input_mean", "input_scale", "target_mean", "target_scale")


@dataclass(frozen=True)
class Description:
    """What is needed beside the numbers: plain data, stored as JSON."""

    layers: list[tuple[str, dict[str, Any]]]
    input_shape: Shape
    dtype: str
    task: str
    class_names: list[str]
    format: int = FORMAT


class Predictor:
    """A model of one run with the scaling fitted on its training split.

    Args:
        description: layers with their fields, shapes and dtype.
        arrays: ``parameters`` and ``buffers`` (flat), and the four arrays of the scalings.
    """

    def __init__(self, description: Description, arrays: dict[str, np.ndarray]) -> None:
        self.description = description
        self._arrays = arrays

    @cached_property
    def _model(self) -> Model:
        described = self.description
        layers = architecture.build([described.layers])
        model = Model(layers, tuple(described.input_shape), [0], np.dtype(described.dtype))
        for name, tensors in (("parameters", model.parameters), ("buffers", model.buffers)):
            if self._arrays[name].shape != tensors.flat[0].shape:
                raise InputError(
                    f"the saved model has {self._arrays[name].size} {name}; its layers need {tensors.size}"
                )
            tensors.flat[0] = self._arrays[name]
        return model

    @classmethod
    def of(cls, population: Population, row: int) -> Predictor:
        """Return the model in ``row`` of a population, with copies of its numbers."""
        data, model = population.data, population.model
        layers = architecture.expand(population.configs[row]["model"]["layers"], data.target_shape)
        description = Description(
            layers, data.input_shape, str(model.parameters.dtype), data.task, list(data.class_names)
        )
        arrays = {
            "parameters": model.parameters.flat[row].copy(),
            "buffers": model.buffers.flat[row].copy(),
            "input_mean": data.input_scaling.mean,
            "input_scale": data.input_scaling.scale,
            "target_mean": data.target_scaling.mean,
            "target_scale": data.target_scaling.scale,
        }
        return cls(description, arrays)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of the trained tensors by name, such as ``"2_dense/weight"``."""
        return self._model.parameters.row(0)

    def predict(self, x: Any) -> np.ndarray:
        """Return the model's outputs ``(N, *output)`` for raw inputs ``(N, *input_shape)``.

        Inputs are in the data set's own units (the fitted scaling is applied here). Classifiers give one score a class:
        the arg-max over the last axis is the class. Regressions and reconstructions are in the targets' own units.

        Raises:
            InputError: the inputs have another shape; flat rows ``(N, features)`` are taken for images too.
        """
        inputs = np.asarray(x)
        shape = tuple(self.description.input_shape)
        if inputs.ndim == 2 and inputs.shape[1] == int(np.prod(shape)):
            inputs = inputs.reshape(-1, *shape)
        if inputs.shape[1:] != shape or not np.issubdtype(inputs.dtype, np.number):
            raise InputError(f"predict takes numbers of shape (N, {', '.join(map(str, shape))}), not {inputs.shape}")
        scaled = Scaling(self._arrays["input_mean"], self._arrays["input_scale"]).apply(inputs, self.description.dtype)
        outputs = [
            self._model.forward(batch.inputs)[0].copy()
            for batch in chunks(Samples(scaled, scaled), self._model.samples_at_once)
        ]
        joined = (
            np.concatenate(outputs) if outputs else np.empty((0, *self._model.output_shape), self.description.dtype)
        )
        if self.description.task == "classification":
            return joined
        targets = Scaling(self._arrays["target_mean"], self._arrays["target_scale"])
        return targets.invert(joined).astype(joined.dtype)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``weights.npz`` (no pickle) into ``folder``, made if absent."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps(asdict(self.description), indent=1) + "\n")
        np.savez(folder / "weights.npz", **self._arrays)  # type: ignore[arg-type]  # mypy takes the arrays for flags

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Return what `save` wrote.

        Raises:
            InputError: a file is missing, or of another format.
        """
        try:
            content = json.loads((folder / "model.json").read_text())
            with (folder / "weights.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except FileNotFoundError as error:
            raise InputError(f"{folder} holds no saved model: {Path(error.filename).name} is missing") from None
        except (ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise InputError(f"{folder} holds a damaged model: {error}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{folder}: its model is not of format {FORMAT}; use the version that wrote it")
        missing = [name for name in ARRAYS if name not in arrays]
        if missing:
            raise InputError(f"{folder} holds a damaged model: weights.npz lacks {', '.join(missing)}")
        try:
            content["layers"] = [(name, fields) for name, fields in content["layers"]]
            return cls(Description(**content), arrays)
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(f"{folder} holds a damaged model: model.json: {error}") from None
