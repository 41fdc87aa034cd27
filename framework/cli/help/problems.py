"""Help pages of problems and models, with the sizes of the data set and a table of the model's layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.base.parameters import Shape
from framework.cli.help import topics
from framework.cli.help.examples import needed
from framework.cli.help.presets import Chosen, Presets
from framework.cli.help.topics import PROGRAM, LayerRow, SampleCounts
from framework.config.check import MEMBERS
from framework.config.layers import build_layers
from framework.config.part import stacked
from framework.config.resolved import RunConfig
from framework.config.settings import Goal
from framework.data.prepare import Dataset, prepared
from framework.errors import InputError
from framework.registry.manager import find
from framework.training.model import Model as Network


def problem_page(presets: Presets, name: str) -> topics.ProblemTopic:
    """Return the page of a problem.

    Raises:
        InputError: the problem does not exist or cannot be composed, as for `Presets.problem`.
    """
    chosen = presets.problem(name)
    samples, layers = _sizes(chosen.config)
    goal = chosen.config.section(Goal)
    target = "" if goal.target is None else f"{goal.target:g}"
    shown = {key: value for key, value in chosen.settings.items() if key != "problem" and key not in Goal.fields}
    return topics.ProblemTopic(
        name=name,
        summary=presets.summary("problem", name),
        source=goal.problem_source or "",
        target=": ".join(filter(None, (target, goal.target_source))),
        parts=chosen.parts,
        samples=samples,
        layers=layers,
        settings=_flat(shown),
        examples=tuple(_examples(chosen, f"problem={name}")),
    )


def set_page(presets: Presets, name: str) -> topics.SetTopic:
    """Return the page of a set of problems.

    Raises:
        InputError: its file cannot be read, or names a problem that does not exist.
    """
    listed = presets.content("problem", name).get(MEMBERS, ())
    return topics.SetTopic(
        name=name,
        summary=presets.summary("problem", name),
        problems=tuple(topics.Name(each, presets.summary("problem", each)) for each in listed),
        examples=(f"{PROGRAM} -m problem={name} optimizer=adam,sgd optimizer.lr=search:3",),
    )


def model_page(presets: Presets, name: str) -> topics.ModelTopic:
    """Return the page of a model.

    Its table has the shapes of the default problem if that uses the model or no problem does, otherwise of the first
    problem that uses it.

    Raises:
        InputError: the model does not exist.
    """
    content = presets.content("model", name)
    users = tuple(problem for problem in presets.names("problem") if _model_of(presets, problem) == name)
    usual = str(presets.defaults()["problem"])
    home = users[0] if users and usual not in users else usual
    try:
        _, table = _sizes(presets.problem(home, model=name).config)
    except InputError:  # a model that no problem uses may not accept the default problem's samples
        table = ()
    return topics.ModelTopic(
        name=name,
        summary=presets.summary("model", name),
        settings={f"model.{key}": value for key, value in content.items() if key not in ("name", "layers")},
        layers=tuple(content.get("layers", ())),
        example_of=home,
        table=table,
        problems=users,
        examples=(f"{PROGRAM} problem={home}" + ("" if users else f" model={name}"),),
    )


def _model_of(presets: Presets, problem: str) -> str:
    entries = presets.content("problem", problem).get("defaults", [])
    chosen = (entry.get("override /model") for entry in entries if isinstance(entry, Mapping))
    return str(next(filter(None, chosen), presets.defaults()["model"]))


def _examples(chosen: Chosen, words: str) -> list[str]:
    words = f"{words} {needed(find('dataset', chosen.parts['dataset']).cls)}".strip()
    examples = [f"{PROGRAM} {words}", f"{PROGRAM} -m {words} optimizer=sgd,adam 'seed=range(3)'"]
    sizes = chosen.config.data["model"].get("sizes")
    return [*examples, f"{PROGRAM} {words} 'model.sizes=[128,64]'"] if sizes else examples


def _sizes(config: RunConfig) -> tuple[SampleCounts, tuple[LayerRow, ...]]:
    part = config.parts["dataset"]
    dataset: Dataset = stacked([part], part.kind)
    if dataset.layout is None and dataset.downloads:
        return SampleCounts(unknown=f"the samples of {part.name} are not loaded for this page"), ()
    try:
        samples, target_shape = _declared(dataset) if dataset.layout is not None else _loaded(dataset)
    except InputError as error:
        return SampleCounts(unknown=str(error)), ()
    layers = build_layers([config.layers_for(target_shape)])
    network = Network(layers, samples.input, [0], np.dtype(np.float32))
    return samples, tuple(LayerRow(row.name, row.output_shape, row.parameters) for row in network.rows)


def _declared(dataset: Dataset) -> tuple[SampleCounts, Shape]:
    layout = dataset.layout
    assert layout is not None  # noqa: S101 - for mypy: the caller has checked it
    split = dataset.split(layout.samples, None, official_test=layout.official_test is not None)
    test = len(split.test) if layout.official_test is None else layout.official_test
    shape: Shape = layout.input_shape if dataset.reconstruct else (layout.classes,)
    target = "the input itself" if dataset.reconstruct else f"{layout.classes} classes"
    return SampleCounts(len(split.train), len(split.validation), test, layout.input_shape, target), shape


def _loaded(dataset: Dataset) -> tuple[SampleCounts, Shape]:
    data = prepared(dataset, np.dtype(np.float32))
    if data.task == "reconstruction":
        target = "the input itself"
    elif data.classes is None:
        target = f"{int(np.prod(data.target_shape))} value{'s' if np.prod(data.target_shape) > 1 else ''}"
    else:
        named = not all(name.isdecimal() for name in data.class_names)
        target = f"{data.classes} classes" + (f": {', '.join(data.class_names)}" if named else "")
    sizes = (len(data.train), len(data.validation), len(data.test))
    return SampleCounts(*sizes, data.input_shape, target), data.target_shape


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
