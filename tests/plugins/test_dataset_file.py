"""The user's own .csv and .npz files."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

from framework.errors import InputError
from plugins.datasets.file import File


def table(tmp_path, text, **fields):
    path = tmp_path / "my.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return File(path=str(path), **fields)


def archive(tmp_path, fields=None, **arrays):
    np.savez(tmp_path / "my.npz", **arrays)
    return File(path=str(tmp_path / "my.npz"), **(fields or {}))


X = np.random.default_rng(0).normal(size=(12, 3))
COLOURS = ["red", "blue", "green"] * 4


def test_a_table_with_texts_gives_sorted_classes(tmp_path):
    lines = ["a,colour,b"] + [f"{i},{colour},{i / 8}" for i, colour in enumerate(COLOURS)]
    raw = table(tmp_path, "\n".join(lines) + "\n", target="colour").load()
    np.testing.assert_array_equal(raw.samples.inputs, [[i, i / 8] for i in range(12)])
    assert raw.class_names == ("blue", "green", "red")
    assert list(raw.samples.targets) == [2, 0, 1] * 4
    assert raw.task == "classification"


def test_a_table_is_read_as_spreadsheets_write_it(tmp_path):
    text = '\ufeff"width, cm", y\r\n"1.5", 3\r\n\r\n 2e-1 ,4\r\n-7,3\r\n0,4\r\n'
    raw = table(tmp_path, text).load()
    np.testing.assert_array_equal(raw.samples.inputs, [[1.5], [0.2], [-7], [0]])
    assert raw.class_names == ("3", "4")
    assert list(raw.samples.targets) == [0, 1, 0, 1]


def test_a_table_agrees_with_pandas(tmp_path):
    frame = pandas.DataFrame(np.random.default_rng(1).normal(size=(50, 6)), columns=list("abcyde"))
    frame.to_csv(tmp_path / "my.csv", index=False)
    raw = File(path=str(tmp_path / "my.csv")).load()
    np.testing.assert_array_equal(raw.samples.inputs, frame[list("abcde")].to_numpy())
    np.testing.assert_array_equal(raw.samples.targets, frame[["y"]].to_numpy())
    assert raw.task == "regression"


def test_ignored_columns_may_hold_anything(tmp_path):
    text = "name,a,when,y\nx,1,,0\ny,2,noon,1\nz,3,,0\nz,3,,1\n"
    raw = table(tmp_path, text, ignore="name, when").load()
    np.testing.assert_array_equal(raw.samples.inputs, [[1], [2], [3], [3]])


TARGETS = [
    ("texts", ["yes", "no"] * 6, "classification", ("no", "yes")),
    ("few_whole_numbers", [-1, 1] * 6, "classification", ("-1", "1")),
    ("whole_numbers_written_as_floats", [1.0, 2.0, 7.0] * 4, "classification", ("1", "2", "7")),
    ("broken_numbers", [0.5, 1.5] * 6, "regression", ()),
    ("more_than_half_different", [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7], "regression", ()),
    ("exactly_half_different", [1, 2, 3, 4, 5, 6] * 2, "classification", tuple("123456")),
    ("20_whole_numbers", list(range(20)) * 3, "classification", tuple(sorted(map(str, range(20)), key=int))),
    ("21_whole_numbers", list(range(21)) * 3, "regression", ()),
]


@pytest.mark.parametrize(
    ("targets", "task", "names"), [case[1:] for case in TARGETS], ids=[case[0] for case in TARGETS]
)
def test_the_task_follows_the_documented_rule_in_both_formats(tmp_path, targets, task, names):
    rows = "".join(f"{i},{target}\n" for i, target in enumerate(targets))
    both = [
        table(tmp_path, "x,y\n" + rows).load(),
        archive(tmp_path, x=np.arange(len(targets)), y=np.array(targets)).load(),
    ]
    for raw in both:
        assert (raw.task, raw.class_names) == (task, names)
        np.testing.assert_array_equal(raw.samples.inputs, np.arange(len(targets))[:, None])
        if task == "regression":
            np.testing.assert_array_equal(raw.samples.targets, np.array(targets)[:, None])
        else:
            assert [float(names[i]) if names[0] != "no" else names[i] for i in raw.samples.targets] == targets


def test_the_task_can_be_set(tmp_path):
    text = "x,y\n" + "".join(f"{i},{i % 3}\n" for i in range(12))
    assert table(tmp_path, text, task="regression").prepare(np.float64).task == "regression"
    assert table(tmp_path, text, task="classification").prepare(np.float64).classes == 3
    spread = "x,y\n" + "".join(f"{i},{i // 2 * 3}\n" for i in range(80))
    data = table(tmp_path, spread, task="classification", test=40, validation=10).prepare(np.float64)
    assert data.classes == 40


def labels_of(raw):
    return [raw.class_names[place] for place in raw.samples.targets]


AS_WRITTEN = {
    "long": ["1582218195625938945", "1582218195625938946", "1582218195625938947"],
    "codes": ["01", "1", "2"],
    "gaps": ["NA", "no", "yes"],
    "signs": ["-1", "+1", "0"],
}


@pytest.mark.parametrize("name", AS_WRITTEN)
def test_labels_of_a_table_are_compared_as_written(tmp_path, name):
    cells = AS_WRITTEN[name] * 10
    raw = table(tmp_path, "x,y\n" + "".join(f"{i}, {cell} \n" for i, cell in enumerate(cells))).load()
    assert len(raw.class_names) == 3
    assert labels_of(raw) == cells


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_long_whole_numbers_of_an_archive_stay_apart(tmp_path, dtype):
    ids = np.array([2**60, 2**60 + 1, 2**60 + 2] * 4, dtype=dtype)
    both = {"x_test": X, "y_test": ids.astype(np.uint64)}
    for arrays in ({"x": X, "y": ids}, {"x": X, "y": ids, **both}):
        raw = archive(tmp_path, **arrays).load()
        assert labels_of(raw) == [str(number) for number in ids.tolist()]


def test_a_whole_number_with_a_fraction_is_the_same_label(tmp_path):
    raw = table(
        tmp_path, "x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(["1", "1.0", "2.", "10"] * 5))
    ).load()
    assert raw.class_names == ("1", "2", "10")
    assert labels_of(raw) == ["1", "1", "2", "10"] * 5


@pytest.mark.parametrize("written", [["0", "1", "2"], ["0.0", "1.0", "2.0"]], ids=["whole", "fraction"])
def test_numbers_for_training_and_texts_for_the_test_are_the_same_labels(tmp_path, written):
    numbers = np.array([0.0, 1.0, 2.0] * 4)
    raw = archive(tmp_path, x=X, y=numbers, x_test=X, y_test=np.array(written * 4)).load()
    assert raw.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(raw.official_test.targets, raw.samples.targets)
    np.testing.assert_array_equal(raw.samples.targets, numbers)


def test_a_table_names_its_columns_and_says_what_it_guessed(tmp_path):
    text = "b,y,a\n" + "".join(f"{i},{i % 3},{i}\n" for i in range(12))
    raw = table(tmp_path, text).load()
    assert (raw.columns, raw.guessed) == (("b", "a"), True)
    assert not table(tmp_path, text, task="classification").load().guessed
    assert not archive(tmp_path, x=X, y=np.array(COLOURS)).load().guessed


def test_arrays_of_any_shape_and_byte_texts(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), dtype=np.uint8)
    data = archive(tmp_path, {"target": "label"}, X=images, label=np.array([c.encode() for c in COLOURS]))
    raw = data.load()
    np.testing.assert_array_equal(raw.samples.inputs, images)
    assert raw.class_names == ("blue", "green", "red")
    assert data.prepare(np.float32).input_shape == (4, 4, 1)


def test_several_outputs_are_values_and_booleans_classes(tmp_path):
    raw = archive(tmp_path, x=X, y=X[:, :2]).load()
    assert (raw.task, raw.samples.targets.shape) == ("regression", (12, 2))
    assert archive(tmp_path, x=X, y=X[:, :1] > X[:, :1].mean()).load().class_names == ("0", "1")


def test_test_arrays_are_the_official_test(tmp_path):
    data = archive(tmp_path, x=X, y=np.array(COLOURS), x_test=X[:4] + 1, y_test=np.array(["red", "pink"] * 2))
    raw = data.load()
    np.testing.assert_array_equal(raw.official_test.inputs, X[:4] + 1)
    assert [raw.class_names[i] for i in raw.official_test.targets] == ["red", "pink"] * 2
    assert [raw.class_names[i] for i in raw.samples.targets] == COLOURS
    with pytest.raises(InputError, match="no array 'y_test' for the targets"):
        archive(tmp_path, x=X, y=X[:, 0], x_test=X).load()
    with pytest.raises(InputError, match="no array 'x_test' for the inputs"):
        archive(tmp_path, x=X, y=X[:, 0], y_test=X[:, 0]).load()
    with pytest.raises(InputError, match="differ in shape from those for training"):
        archive(tmp_path, x=X, y=X[:, 0], x_test=X[:, :2], y_test=X[:, 0]).load()


def test_a_changed_file_has_another_stamp(tmp_path):
    data = table(tmp_path, "x,y\n1,1\n")
    before = data.stamp()
    table(tmp_path, "x,y\n1,1\n2,2\n")
    assert data.stamp() != before
    assert File(path=str(tmp_path / "none.csv")).stamp() == ()


BAD_TABLES = [
    ("x,y\n1,2\nfour,2\n", {}, r"my\.csv line 3, column 'x': 'four' is not a finite number.*dataset\.ignore=x"),
    ("x,z,y\n1,2,3\n\n1,,3\n", {}, r"my\.csv line 4, column 'z': the cell is empty"),
    ("x,y\n1,2\nnan,2\n", {}, r"line 3, column 'x': 'nan' is not a finite number"),
    ("x,y\n1,2\n1,-inf\n", {}, r"line 3, column 'y': '-inf' is not a finite number"),
    ("x,y\n1_000,2\n", {}, r"line 2, column 'x': '1_000' is not a finite number"),
    ("x,y\n1,a\n2,\n", {}, r"line 3, column 'y': the cell is empty"),
    ("x,y\n1,1\n2,2\n3,?\n", {}, r"line 4, column 'y': '\?' is not a finite number.*dataset\.task=classification"),
    ("x,y\n1,a\n2,b\n", {}, "2 different texts in 2 samples, too many for classes"),
    ("x,y\n1,a\n2,b\n", {"task": "regression"}, r"line 2, column 'y': 'a' is not a finite number"),
    ("x,y\n1,0.5\n2,1\n", {"task": "classification"}, "numbers that are not whole"),
    ("x,y\n1,7\n2,7\n", {"task": "classification"}, "'7' for every sample: there is nothing to learn"),
    ("x,y\n1,0.5\n2,0.5\n", {}, r"column 'y' holds 0\.5 for every sample .*: there is nothing to learn"),
    ("x,colour\n1,2\n", {"target": "color"}, r"no column 'color'; did you mean colour\?"),
    ("x,y\n1,2\n", {"ignore": "z"}, "no column 'z'"),
    ("x,y\n1,2\n", {"ignore": "x"}, "no column beside 'y'"),
    ("x,y\n1,2\n1,2,3\n", {}, "line 3 has 3 cells, the header 2"),
    ("x,y\n1\n", {}, "line 2 has 1 cells, the header 2"),
    ("1,2\n3,4\n", {}, "the first line must name the columns"),
    ("", {}, "the first line must name the columns"),
    ("x,y\n", {}, "a header but no rows"),
    (",x,y\n0,1,2\n", {}, r"column 1 has no name.*index=False"),
    ("x,x,y\n0,1,2\n", {}, "two columns are named 'x'"),
    ("x;y\n0;1\n", {}, "columns must be separated by commas"),
    pytest.param("größe,y\n1,2\n".encode("latin-1"), {}, "cannot be read as UTF-8 text", id="latin-1"),
]


@pytest.mark.parametrize(("text", "fields", "message"), BAD_TABLES)
def test_wrong_tables_are_refused_in_one_line_that_names_the_place(tmp_path, text, fields, message):
    with pytest.raises(InputError, match=message) as caught:
        table(tmp_path, text, **fields).load()
    assert "\n" not in str(caught.value)


HOLE = np.where(np.arange(36).reshape(12, 3) == 16, np.nan, X)
BAD_ARCHIVES = [
    ({"x": X, "y": X[:-1, 0]}, "array 'x' has 12 samples, 'y' has 11"),
    ({"x": X, "labels": X[:, 0]}, r"no array 'y' for the targets \(dataset.target\); known: labels, x"),
    ({"inputs": X, "y": X[:, 0]}, "no array 'x' for the inputs; known: inputs, y"),
    ({"x": HOLE, "y": X[:, 0]}, r"x\[5, 1\] is nan"),
    ({"x": X, "y": np.where(X[:, 0] == X[3, 0], np.inf, X[:, 0])}, r"y\[3\] is inf"),
    ({"x": X.astype(complex), "y": X[:, 0]}, "array 'x' has dtype complex128: it must hold real numbers"),
    ({"x": np.array(COLOURS), "y": X[:, 0]}, "array 'x' has dtype <U5"),
    ({"x": X.astype(object), "y": X[:, 0]}, "array 'x' cannot be read .*pickled objects are refused"),
    ({"x": X, "y": np.array(3.0)}, "array 'y' holds no samples"),
    ({"x": X[:0], "y": X[:0, 0]}, "array 'x' holds no samples"),
    ({"x": X, "y": np.array(["größe".encode("latin-1"), b"b"] * 6)}, "array 'y' holds bytes that are not UTF-8 text"),
    ({"x": X, "y": X[:, 0], "x_test": X, "y_test": np.array(COLOURS)}, "texts and numbers that are not whole"),
    ({"x": X, "y": np.full(12, 0.5)}, "holds 0.5 for every sample"),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_ARCHIVES)
def test_wrong_archives_are_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        archive(tmp_path, **arrays).load()
    assert "\n" not in str(caught.value)


def test_texts_that_are_no_values_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds texts such as 'red'"):
        archive(tmp_path, {"task": "regression"}, x=X, y=np.array(COLOURS)).load()


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    trap = np.empty(12, dtype=object)
    trap[:] = [Trap() for _ in range(12)]
    with pytest.raises(InputError, match="pickled objects are refused"):
        archive(tmp_path, x=trap, y=X[:, 0]).load()
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    archive(tmp_path, x=X, y=X[:, 0])
    whole = (tmp_path / "my.npz").read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2]):
        (tmp_path / "my.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"is not a \.npz file"):
            File(path=str(tmp_path / "my.npz")).load()
    (tmp_path / "my.npz").write_bytes(whole.replace(X.tobytes(), X[::-1].tobytes()))
    with pytest.raises(InputError, match="array 'x' cannot be read"):
        File(path=str(tmp_path / "my.npz")).load()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"dataset\.path is not set: dataset=file needs dataset\.path="),
        ({"path": "no_such.csv"}, r"dataset\.path=no_such\.csv is not a file"),
        pytest.param({"path": __file__}, r"must end in \.csv or \.npz", id="python-file"),
    ],
)
def test_paths_that_cannot_be_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        File(**fields).load()


def test_ignore_is_for_tables(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.ignore=a is for columns of a \.csv"):
        archive(tmp_path, {"ignore": "a"}, x=X, y=X[:, 0]).load()


def test_a_whole_table_is_prepared(tmp_path):
    lines = ["a,b,kind"] + [f"{a},{b},{'up' if a > b else 'down'}" for a, b, _ in np.repeat(X, 10, axis=0)]
    data = table(tmp_path, "\n".join(lines), target="kind").prepare(np.float32)
    assert (data.task, data.class_names, data.input_shape) == ("classification", ("down", "up"), (2,))
    assert data.source == str((tmp_path / "my.csv").resolve())
