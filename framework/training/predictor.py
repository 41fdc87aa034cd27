"""A trained model of one run, as it is saved and served: maps raw inputs to outputs in the data set's units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.base.parameters import Shape
from framework.config.layers import saved_layers
from framework.config.settings import Settings
from framework.data.archives import UNREADABLE, array_names, read_array
from framework.data.scaling import Scaling
from framework.errors import InputError
from framework.system import strict_json
from framework.system.files import read_regular
from framework.system.resources import blas_threads
from framework.training import kept_plugins
from framework.training.kept_plugins import Needed
from framework.training.model import Model

if TYPE_CHECKING:
    from framework.base.layer import Layer
    from framework.training.population import Population

FORMAT = 2
READABLE = (1, FORMAT)
"""Formats that `Predictor.load` reads; a model of format 1 lacks the fields of `Description` that have defaults."""
ARRAYS = ("parameters", "buffers", "input_mean", "input_scale", "target_mean", "target_scale")
TASKS = ("classification", "regression", "reconstruction")
OUTPUTS = ("scores", "class")
"""Values of the argument ``output`` of `Predictor.predict`."""
MIDDLE = {"logits": 0.0, "probabilities": 0.5, "values": 0.5}
"""The score above which a single output means class 1, by kind of output."""


@dataclass(frozen=True)
class Description:
    """All of a saved model except its arrays: plain data, stored as JSON.

    Attributes:
        layers: pairs of a layer's name and its fields.
        input_shape: shape of one input.
        dtype: dtype of parameters and activations.
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.
        class_names: one name per class, or [] if the data set has none.
        columns: names of the features of a table, in the model's order, or [] for inputs without names.
        predicted: kind of the outputs, ``"logits"``, ``"probabilities"`` or ``"values"``; "" if unknown.
        threads: BLAS threads of the run; another number may change the last bits of a prediction.
        output_shape: shape of one output, or None if unknown.
        plugins: the plugins that provide the layers that are not built in.
        format: version of this description.
    """

    layers: list[tuple[str, dict[str, Any]]]
    input_shape: Shape
    dtype: str
    task: str
    class_names: list[str]
    columns: list[str] = field(default_factory=list)
    predicted: str = ""
    threads: int = 1
    output_shape: Shape | None = None
    plugins: list[Needed] = field(default_factory=list)
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Return the description of the model in ``folder``.

        Raises:
            InputError: ``model.json`` is missing, damaged or of another format.
        """
        try:
            content = strict_json.loads(read_regular(folder / "model.json"))
        except FileNotFoundError:
            raise InputError(f"{folder} holds no saved model: model.json is missing") from None
        except UNREADABLE as error:
            raise InputError(f"{folder} holds a damaged model: {error}") from None
        if not isinstance(content, dict) or content.get("format") not in list(READABLE):
            raise InputError(f"{folder}: its model is not of format {FORMAT} or earlier; use the version that wrote it")
        try:
            content["layers"] = [(name, fields) for name, fields in content["layers"]]
            for name in ("dtype", "threads"):
                content[name] = Settings.fields[name].check(content.get(name, 1), name)
            content["plugins"] = [Needed(**plugin) for plugin in content.get("plugins", ())]
            described = cls(**content)
            described._check()
            return described
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InputError(f"{folder} holds a damaged model: model.json: {error}") from None

    def _check(self) -> None:
        """Raise `ValueError` if a field has a value that `Predictor.of` does not give it."""
        names = [name for name, _ in self.layers]
        texts = [*names, self.task, *self.class_names, *self.columns, self.predicted]
        sizes = [*self.input_shape, *(self.output_shape or ())]
        good = {
            "layers": self.layers and all(isinstance(fields, dict) for _, fields in self.layers),
            "a text": all(isinstance(item, str) for item in texts),
            "a shape": all(type(size) is int and size >= 1 for size in sizes),
            "class_names or columns": isinstance(self.class_names, list) and isinstance(self.columns, list),
            "predicted": self.predicted in ("", *MIDDLE),
            "task": self.task in TASKS,
        }
        for what, fine in good.items():
            if not fine:
                raise ValueError(f"{what} is damaged")


