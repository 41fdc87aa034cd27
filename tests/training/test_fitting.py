"""Parts of a run that do not fit together are refused before it starts, or come with a warning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from runs import config

import framework
from framework.base.loss import Loss
from framework.cli import commands
from framework.config.layers import build_layers, expand_layers, with_outputs
from framework.data.prepare import Dataset, Raw, Samples
from framework.errors import InputError
from framework.training import model
from framework.training.fitting import check_fit
from framework.training.model import Model
from framework.training.population import Population

pytestmark = pytest.mark.usefixtures("unrendered")

ONE_OUTPUT = ["flatten", {"layer": "dense", "units": 1}]


def built(dataset, loss, layers=ONE_OUTPUT, **more):
    return Population([config(dataset=dataset, loss={"name": loss}, model__layers=layers, **more)])


@pytest.mark.parametrize(
    ("loss", "layers"),
    [("softmax_cross_entropy", ONE_OUTPUT), ("categorical_cross_entropy", [*ONE_OUTPUT, "sigmoid"])],
    ids=["logits", "probabilities"],
)
def test_one_output_for_many_classes_is_refused(loss, layers):
    said = (
        rf"loss {loss} cannot distinguish {{}} classes with the model's 1 output: end the model in units=outputs{{}}$"
    )
    with pytest.raises(InputError, match=said.format(10, "")):
        built({"name": "digits"}, loss, layers)
    with pytest.raises(InputError, match=said.format(2, ", or use loss=binary_cross_entropy_logits")):
        built({"name": "breast_cancer"}, loss, layers)


@pytest.mark.parametrize("loss", ["binary_cross_entropy_logits", "hinge", "mse"])
def test_one_output_is_enough_for_two_classes(loss):
    assert built({"name": "breast_cancer"}, loss).model.output_shape == (1,)


@pytest.mark.parametrize("loss", ["binary_cross_entropy_logits", "hinge"])
def test_one_output_is_too_few_for_three_classes(loss):
    with pytest.raises(InputError, match=f"loss {loss} cannot distinguish 3 classes with the model's 1 output"):
        built({"name": "iris"}, loss)


def test_metrics_meet_the_highest_label_before_the_start():
    with pytest.raises(InputError, match="label 2 is not one of the 2 classes of the model's outputs"):
        built({"name": "iris"}, "mse", metrics=["accuracy"])
    assert built({"name": "iris"}, "mse", metrics=["mae"]).runs == 1


def given(labels, **fields):
    class Given(Dataset):
        def load(self):
            return Raw(Samples(np.random.default_rng(0).normal(size=(len(labels), 4)), labels))

    return Given(**fields).prepare(np.float32)


def model_for(data, layers):
    return Model(build_layers([with_outputs(expand_layers(layers), data.target_shape)]), (4,), [0], np.float32)


class Picks(Loss):
    """A loss that takes the output of the label, and checks nothing."""

    def forward(self, predictions, targets):
        """Return minus the mean of these outputs."""
        return -np.stack([row[np.arange(len(targets[0])), targets[0]].mean() for row in predictions])

    def backward(self):
        """Return nothing of use."""
        return np.zeros(1)


def test_a_loss_that_checks_nothing_is_found_out_too():
    data = given(np.repeat([0, 1], 50))
    with pytest.raises(InputError, match="loss Picks cannot distinguish 2 classes"):
        check_fit(model_for(data, [{"layer": "dense", "units": 1}]), Picks(), [], data)


def test_a_single_class_is_nothing_to_learn():
    data = given(np.zeros(50, int))
    with pytest.raises(InputError, match="has the same label: there is nothing to learn"):
        check_fit(model_for(data, [{"layer": "dense", "units": "outputs"}]), Picks(), [], data)
    whole = given(np.zeros(50, int), reconstruct=True)
    assert whole.classes is None


# Memory


def test_a_model_that_memory_cannot_hold_is_refused(monkeypatch):
    layers = [{"layer": "dense", "units": 10}]
    bytes_needed = (2 * (4 * 10 + 10) + 10) * 4
    data = given(np.arange(50) % 2)
    monkeypatch.setattr(model, "memory_limit", lambda: bytes_needed)
    assert model_for(data, layers).parameters.size == 50
    monkeypatch.setattr(model, "memory_limit", lambda: bytes_needed - 1)
    with pytest.raises(InputError, match=r"50 parameters and 10 activations per sample: it needs .* GiB are free"):
        model_for(data, layers)
    monkeypatch.setattr(model, "memory_limit", lambda: None)
    assert model_for(data, layers).parameters.size == 50


# Warnings


COUNTS = "x,y\n" + "".join(f"{i},{i % 3}\n" for i in range(60))
RARE = "x,y\n" + "".join(f"{i},{'c' if i in (3, 20, 40, 55) else 'ab'[i % 2]}\n" for i in range(60))
WORDS = ("problem=file", "epochs=1", "tracking.enabled=false", "progress=false")
GUESSED = "3 different whole numbers are trained as classes, which loss mse compares one-hot: set dataset.task=regr"
LACKS = "the validation split has no sample of class c, so its figures do not cover it: raise dataset.validation"
CASES = {
    "counts": (COUNTS, ("loss=mse",), [GUESSED]),
    "counts told": (COUNTS, ("loss=mse", "dataset.task=classification"), []),
    "counts as values": (COUNTS, ("loss=mse", "dataset.task=regression"), []),
    "counts as classes": (COUNTS, (), []),
    "rare": (RARE, (), [LACKS]),
}


@pytest.fixture
def table(tmp_path, monkeypatch, request):
    """A .csv file in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text(CASES[request.param][0])
    return CASES[request.param][1:]


