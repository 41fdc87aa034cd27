"""From journals to MLflow: a real writer process, a real SQLite store, real kills and outages."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.request
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deliveries import assert_delivered
from processes import PATIENCE, wait_until

from framework.errors import InputError
from framework.runs.cursor import Cursor, run_id
from framework.runs.journal import Entry, Journal, read_journal
from framework.tracking import entities
from framework.tracking.client import Tracker, pending, sync
from framework.tracking.running import end_running
from framework.tracking.store import Store, artifact_root, resolve_experiment, resolve_uri, sqlite_file
from framework.training.predictor import Description, Predictor

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one database that most tests share, for each database takes seconds to make."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def uri(home: Path) -> str:
    return f"sqlite:///{home / 'runs.db'}"


@pytest.fixture(scope="module")
def client(uri: str) -> Any:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are imported
        import mlflow.pyfunc
    return mlflow.MlflowClient(uri)


COLUMNS = ("width", "height", "a b", "ä")


def begin(folder: Path, name: str = "adam lr=0.001 seed=0", *, experiment: str = "tests", **content: Any) -> Journal:
    """Start a journal as the trainer does."""
    journal = Journal(folder)
    start = {"params": {"optimizer.lr": 0.001}, "tags": {"optimizer": "adam"}, "description": "", "parent": None}
    journal.write("start", name=name, experiment=experiment, **{**start, "dataset": None, **content})
    return journal


def measure(journal: Journal, *steps: int, **values: float) -> None:
    for step in steps:
        journal.write("metrics", step=step, epoch=step // 10, values={"train/loss": 1 / step, **values})


def points(client: Any, run: str | None, metric: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in client.get_metric_history(run, metric))


def predictor(columns: Sequence[str] = ()) -> Predictor:
    rng = np.random.default_rng(0)
    layers: list[Any] = [("dense", {"units": 3})]
    description = Description(
        layers, (4,), "float32", "classification", ["a", "b", "c"], list(columns), output_shape=(3,)
    )
    arrays: dict[str, np.ndarray] = {
        "parameters": rng.normal(size=15).astype(np.float32),
        "buffers": np.zeros(0, np.float32),
        "input_mean": np.zeros(4),
        "input_scale": np.full(4, 2.0),
        "target_mean": np.zeros(()),
        "target_scale": np.ones(()),
    }
    return Predictor(description, arrays)


@pytest.fixture(scope="module")
def delivered(home: Path, uri: str) -> dict[str, Path]:
    """Folders of runs that one writer delivered while they were written, with an alien MLFLOW_RUN_ID around."""
    runs = home / "runs"
    folders = {name: runs / name for name in ("full", "sweep", "child", "flawed", "unstarted", "table")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", "0" * 32)
        told: list[Any] = []
        with Tracker(uri, progress=lambda left, items: told.append(left)) as tracker:
            for folder in (
                folders["child"],
                folders["sweep"],
                folders["full"],
                folders["flawed"],
                folders["unstarted"],
                folders["table"],
            ):
                tracker.follow(folder)
            _write_full(folders["full"])
            child = begin(folders["child"], "child", parent=folders["sweep"])
            child.write("end", status="FINISHED")
            begin(folders["sweep"], "sweep").write("end", status="FAILED")
            flawed = begin(folders["flawed"], "flawed")
            flawed.write("artifact", path="missing.txt", to="")
            measure(flawed, 1)
            flawed.write("end", status="FINISHED")
            tabular = begin(folders["table"], "table")
            _write_model(folders["table"], tabular, predictor(COLUMNS), 1.7e9 + np.arange(8.0).reshape(2, 4))
            tabular.write("end", status="FINISHED")
            problems = tracker.finish()
    assert told[0] is None
    assert told[1:] == sorted(told[1:], reverse=True)
    assert problems == [
        f"{folders['flawed']}: MLflow refused its artifact missing.txt: {folders['flawed']}/missing.txt does not exist"
    ]
    return folders


def _write_full(folder: Path) -> None:
    data = {"name": "digits", "source": "scikit-learn", "digest": "abc123", "samples": {"train": 9}, "features": [64]}
    params = {f"p{place}": place for place in range(150)} | {"list[0]": "x", "long": "y" * 7000, "optimizer.lr": 1e-3}
    journal = begin(
        folder, params=params, tags={"optimizer": "adam", "git_commit": "f" * 40}, description="**note**", dataset=data
    )
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("A")
    (folder / "config.yaml").write_text("lr: 0.001\n")
    journal.write("artifact", path="config.yaml", to="")
    journal.write("artifact", path="files", to="more")
    measure(journal, *range(10, 7510, 10), **{"val/loss": 2.0})
    journal.write("metrics", step=7510, epoch=751, values={"train/loss": math.nan, "val/loss": math.inf, "lr": None})
    _write_model(folder, journal, predictor(), np.ones((2, 4), np.uint8))
    journal.write("tags", values={"ended": "budget"})
    journal.write("end", status="FINISHED")
    journal.close()


def _write_model(folder: Path, journal: Journal, model: Predictor, example: np.ndarray) -> None:
    model.save(folder / "model")
    np.save(folder / "model" / "example.npy", example)
    journal.write("model", path="model", input_example="model/example.npy")


def served(uri: str, folder: Path) -> Any:
    """Return the model that MLflow has of a run."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    return mlflow.pyfunc.load_model(f"runs:/{run_id(folder)}/model")