class Predictor:
    """A model of one run with the scaling fitted on its training split.

    Args:
        description: layers with their fields, shapes and dtype.
        arrays: ``parameters`` and ``buffers`` (flat), and the four arrays of the scalings.
        files: the plugin files to save with the model, by name.
        classes: layer classes by name, for layers that may be missing in this process's registry.
    """

    def __init__(
        self,
        description: Description,
        arrays: dict[str, np.ndarray],
        files: Mapping[str, bytes] = MappingProxyType({}),
        classes: Mapping[str, type[Layer]] = MappingProxyType({}),
    ) -> None:
        self.description = description
        self._arrays = arrays
        self._files = files
        self._layer_classes = classes

    @cached_property
    def _model(self) -> Model:
        described = self.description
        layers = saved_layers(described.layers, self._layer_classes)
        try:
            model = Model(layers, tuple(described.input_shape), [0], np.dtype(described.dtype))
        except MemoryError as error:
            raise InputError(f"the saved model does not fit into memory: {error}") from None
        for name, tensors in (("parameters", model.parameters), ("buffers", model.buffers)):
            if self._arrays[name].shape != tensors.flat[0].shape:
                raise InputError(
                    f"the saved model has {self._arrays[name].size} {name}; its layers need {tensors.size}"
                )
            tensors.flat[0] = self._arrays[name]
        sizes = {"input": model.input_shape, "target": model.output_shape}
        for name in ARRAYS[2:]:
            if not _broadcasts(self._arrays[name].shape, sizes[name.partition("_")[0]]):
                raise InputError(f"the saved model's {name} has the shape {self._arrays[name].shape}: it is damaged")
        return model

    @classmethod
    def of(cls, population: Population, row: int) -> Predictor:
        """Return the predictor of the run in ``row`` of a population, with copies of its parameters and buffers."""
        data, model = population.data, population.model
        layers = population.configs[row].layers_for(data.target_shape)
        plugins, files = kept_plugins.needed(layers)
        description = Description(
            layers=[(layer.name, dict(layer.fields)) for layer in layers],
            input_shape=data.input_shape,
            dtype=str(model.parameters.dtype),
            task=data.task,
            class_names=list(data.class_names),
            columns=list(data.columns),
            predicted=population.loss.expects,
            threads=population.settings.threads,
            output_shape=model.output_shape,
            plugins=plugins,
        )
        arrays = {
            "parameters": model.parameters.flat[row].copy(),
            "buffers": model.buffers.flat[row].copy(),
            "input_mean": data.input_scaling.mean,
            "input_scale": data.input_scaling.scale,
            "target_mean": data.target_scaling.mean,
            "target_scale": data.target_scaling.scale,
        }
        return cls(description, arrays, files)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of the trained tensors by name, such as ``"2_dense/weight"``."""
        return self._model.parameters.row(0)

    def predict(self, x: Any, output: str = "scores") -> np.ndarray:
        """Return the model's outputs ``(N, *output)`` for raw inputs ``(N, *input_shape)``, or its classes ``(N,)``.

        Args:
            x: inputs in the data set's own units, of any real dtype (the fitted scaling is applied here): an array or
                lists. Flat rows ``(N, features)`` are accepted for images too. A data frame, or a mapping of columns,
                is read by column name if the model was trained on named columns; the order of the columns does not
                matter, and other columns are ignored.
            output: ``"scores"`` or ``"class"``. ``"scores"`` returns the model's outputs: one score per class in the
                run's dtype for classifiers (the arg-max over the last axis is the class), float64 in the targets' own
                units for regressions and reconstructions. ``"class"`` returns the name of each input's class, or its
                label if the classes have no names.

        Raises:
            InputError: ``output`` is unknown, the inputs have another shape or columns or are not numbers, or
                ``"class"`` is requested of a model that cannot give classes.
        """
        if output not in OUTPUTS:
            raise InputError(f"predict: output={output!r} is not known: use {' or '.join(OUTPUTS)}")
        if output == "class" and self.description.task != "classification":
            raise InputError(
                f"predict: output='class' is for classifiers; this model's task is {self.description.task}"
            )
        scores = self._scores(self._inputs(x))
        if self.description.task == "classification":
            return self._classes(scores) if output == "class" else scores
        return Scaling(self._arrays["target_mean"], self._arrays["target_scale"]).invert(scores)

    def _inputs(self, x: Any) -> np.ndarray:
        """Return the inputs as a numeric array ``(N, *input_shape)``, unscaled.

        Raises:
            InputError: the inputs have another shape or columns, or are not numbers.
        """
        shape, names = tuple(self.description.input_shape), self.description.columns
        try:
            if names and (hasattr(x, "columns") or isinstance(x, Mapping)):
                inputs = _columns(x, names)
            else:
                inputs = np.asarray(x)
                inputs = inputs.astype(np.float64) if inputs.dtype == object else inputs  # a frame of several types
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            raise InputError(f"predict takes numbers of shape (N, {_joined(shape)}): {error}") from None
        if inputs.ndim == 2 and inputs.shape[1] == math.prod(shape):
            inputs = inputs.reshape(-1, *shape)
        if inputs.shape[1:] != shape or inputs.dtype.kind not in "buif":
            found = inputs.shape if inputs.dtype.kind in "buif" else f"{inputs.shape} of dtype {inputs.dtype}"
            raise InputError(f"predict takes numbers of shape (N, {_joined(shape)}), not {found}")
        return inputs

    def _scores(self, inputs: np.ndarray) -> np.ndarray:
        """Return the model's raw outputs, in the run's dtype and with its number of BLAS threads."""
        model, described = self._model, self.description
        scaled = Scaling(self._arrays["input_mean"], self._arrays["input_scale"]).apply(inputs, described.dtype)
        out = np.empty((len(scaled), *model.output_shape), described.dtype)
        with blas_threads(described.threads):
            for start in range(0, len(scaled), model.samples_at_once):
                part = slice(start, start + model.samples_at_once)
                out[part] = model.forward(scaled[None, part])[0]
        return out

    def _classes(self, scores: np.ndarray) -> np.ndarray:
        """Return the class of each row of scores by name, or by label if the classes have no names."""
        names, predicted = self.description.class_names, self.description.predicted
        if scores.ndim != 2:
            raise InputError(
                f"predict: output='class' needs one row of scores per sample; this model gives {scores.shape}"
            )
        outputs = scores.shape[1]
        if outputs > 1:
            labels = scores.argmax(axis=1)
        elif predicted and len(names) <= 2:
            labels = (scores[:, 0] > MIDDLE[predicted]).astype(np.intp)
        else:
            why = (
                "has no known threshold between its classes"
                if not predicted
                else "has one output and more than two classes"
            )
            raise InputError(f"predict: output='class': this model {why}: use its scores, or train it again")
        spare = map(str, range(len(names), outputs))  # a model may have more outputs than there are classes
        return np.array([*names, *spare])[labels] if names else labels

    def save(self, folder: Path) -> None:
        """Write ``model.json``, ``weights.npz`` (no pickle) and plugin files to ``folder``; create it if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(strict_json.dumps(asdict(self.description), indent=1) + "\n")
        np.savez(folder / "weights.npz", **self._arrays)  # type: ignore[arg-type]  # mypy takes the arrays for flags
        kept_plugins.save(self._files, folder)

    @classmethod
    def load(cls, folder: Path, *, plugins: bool = False) -> Predictor:
        """Return the predictor that `save` wrote.

        Args:
            folder: folder of the model.
            plugins: whether plugin files saved in ``folder`` may be run if this process has no such plugin.

        Raises:
            InputError: a file is missing, damaged or of another format, or a plugin file would have to be run without
                consent, or a plugin file or package fails as in `Needed.layer_classes`.
        """
        weights, description = folder / "weights.npz", Description.read(folder)
        try:
            arrays = {name: read_array(weights, name) for name in array_names(weights)}
        except FileNotFoundError as error:
            raise InputError(f"{folder} holds no saved model: {Path(error.filename).name} is missing") from None
        except (*UNREADABLE, KeyError) as error:
            raise InputError(f"{folder} holds a damaged model: {error}") from None
        missing = [name for name in ARRAYS if name not in arrays]
        if missing:
            raise InputError(f"{folder} holds a damaged model: weights.npz lacks {', '.join(missing)}")
        odd = [name for name in ARRAYS if arrays[name].dtype.kind not in "buif"]
        if odd:
            raise InputError(f"{folder} holds a damaged model: {', '.join(odd)} in weights.npz are not numbers")
        classes: dict[str, type[Layer]] = {}
        for plugin in description.plugins:
            classes |= plugin.layer_classes(folder, consent=plugins)
        return cls(description, arrays, classes=classes)


def _broadcasts(shape: Shape, to: Shape) -> bool:
    """Return whether an array of one shape broadcasts to another without changing it."""
    return len(shape) <= len(to) and all(one in (1, size) for one, size in zip(shape[::-1], to[::-1], strict=False))


def _columns(table: Any, names: Sequence[str]) -> np.ndarray:
    """Return the columns ``names`` of a data frame or mapping as a float64 array of shape ``(N, columns)``.

    Raises:
        InputError: a column is missing.
    """
    known = list(getattr(table, "columns", table))
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"predict takes a table with the columns {_joined(names)}; this one lacks {_joined(missing)}: pass a data "
            "frame or a mapping with these column names (MLflow gives no names to an array)"
        )
    return np.column_stack([np.asarray(table[name], dtype=np.float64) for name in names])


def _joined(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items))