@pytest.mark.parametrize("table", CASES, indirect=True)
def test_a_command_warns_once(table, capsys):
    words, expected = table
    assert commands.main([*WORDS, "dataset.path=my.csv", *words]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(expected)
    assert all(line.startswith("warning: ") and said in line for line, said in zip(lines, expected, strict=True))


@pytest.mark.parametrize("table", ["counts", "rare"], indirect=True)
@pytest.mark.parametrize("more", [(), ("hydra/launcher=basic",), ("plan=true",)], ids=["population", "basic", "plan"])
def test_a_sweep_warns_once(table, more, capsys):
    words, (said,) = table
    framework.sweep(*WORDS, "dataset.path=my.csv", *words, *more, "optimizer=adam,sgd", "seed=0,1")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert said in line


@pytest.mark.parametrize("table", ["counts", "rare"], indirect=True)
def test_python_gets_a_warning(table):
    words, (said,) = table
    with pytest.warns(UserWarning) as caught:
        framework.run(*WORDS, "dataset.path=my.csv", *words)
    assert [said in str(warning.message) for warning in caught] == [True]
    assert caught[0].filename == __file__


def test_python_gets_the_optimizers_warning_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="blog/momentum"):
        framework.run("optimizer=blog/momentum", "problem=digits_softmax", "epochs=1", "tracking.enabled=false")
    with warnings.catch_warnings(record=True) as caught:
        framework.run("problem=digits_softmax", "epochs=1", "tracking.enabled=false")
    assert caught == []


def test_values_are_checked_once_for_the_whole_data_set():
    outputs = ["flatten", {"layer": "dense", "units": "outputs"}, {"layer": "reshape", "shape": "outputs"}]
    pixels = {"name": "digits", "reconstruct": True, "train_limit": 75}
    assert built({**pixels, "scaling": "none"}, "binary_cross_entropy_logits", outputs).loss.shares_checked
    assert not built({**pixels, "scaling": "standardize"}, "mse", outputs).loss.shares_checked
    assert not built({"name": "digits", "train_limit": 75}, "softmax_cross_entropy", outputs[:2]).loss.shares_checked
