"""A trained model on its own: raw inputs in, outputs in the data's units out, files without code."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest
from runs import IMAGES, config, data_of, trained
from threadpoolctl import threadpool_limits

from framework.errors import InputError
from framework.system import resources
from framework.training.model import Model
from framework.training.predictor import Description, Predictor


@pytest.fixture(scope="module")
def classifier():
    return trained(config(epochs=2, model__layers=IMAGES))[0].predictor


@pytest.fixture(scope="module")
def raw():
    data = data_of(config())
    return data.input_scaling.invert(data.test.inputs)


def test_a_classifier_gives_one_score_a_class(classifier, raw):
    scores = classifier.predict(raw)
    assert scores.shape == (len(raw), 10)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_flat_rows_are_taken_for_images(classifier, raw):
    assert np.array_equal(classifier.predict(raw.reshape(len(raw), -1)), classifier.predict(raw))
    assert np.array_equal(classifier.predict(raw.tolist()), classifier.predict(raw))


def test_whole_numbers_are_taken(classifier, raw):
    pixels = np.rint(raw).astype(np.uint8)
    assert np.array_equal(classifier.predict(pixels), classifier.predict(pixels.astype(np.float64)))


def test_nothing_in_nothing_out(classifier, raw):
    assert classifier.predict(raw[:0]).shape == (0, 10)


def test_predictions_do_not_depend_on_the_company(classifier, raw):
    together = classifier.predict(raw[:7])
    assert np.allclose(together[3:4], classifier.predict(raw[3:4]), rtol=1e-5, atol=1e-5)
    assert np.array_equal(together, classifier.predict(raw[:7]))  # and change nothing


@pytest.mark.parametrize("threads", [1, 2])
def test_predictions_use_the_runs_number_of_threads(threads, tmp_path, monkeypatch):
    trained(config(epochs=1, threads=threads))[0].predictor.save(tmp_path)
    numpys = resources._controller()  # not of SciPy, which another test may have loaded since
    seen = []
    forward = Model.forward

    def watched(model, x, **options):
        seen.append({pool["num_threads"] for pool in numpys.info() if pool["user_api"] == "blas"})
        return forward(model, x, **options)

    monkeypatch.setattr(Model, "forward", watched)
    with threadpool_limits(3, user_api="blas"):
        Predictor.load(tmp_path).predict(np.zeros((4, 64)))
    assert seen == [{threads}]


def test_a_model_of_format_1_still_loads(classifier, raw, tmp_path):
    classifier.save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    known = ("layers", "input_shape", "dtype", "task", "class_names")
    (tmp_path / "model.json").write_text(json.dumps({**{name: content[name] for name in known}, "format": 1}))
    assert np.array_equal(Predictor.load(tmp_path).predict(raw), classifier.predict(raw))


def by_hand(layers, task, **more):
    """Return a model of two inputs whose scores are its inputs times weights of one."""
    description = Description(layers, (2,), "float64", task, **{"class_names": [], **more})
    outputs = layers[0][1]["units"]
    arrays = {
        "parameters": np.r_[np.eye(2, outputs).ravel(), np.zeros(outputs)],
        "buffers": np.zeros(0),
        "input_mean": np.zeros(2),
        "input_scale": np.ones(2),
        "target_mean": np.zeros(()),
        "target_scale": np.ones(()),
    }
    return Predictor(description, arrays)


TWO, ONE = [("dense", {"units": 2})], [("dense", {"units": 1})]
ROWS = [[0.2, 0.1], [0.3, 0.9], [-1.0, -2.0], [0.7, 0.8]]
CLASSES = {
    "names": (TWO, {"class_names": ["no", "yes"]}, ["no", "yes", "no", "yes"]),
    "numbers": (TWO, {}, [0, 1, 0, 1]),
    "fewer names": (TWO, {"class_names": ["no"]}, ["no", "1", "no", "1"]),
    "logits": (ONE, {"class_names": ["no", "yes"], "predicted": "logits"}, ["yes", "yes", "no", "yes"]),
    "probabilities": (ONE, {"class_names": ["no", "yes"], "predicted": "probabilities"}, ["no", "no", "no", "yes"]),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classes_are_returned_by_name(case):
    layers, more, expected = CLASSES[case]
    assert by_hand(layers, "classification", **more).predict(ROWS, output="class").tolist() == expected


@pytest.mark.parametrize(
    ("model", "output", "said"),
    [
        (by_hand(TWO, "regression"), "class", "is for classifiers; this model's task is regression"),
        (by_hand(TWO, "classification"), "clas", "output='clas' is not known: use scores or class"),
        (by_hand(ONE, "classification"), "class", "has no known threshold"),
        (
            by_hand(ONE, "classification", class_names=["a", "b", "c"], predicted="values"),
            "class",
            "one output and more",
        ),
    ],
    ids=["values", "misspelt", "unknown", "three"],
)
def test_classes_that_cannot_be_are_refused(model, output, said):
    with pytest.raises(InputError, match=said):
        model.predict(ROWS, output=output)


def test_columns_are_read_by_name():
    model = by_hand(TWO, "regression", columns=["a", "b"])
    expected = np.array([[1.0, 0.5], [2.0, 0.25]])
    frame = pandas.DataFrame({"y": ["x", "z"], "b": [0.5, 0.25], "a": [1, 2]})
    for table in (frame, frame.to_dict("list"), expected, expected.tolist(), frame[["a", "b"]].astype(object)):
        np.testing.assert_array_equal(model.predict(table), expected)
    with pytest.raises(InputError, match="a table with the columns a, b; this one lacks b"):
        model.predict(frame[["a"]])
    with pytest.raises(InputError, match="a table with the columns a, b; this one lacks a, b"):
        model.predict(pandas.DataFrame(expected))
    with pytest.raises(InputError, match="takes numbers of shape"):
        model.predict(frame.assign(a=["one", "two"]))
    np.testing.assert_array_equal(by_hand(TWO, "regression").predict(frame[["a", "b"]]), expected)


@pytest.mark.parametrize("wrong", [[[1.0, 2.0], [3.0]], [["1", "2"]]], ids=["ragged", "text"])
def test_what_is_not_numbers_is_refused(wrong):
    with pytest.raises(InputError, match=r"takes numbers of shape \(N, 2\)"):
        by_hand(TWO, "regression").predict(wrong)


@pytest.mark.parametrize("shape", [(5, 63), (5, 8, 8), (8, 8, 1), (64,), ()])
def test_other_shapes_are_refused(classifier, shape):
    with pytest.raises(InputError, match=r"numbers of shape \(N, 8, 8, 1\)"):
        classifier.predict(np.zeros(shape))
    with pytest.raises(InputError, match="numbers"):
        classifier.predict(np.full((2, 8, 8, 1), "a"))


def test_saving_and_loading_changes_no_bit(classifier, raw, tmp_path):
    classifier.save(tmp_path / "new" / "model")
    loaded = Predictor.load(tmp_path / "new" / "model")
    assert np.array_equal(loaded.predict(raw), classifier.predict(raw))
    assert loaded.parameters.keys() == classifier.parameters.keys()
    assert all(np.array_equal(array, loaded.parameters[name]) for name, array in classifier.parameters.items())
    assert {path.name for path in (tmp_path / "new" / "model").iterdir()} == {"model.json", "weights.npz"}


def test_parameters_are_copies(classifier):
    classifier.parameters["1_conv2d/weight"][...] = 0
    assert classifier.parameters["1_conv2d/weight"].any()


def test_regressions_answer_in_the_targets_units():
    layers = ["flatten", {"layer": "dense", "units": "outputs"}]
    chosen = config(
        dataset={"name": "diabetes"},
        model={"layers": layers},
        loss={"name": "mse"},
        optimizer={"name": "adam", "lr": 0.05},
        epochs=60,
        dtype="float64",
    )
    outcome = trained(chosen)[0]
    data = data_of(chosen)
    inputs, targets = (
        scaling.invert(values)
        for scaling, values in ((data.input_scaling, data.test.inputs), (data.target_scaling, data.test.targets))
    )
    answers = outcome.predictor.predict(inputs)
    assert answers.shape == targets.shape
    residual = ((answers - targets) ** 2).mean() / ((targets - targets.mean()) ** 2).mean()
    assert outcome.metrics["test/r2"] == pytest.approx(1 - residual, abs=1e-9)
    assert outcome.metrics["test/r2"] > 0.3
    assert targets.mean() > 100  # the units are not those the network sees


def broken(folder, how):
    if how == "format":
        content = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**content, "format": 99}))
    elif how == "text":
        (folder / "model.json").write_text("{")
    elif how == "weights":
        (folder / "weights.npz").write_bytes(b"PK nonsense")
    elif how == "truncated":
        whole = (folder / "weights.npz").read_bytes()
        (folder / "weights.npz").write_bytes(whole[: len(whole) // 2])
    elif how == "flipped":
        whole = bytearray((folder / "weights.npz").read_bytes())
        whole[200] ^= 1
        (folder / "weights.npz").write_bytes(whole)
    elif how == "arrays":
        np.savez(folder / "weights.npz", parameters=np.zeros(3))
    elif how == "keys":
        content = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**content, "surprise": 1}))
    elif how == "pickle":
        np.savez(folder / "weights.npz", parameters=np.array([{"a": 1}], dtype=object))
    else:
        (folder / how).unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("format", "is not of format 2"),
        ("text", "damaged"),
        ("truncated", "damaged"),
        ("flipped", "damaged"),
        ("arrays", "lacks buffers"),
        ("keys", "surprise"),
        ("weights", "damaged"),
        ("pickle", "damaged"),
        ("model.json", "model.json is missing"),
        ("weights.npz", "weights.npz is missing"),
    ],
)
def test_files_that_are_not_a_model_are_refused(classifier, tmp_path, how, said):
    classifier.save(tmp_path)
    broken(tmp_path, how)
    with pytest.raises(InputError, match=said):
        Predictor.load(tmp_path)


def test_weights_of_another_model_are_refused(classifier, raw, tmp_path):
    classifier.save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    content["layers"][0][1]["filters"] = 5
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="the saved model has"):
        Predictor.load(tmp_path).predict(raw)