def test_a_run_arrives_whole(delivered: dict[str, Path], client: Any) -> None:
    folder = delivered["full"]
    run = client.get_run(run_id(folder))
    assert (run.info.run_name, run.info.status) == ("adam lr=0.001 seed=0", "FINISHED")
    entries = read_journal(folder)
    assert run.info.start_time == int(entries[0].time * 1000)
    assert run.info.end_time == int(entries[-1].time * 1000)
    params = run.data.params
    assert len(params) == 153
    assert (params["optimizer.lr"], params["p149"], params["list_0_"]) == ("0.001", "149", "x")
    assert params["long"] == "y" * 5999 + "…"
    tags = run.data.tags
    assert (tags["optimizer"], tags["ended"], tags["diverged"]) == ("adam", "budget", "true")
    assert (tags["mlflow.note.content"], tags["mlflow.source.git.commit"]) == ("**note**", "f" * 40)


def test_metrics_arrive_in_full_without_infinities(delivered: dict[str, Path], client: Any) -> None:
    run = run_id(delivered["full"])
    steps = range(10, 7510, 10)
    *finite, last = points(client, run, "train/loss")
    assert finite == [(step, 1 / step) for step in steps]
    assert last[0] == 7510
    assert math.isnan(last[1])
    assert points(client, run, "val/loss") == [(step, 2.0) for step in steps]
    assert points(client, run, "epoch") == [(step, step // 10) for step in (*steps, 7510)]
    assert "lr" not in client.get_run(run).data.metrics


def test_losses_and_figures_come_first_on_a_runs_page() -> None:
    batch = entities.LogBatch()
    values = {"time/seconds": 1.0, "lr": 0.1, "train/loss": 2.0, "val/loss": 3.0}
    batch.add(Entry("metrics", 0.0, {"step": 5, "epoch": 1, "values": values}, 0))
    assert [name for name, *_ in batch.metrics] == ["train/loss", "val/loss", "time/seconds", "lr", "epoch"]


def test_artifacts_and_data_set_arrive_beside_the_database(delivered: dict[str, Path], client: Any, home: Path) -> None:
    run = client.get_run(run_id(delivered["full"]))
    place = home / "mlartifacts" / "tests" / run.info.run_id / "artifacts"
    assert (place / "config.yaml").read_text() == "lr: 0.001\n"
    assert (place / "more" / "a.txt").read_text() == "A"
    (entry,) = run.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("digits", "abc123")
    assert json.loads(entry.dataset.profile) == {"samples": {"train": 9}, "features": [64]}
    assert json.loads(entry.dataset.source) == {"uri": "scikit-learn"}


def test_the_model_is_served_without_a_pickle(delivered: dict[str, Path], client: Any, uri: str, home: Path) -> None:
    model = served(uri, delivered["full"])
    x = np.random.default_rng(1).normal(size=(7, 4))
    assert np.array_equal(model.predict(x), predictor().predict(x))
    assert model.metadata.signature.outputs.inputs[0].shape == (-1, 3)
    assert np.array_equal(model.input_example, np.ones((2, 4)))
    files = [path for path in (home / "mlartifacts").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} <= {".json", ".yaml", ".yml", ".txt", ".py", ".npz", ".npy", ""}
    assert not any(path.read_bytes().startswith(b"\x80") for path in files)


def test_the_model_takes_the_data_sets_own_types(delivered: dict[str, Path], client: Any, uri: str) -> None:
    import pandas as pd

    model = served(uri, delivered["full"])
    x = np.random.default_rng(1).integers(0, 256, (7, 4))
    expected = predictor().predict(x)
    for given in (x, x.astype(np.uint8), x.astype(np.float64), x.astype(np.float32), x.tolist(), pd.DataFrame(x)):
        assert np.array_equal(model.predict(given), expected)
    with pytest.raises(InputError, match=r"predict takes numbers of shape \(N, 4\), not \(7, 3\)"):
        model.predict(x[:, :3])


def test_a_tables_model_takes_named_columns(delivered: dict[str, Path], client: Any, uri: str) -> None:
    import pandas as pd

    model = served(uri, delivered["table"])
    assert model.metadata.get_input_schema().input_names() == list(COLUMNS)
    assert list(model.input_example.columns) == list(COLUMNS)
    assert np.array_equal(model.input_example, 1.7e9 + np.arange(8.0).reshape(2, 4))
    x = 1.7e9 + np.random.default_rng(1).integers(0, 9, (7, 4)) / 8
    frame = pd.DataFrame(x, columns=COLUMNS)
    for given in (frame, frame[list(reversed(COLUMNS))].assign(more="text"), frame.to_dict("list")):
        assert np.array_equal(model.predict(given), predictor(COLUMNS).predict(x))
    whole = frame.astype(np.int64)
    assert np.array_equal(model.predict(whole), predictor(COLUMNS).predict(whole.to_numpy()))
    with pytest.raises(InputError, match="takes a table with the columns width, height, a b, ä; this one lacks width,"):
        model.predict(x)
    with pytest.raises(InputError, match="this one lacks height"):
        model.predict(frame.drop(columns="height"))


def test_a_model_gives_class_names_on_request(delivered: dict[str, Path], client: Any, uri: str) -> None:
    model = served(uri, delivered["full"])
    x = np.random.default_rng(1).normal(size=(50, 4))
    expected = np.array(["a", "b", "c"])[predictor().predict(x).argmax(axis=1)]
    assert np.array_equal(model.predict(x, params={"output": "class"}), expected)
    assert len(set(expected)) > 1
    with pytest.raises(InputError, match="output='names' is not known: use scores or class"):
        model.predict(x, params={"output": "names"})


def test_a_child_waits_for_its_sweep_and_hangs_below_it(delivered: dict[str, Path], client: Any) -> None:
    child = client.get_run(run_id(delivered["child"]))
    assert child.data.tags["mlflow.parentRunId"] == run_id(delivered["sweep"])
    assert client.get_run(run_id(delivered["sweep"])).info.status == "FAILED"


def test_what_is_refused_keeps_nothing_else_back(delivered: dict[str, Path], client: Any) -> None:
    run = client.get_run(run_id(delivered["flawed"]))
    assert (run.info.status, run.data.metrics["train/loss"]) == ("FINISHED", 1.0)
    assert not pending(delivered["flawed"])


def test_a_second_delivery_changes_nothing(delivered: dict[str, Path], client: Any, uri: str) -> None:
    folder = delivered["full"]
    before = client.get_run(run_id(folder)).to_dictionary()
    assert sync([folder.parent], uri).delivered == []  # all is marked as delivered

    # A kill right after each call leaves a mark that lags behind the store: all is sent again, and taken as the same.
    mark = Cursor.load(folder)
    assert mark is not None
    Cursor(mark.tracking_uri, key=mark.key, acted=read_journal(folder)[-2].end).save(folder)
    result = sync([folder], uri)
    assert (result.delivered, result.problems) == ([folder], [])
    assert run_id(folder) == mark.run_id
    assert str(client.get_run(mark.run_id).to_dictionary()) == str(before)
    assert len(points(client, mark.run_id, "train/loss")) == 751
    runs = client.search_runs([mark.experiment_id], filter_string=f"tags.journal_key = '{mark.key}'")
    assert len(runs) == 1


def test_only_an_experiment_that_we_create_gets_our_tags(
    delivered: dict[str, Path], client: Any, uri: str, tmp_path: Path
) -> None:
    ours = client.get_experiment_by_name("tests")
    assert ours.tags["mlflow.experimentKind"] == "custom_model_development"
    assert [name for name in ours.tags if name.startswith("mlflow.sharedViewState.")]
    client.create_experiment("theirs", tags={"team": "red"})
    before = client.get_experiment_by_name("theirs").tags
    begin(tmp_path / "run", experiment="theirs").write("end", status="FINISHED")
    assert sync([tmp_path], uri).problems == []
    theirs = client.get_experiment_by_name("theirs")
    assert [run.info.run_id for run in client.search_runs([theirs.experiment_id])] == [run_id(tmp_path / "run")]
    assert theirs.tags == before == {"team": "red"}
    newest = Store(uri).last_used()
    assert newest is not None and newest.name == "theirs"


def test_the_ui_opens_on_the_store(delivered: dict[str, Path], uri: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = "import sys; from framework.cli.ui import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "--port", str(port), "--uri", uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith(f"MLflow UI: http://127.0.0.1:{port}  (store: {uri};")
            what, page = server.stdout.readline().split()
            assert what == "runs"
            assert page.startswith(f"http://127.0.0.1:{port}/#/experiments/")
            address = f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/get?run_id={run_id(delivered['full'])}"
            wait_until(lambda: _fetched(address) is not None)
            answer = _fetched(address)
            assert answer is not None
            assert json.loads(answer)["run"]["info"]["status"] == "FINISHED"
        finally:
            os.killpg(server.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        assert server.wait(PATIENCE) == 0


def _fetched(address: str) -> bytes | None:
    try:
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
            return bytes(answer.read())
    except OSError:
        return None


TRAINER = """
import sys, time
from collections.abc import Sequence
from pathlib import Path
from framework.runs.journal import Journal
from framework.tracking.client import Tracker
folder = Path(sys.argv[1])
with Tracker(sys.argv[2]) as tracker:
    tracker.follow(folder)
    journal = Journal(folder)
    journal.write("start", name="killed", experiment="tests", params={}, tags={}, parent=None, dataset=None)
    for step in range(1, 51):
        journal.write("metrics", step=step, epoch=step, values={"train/loss": 1 / step})
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_killed_trainer_leaves_a_run_that_says_so_and_can_go_on(tmp_path: Path, client: Any, uri: str) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", TRAINER, folder, uri], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "ready\n"
        trainer.send_signal(signal.SIGKILL)
    assert [entry.content["step"] for entry in read_journal(folder)[1:]] == list(range(1, 51))
    wait_until(lambda: not pending(folder))
    run = run_id(folder)
    assert client.get_run(run).info.status == "KILLED"
    assert points(client, run, "train/loss") == [(step, 1 / step) for step in range(1, 51)]

    resumed = Journal(folder)
    measure(resumed, 51)
    assert sync([folder], uri).problems == []  # resumed, and killed again
    assert client.get_run(run).info.status == "KILLED"
    measure(resumed, 52)
    resumed.write("end", status="FINISHED")
    assert sync([folder], uri).problems == []
    assert run_id(folder) == run
    assert client.get_run(run).info.status == "FINISHED"
    assert points(client, run, "train/loss") == [(step, 1 / step) for step in range(1, 53)]


def test_an_unreachable_server_costs_nothing_but_a_sync(tmp_path: Path, client: Any, uri: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sweep, child = tmp_path / "sweep", tmp_path / "sweep" / "0"
        with Tracker(nowhere) as tracker:
            for folder, parent in ((sweep, None), (child, sweep)):
                tracker.follow(folder)
                journal = begin(folder, parent=parent)
                measure(journal, 1, 2)
                journal.write("end", status="FINISHED")
    (problem,) = tracker.problems
    assert problem.startswith(f"MLflow at {nowhere}: ")
    assert problem.endswith(
        f"The 2 journals in {sweep} are complete; "
        f"`python -m framework sync {sweep} --uri {nowhere}` will deliver them later."
    )
    assert "\n" not in problem
    assert len(read_journal(child)) == 4

    result = sync([child], uri)  # its sweep goes first, for a run cannot be hung below one that is not there
    assert (result.delivered, result.problems) == ([sweep, child], [])
    assert client.get_run(run_id(child)).data.tags["mlflow.parentRunId"] == run_id(sweep)
    assert points(client, run_id(child), "train/loss") == [(1, 1.0), (2, 0.5)]


def test_a_writer_that_was_killed_is_started_again_at_the_end(tmp_path: Path, client: Any, uri: str) -> None:
    with Tracker(uri) as tracker:
        assert tracker._process is not None
        tracker._process.kill()
        tracker._process.wait()
        tracker.follow(tmp_path)
        journal = begin(tmp_path)
        journal.write("end", status="FINISHED")
    assert tracker.problems == []
    assert client.get_run(run_id(tmp_path)).info.status == "FINISHED"


def test_a_writer_that_dies_again_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def spawn() -> Any:
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        process.kill()
        started.append(process)
        return process, tempfile.TemporaryFile("w+")

    monkeypatch.setattr("framework.tracking.client._spawn", spawn)
    with Tracker(f"sqlite:///{tmp_path}/mlflow.db") as tracker:
        tracker.follow(tmp_path)
        begin(tmp_path).write("end", status="FINISHED")
        (problem,) = tracker.finish()
    assert (
        f"`python -m framework sync {tmp_path} --uri sqlite:///{tmp_path}/mlflow.db` will deliver it later" in problem
    )
    assert tracker.problems == [problem]
    assert len(started) == 2


def test_a_writer_that_cannot_start_is_one_line(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with Tracker(uri) as tracker:
        tracker.follow(tmp_path)
        begin(tmp_path).write("end", status="FINISHED")
    (problem,) = tracker.problems
    assert "the writer process could not be started" in problem
    assert f"sync {tmp_path} --uri {uri}`" in problem


def test_two_writers_may_meet_on_a_fresh_database(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    folders = [tmp_path / "a", tmp_path / "b"]
    with Tracker(uri) as first, Tracker(uri) as second:
        for tracker, folder in zip((first, second), folders, strict=True):
            tracker.follow(folder)
            begin(folder).write("end", status="FINISHED")
    assert (first.problems, second.problems) == ([], [])
    marks = [Cursor.load(folder) for folder in folders]
    assert len({mark.experiment_id for mark in marks if mark}) == 1
    assert len({mark.run_id for mark in marks if mark}) == 2


def test_tracking_can_be_switched_off(tmp_path: Path) -> None:
    with Tracker("not a store", enabled=False) as tracker:
        tracker.follow(tmp_path)
    assert tracker.finish() == []


def test_the_training_process_does_not_import_mlflow() -> None:
    heavy = {"mlflow", "sqlalchemy", "ssl"}
    script = f"import sys, framework.tracking.client; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_sync_of_a_folder_without_journals_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no journal.jsonl, nor does any folder in it"):
        sync([tmp_path])


def test_the_store_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"MLFLOW_TRACKING_URI": "http://host:5000", "MLFLOW_EXPERIMENT_NAME": "theirs"}
    assert resolve_uri(None, {}) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri(None, environment) == "http://host:5000"
    assert resolve_uri("sqlite:///sub/my.db", environment) == f"sqlite:///{tmp_path}/sub/my.db"
    assert sqlite_file(f"sqlite:///{tmp_path}/my.db?timeout=5") == tmp_path / "my.db"
    assert artifact_root(f"sqlite:///{tmp_path}/my.db") == tmp_path / "mlartifacts"
    assert artifact_root("http://host:5000") is None
    assert [
        resolve_experiment(name, env) for name, env in (("mine", environment), (None, environment), (None, {}))
    ] == [
        "mine",
        "theirs",
        "framework",
    ]


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("./mlruns", "set tracking.uri=sqlite:///mlruns.db"),
        ("file:///data/mlruns", "set tracking.uri=sqlite:////data/mlruns.db"),
        ("sqlite://", "as in sqlite:///mlflow.db"),
        ("sqlite:///:memory:", "as in sqlite:///mlflow.db"),
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused_at_once(uri: str, advice: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_uri(uri, {})
    assert str(caught.value).startswith(f"tracking.uri={uri}: ")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("a.b/c d-1", "a.b/c d-1"),
        ("f(x)=1", "f_x__1"),
        ("a//b/../c/", "a/b/c"),
        pytest.param("k" * 300, "k" * 250, id="long"),
        ("", "_"),
    ],
)
def test_keys_become_what_mlflow_accepts(key: str, accepted: str, client: Any) -> None:
    from mlflow.utils.validation import _validate_param_name

    assert entities.accepted_key(key) == accepted
    _validate_param_name(accepted)


def test_a_batch_keeps_one_value_a_param_and_marks_infinities() -> None:
    batch = entities.LogBatch()
    batch.add(Entry("start", 1.0, {"params": {"a=b": 1, "a,b": 2}}, 0))
    batch.add(Entry("metrics", 2.5, {"step": 3, "epoch": 1, "values": {"x": -math.inf, "y": 0.5, "z": None}}, 0))
    assert batch.params == {"a_b": "2"}
    assert batch.tags == {"diverged": "true"}
    assert batch.metrics == [("y", 0.5, 2500, 3), ("epoch", 1.0, 2500, 3)]


STARTED = """
import sys, time
from pathlib import Path
from framework.tracking import client
if sys.argv[1] == "early":
    client.start_early(f"sqlite:///{sys.argv[3]}.db")  # a new database
    writer, _ = client._EARLY[0]
else:
    tracker = client.Tracker(sys.argv[2]).__enter__()
    writer = tracker._process
    if sys.argv[1] == "named":
        tracker.follow(Path(sys.argv[3]))
print(writer.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("moment", ["early", "opened", "named"])
def test_a_writer_does_not_outlive_a_trainer_that_recorded_nothing(moment: str, tmp_path: Path, uri: str) -> None:
    words = [sys.executable, "-c", STARTED, moment, uri, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        writer = int(trainer.stdout.readline())
        trainer.send_signal(signal.SIGKILL)
    wait_until(lambda: _ended(writer))


@pytest.mark.long
def test_a_writer_that_gets_sigterm_is_followed_by_another(tmp_path: Path, client: Any, uri: str) -> None:
    folder = tmp_path / "run"
    with Tracker(uri) as tracker:
        tracker.follow(folder)
        journal = begin(folder)
        wait_until(lambda: run_id(folder))  # the handler is set long before
        first = tracker._process
        assert first is not None
        first.terminate()
        first.wait(PATIENCE)
        measure(journal, 1, 2)
        journal.write("end", status="FINISHED")
    assert tracker.problems == []
    assert client.get_run(run_id(folder)).info.status == "FINISHED"
    assert points(client, run_id(folder), "train/loss") == [(1, 1.0), (2, 0.5)]


def _ended(pid: int) -> bool:
    """Return whether a process has ended; one whose parent does not collect it is a zombie."""
    command = ["ps", "-o", "state=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] in ("", "Z")


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.long)])
def test_a_locked_database_is_waited_for(seconds: int, tmp_path: Path, home: Path, client: Any, uri: str) -> None:
    folder = tmp_path / "run"
    with closing(sqlite3.connect(home / "runs.db", check_same_thread=False)) as database, Tracker(uri) as tracker:
        database.execute("BEGIN IMMEDIATE")
        free = threading.Timer(seconds, database.rollback)
        free.start()
        tracker.follow(folder)
        journal = begin(folder)
        measure(journal, 1, 2)
        journal.write("end", status="FINISHED")
        problems = tracker.finish()
        free.join()
    if seconds < 20:  # MLflow's own limit for one call
        assert problems == []
    elif pending(folder):
        assert f"`python -m framework sync {folder}" in problems[0]
        assert problems[0].endswith("will deliver it later.")
        assert sync([folder], uri).problems == []
    assert points(client, run_id(folder), "train/loss") == [(1, 1.0), (2, 0.5)]
    mark = Cursor.load(folder)
    assert mark is not None
    assert len(client.search_runs([mark.experiment_id], f"tags.journal_key = '{mark.key}'")) == 1


PEER = """
import sys
from pathlib import Path
from framework.runs.journal import Journal
from framework.tracking.client import Tracker
with Tracker(sys.argv[1]) as tracker:
    for number in range(3):
        folder = Path(sys.argv[2]) / str(number)
        tracker.follow(folder)
        journal = Journal(folder)
        journal.write("start", name="peer", experiment="peers", params={"a": 1}, tags={}, parent=None, dataset=None)
        for step in range(1, 21):
            journal.write("metrics", step=step, epoch=step, values={"train/loss": 1 / step})
        journal.write("end", status="FINISHED")
print(tracker.problems)
"""


@pytest.mark.parametrize("trial", [pytest.param(trial, marks=pytest.mark.long) for trial in range(20)])
def test_ten_processes_at_once_on_a_fresh_store_lose_nothing(trial: int, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/sub/new.db"
    words = [[sys.executable, "-c", PEER, uri, str(tmp_path / f"peer{number}")] for number in range(10)]
    peers = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in words]
    for peer in peers:
        said, complaints = peer.communicate(timeout=PATIENCE)
        assert (peer.returncode, said, complaints) == (0, "[]\n", "")
    import mlflow

    client = mlflow.MlflowClient(uri)
    assert [place.name for place in client.search_experiments() if place.name != "Default"] == ["peers"]
    assert_delivered(client, "peers", [tmp_path / f"peer{peer}" / str(run) for peer in range(10) for run in range(3)])


def test_a_run_that_mlflow_shows_as_running_gets_the_status_of_its_journal(
    delivered: dict[str, Path], tmp_path: Path, client: Any, uri: str
) -> None:
    ended, begun = tmp_path / "ended", tmp_path / "begun"
    begin(ended).write("end", status="FAILED")
    begin(begun)
    assert sync([ended, begun], uri).problems == []
    for folder in (ended, begun):
        client.update_run(run_id(folder), status="RUNNING")
    cursor = Cursor.load(ended)
    assert cursor is not None
    assert cursor.run_id is not None
    double = client.create_run(cursor.experiment_id, tags={"journal_key": cursor.key})  # by an answer that got lost
    theirs = client.create_run(cursor.experiment_id, tags={"folder": str(ended)})
    assert end_running([ended, begun], uri) == 2
    states = [client.get_run(run).info.status for run in (cursor.run_id, double.info.run_id, theirs.info.run_id)]
    assert states == ["FAILED", "FAILED", "RUNNING"]
    assert client.get_run(run_id(begun)).info.status == "RUNNING"
    assert end_running([ended], f"sqlite:///{tmp_path}/nothing.db") == 0
    assert not (tmp_path / "nothing.db").exists()
