"""The Python API: what notebooks call, and that it is the command line's own run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from runs import same_numbers, timeless
from sweeping import SMALL, epochs_of, jobs_of, kinds_of, status_of, weights_of

import framework
from framework.errors import InputError, PluginError
from framework.hydra_app.sweeper import SweepFailedError
from framework.registry import manager

QUIET = ("progress=false", "problem=digits_softmax", "dataset.train_limit=75", "epochs=3")
TRACKED = (*QUIET, "tracking.enabled=true")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of MLflow's own parts
    pytest.mark.usefixtures("unrendered"),
]


class HalfStep(framework.ElementwiseOptimizer):
    """Plain descent by half the rate."""

    lr: float = framework.hyper(0.1, above=0)

    def rule(p, g, *, lr):  # noqa: N805 - a plain function, as authors write them
        return p - 0.5 * lr * g


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# One run


def test_a_run_is_the_command_lines_own(here):
    result = framework.run(*SMALL, "optimizer=adam", "optimizer.lr=0.05")
    (here / "other").mkdir()
    words = [sys.executable, "-m", "framework", *SMALL, "optimizer=adam", "optimizer.lr=0.05"]
    subprocess.run(words, cwd=here / "other", check=True, stdout=subprocess.DEVNULL)
    theirs = next((here / "other").glob("outputs/*/*"))
    assert same_numbers(epochs_of(theirs), epochs_of(result.folder))
    assert weights_of(theirs)["parameters"].tobytes() == weights_of(result.folder)["parameters"].tobytes()
    assert kinds_of(theirs) == kinds_of(result.folder)
    assert {path.name for path in theirs.iterdir()} - {".hydra"} == {path.name for path in result.folder.iterdir()}


def test_a_result_holds_what_a_notebook_asks_for(here):
    result = framework.run(*SMALL, "optimizer.lr=0.05", "seed=3", "+tags.a=b")
    assert {"train/loss", "val/loss", "val/accuracy", "test/loss", "test/accuracy"} <= result.metrics.keys()
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert [row["step"] for row in result.history] == [3, 6, 9]
    assert {"lr", "time/seconds", "train/loss", "val/accuracy"} <= result.history[0].keys()
    assert result.metrics["val/loss"] == result.history[-1]["val/loss"]
    assert (result.params["optimizer.lr"], result.params["seed"]) == (0.05, 3)
    assert not any(name.startswith(("tags", "tracking", "launcher")) for name in result.params)
    assert result.run_id is None
    assert result.ended == "budget"
    assert result.folder.is_absolute()
    assert status_of(result.folder) == "FINISHED"
    assert not (here / "mlflow.db").exists()


def test_a_result_keeps_working_from_another_folder(here, monkeypatch):
    result = framework.run(*SMALL)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert result.predict(np.zeros((2, 64))).shape == (2, 10)


@pytest.mark.parametrize(
    ("how", "best"),
    [([], False), (["keep=best"], True), (["patience=1"], True), (["patience=1", "keep=last"], False)],
    ids=["default", "keep-best", "patience", "patience-keep-last"],
)
def test_a_folder_gives_the_result_back(here, how, best):
    result = framework.run(*SMALL, "epochs=9", "optimizer.lr=0.9", *how)
    for loaded in (framework.load(result.folder), framework.load(str(result.folder))):
        assert loaded.metrics == result.metrics
        assert loaded.history == result.history
        assert loaded.params == result.params
        assert (loaded.ended, loaded.run_id, loaded.folder) == (result.ended, None, result.folder)
        x = np.linspace(0, 16, 128).reshape(2, 64)
        assert np.array_equal(loaded.predict(x), result.predict(x))
    lowest = min(range(len(result.history)), key=lambda epoch: result.history[epoch]["val/loss"])
    assert lowest < len(result.history) - 1  # else this shows nothing
    assert loaded.metrics["val/loss"] == result.history[lowest if best else -1]["val/loss"]


@pytest.mark.parametrize("how", [["keep=best"], ["patience=1"], ["keep=last"]], ids=["keep-best", "patience", "last"])
def test_a_journal_without_kept_figures_gives_the_result_back(here, how):
    result = framework.run(*SMALL, "epochs=9", "optimizer.lr=0.9", *how)
    journal = result.folder / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    best = min(result.history, key=lambda row: row["val/loss"])["epoch"]
    for line in lines:  # as the first version wrote it
        if line["kind"] == "metrics" and line["epoch"] is None:
            figures = {name: value for name, value in line["values"].items() if name.startswith("test/")}
            line |= {"values": figures, "epoch": len(result.history)}
        if line["kind"] == "tags":
            line["values"]["best_epoch"] = str(best)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert framework.load(result.folder).metrics == result.metrics


def test_a_diverged_run_comes_back_too(here):
    result = framework.run(*SMALL, "model=mlp", "optimizer=sgd", "optimizer.lr=1e30")
    assert result.ended == "diverged"
    loaded = framework.load(result.folder)
    assert same_numbers(loaded.metrics, result.metrics)
    assert loaded.ended == "diverged"


WRONG = [
    (["optimizer=adm"], "did you mean adam"),
    (["optimizer.lr=-1"], "optimizer.lr"),
    (["optimizer.lrr=1"], "did you mean"),
    (["+foo=1"], "foo"),
    (["foo"], "foo"),
    (["loss=categorical_cross_entropy"], "takes probabilities"),
    (["plan=true"], "plan"),
    (["tracking.enabled=true", "tracking.uri=somewhere"], "tracking.uri"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_is_wrong_is_an_input_error_and_leaves_nothing(here, words, said):
    with pytest.raises(InputError) as refused:
        framework.run(*SMALL, *words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(here.iterdir()) == []


# A class from a notebook


def test_a_class_just_written_is_used_and_kept(here):
    result = framework.run(*SMALL, "optimizer.lr=0.2", optimizer=HalfStep)
    assert result.params["optimizer.name"] == "half_step"
    assert result.params["optimizer.lr"] == 0.2
    plain = framework.run(*SMALL, "optimizer=sgd", "optimizer.lr=0.1")
    assert timeless(result.history) != timeless(plain.history)  # the rates shown differ, the figures hardly
    assert result.metrics["test/loss"] == pytest.approx(plain.metrics["test/loss"], rel=1e-5)
    assert "half_step" not in framework.names("optimizer")
    with pytest.raises(InputError, match="half_step"):
        framework.run(*SMALL, "optimizer=half_step")


def test_the_source_of_a_class_is_kept_and_runs_again(here):
    result = framework.run(*SMALL, "optimizer.lr=0.2", optimizer=HalfStep)
    kept = result.folder / "half_step.py"
    assert "return p - 0.5 * lr * g" in kept.read_text()
    start = (result.folder / "journal.jsonl").read_text().splitlines()[0]
    assert "--plugin=half_step.py" in start
    words = ["--plugin", str(kept), *SMALL, "optimizer=half_step", "optimizer.lr=0.2"]
    done = subprocess.run([sys.executable, "-m", "framework", *words], cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = max(here.glob("outputs/*/*"), key=lambda path: path.stat().st_mtime)
    assert weights_of(again)["parameters"].tobytes() == weights_of(result.folder)["parameters"].tobytes()


def test_a_class_without_source_runs_too(here):
    space = {"framework": framework}
    exec(  # noqa: S102 - as a cell of a notebook whose source is gone
        "class Gone(framework.ElementwiseOptimizer):\n"
        "    lr: float = framework.hyper(0.1, above=0)\n"
        "    def rule(p, g, *, lr):\n        return p - lr * g\n",
        space,
    )
    result = framework.run(*SMALL, optimizer=space["Gone"])
    assert result.metrics["test/loss"] > 0
    assert not list(result.folder.glob("*.py"))


def test_two_versions_of_a_class_are_two_identities(here):
    def make(factor):
        class Scaled(framework.ElementwiseOptimizer):
            """Scaled descent."""

            lr: float = framework.hyper(factor, above=0)

            def rule(p, g, *, lr):  # noqa: N805
                return p - lr * g

        return Scaled

    losses = [framework.run(*SMALL, optimizer=make(factor)).metrics["test/loss"] for factor in (0.1, 0.2)]
    assert losses[0] != losses[1]


def test_what_is_no_class_or_a_taken_name_is_refused(here):
    with pytest.raises(InputError, match="not an optimizer class"):
        framework.run(*SMALL, optimizer="adam")
    taken = type("Adam", (HalfStep,), {})
    with pytest.raises(PluginError, match="optimizer adam is provided twice"):
        framework.run(*SMALL, optimizer=taken)
    assert manager.find("optimizer", "adam").cls is not taken
    assert list(here.iterdir()) == []


# Sweeps


def test_a_sweep_is_a_table_with_a_row_a_run(here, capsys):
    table = framework.sweep(*SMALL, "optimizer=adam,sgd", "optimizer.lr=0.01,0.1")
    assert isinstance(table, pandas.DataFrame)
    assert len(table) == 4
    assert list(table["kept/val/accuracy"]) == sorted(table["kept/val/accuracy"], reverse=True)
    assert sorted(zip(table["optimizer"], table["lr"], strict=True)) == [
        ("adam", 0.01),
        ("adam", 0.1),
        ("sgd", 0.01),
        ("sgd", 0.1),
    ]
    loaded = framework.load(table["folder"][0])
    assert loaded.metrics["test/loss"] == table["test/loss"][0]
    alone = framework.run(*SMALL, f"optimizer={table['optimizer'][0]}", f"optimizer.lr={table['lr'][0]}")
    assert alone.metrics == loaded.metrics


def test_a_planned_sweep_is_an_empty_table(here, capsys):
    assert len(framework.sweep(*SMALL, "seed=0,1", "plan=true")) == 0
    assert "Nothing was started" in capsys.readouterr().out
    assert list(here.iterdir()) == []


def test_runs_that_fail_are_an_error_and_the_others_stay(here, monkeypatch):
    rule = here / "stubborn.py"
    rule.write_text(
        "from framework import hookimpl\n\n\n@hookimpl\ndef epoch_finished(run, epoch, metrics):\n"
        "    if run.config['seed'] == 1:\n        raise OSError('no')\n"
    )
    with manager.beside(manager.current()) as widened:
        widened.add_file(rule)
        with pytest.raises(SweepFailedError, match=r"2 runs: 1 ok, 1 failed \(the first: .*OSError: no") as failed:
            framework.sweep(*SMALL, "seed=0,1", f"hydra.sweep.dir={here / 's'}", "launcher.workers=1")
    assert [tuple(row) for row in failed.value.runs[["seed", "ended"]].to_numpy()] == [(0, "budget"), (1, "failed")]
    assert failed.value.runs.by_setting()[["seeds", "failed"]].to_numpy().tolist() == [[2, 1]]
    assert [status_of(job) for job in jobs_of(here / "s")] == ["FINISHED", "FAILED"]


# Beside another application


def test_an_application_that_uses_hydra_keeps_its_own(here, monkeypatch):
    conf = here / "theirs"
    conf.mkdir()
    (conf / "app.yaml").write_text("colour: red\n")
    with initialize_config_dir(str(conf), version_base="1.3", job_name="app"):
        held, settings = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
        framework.run(*SMALL, "epochs=1")
        framework.sweep(*SMALL, "epochs=1", "seed=0,1", "hydra/launcher=basic")
        with pytest.raises(InputError):
            framework.run(*SMALL, "optimizer.lrr=1")
        with pytest.raises(InputError):
            framework.sweep(*SMALL, "optimizer=adm,sgd")
        assert GlobalHydra.instance().hydra is held
        assert HydraConfig.instance().cfg is settings
        assert compose("app").colour == "red"
    assert not GlobalHydra.instance().is_initialized()


def test_the_process_is_left_as_it_was(here):
    environment, folder, arguments = dict(os.environ), Path.cwd(), list(sys.argv)
    framework.run(*SMALL, "epochs=1")
    assert (dict(os.environ), Path.cwd(), sys.argv) == (environment, folder, arguments)
    assert not GlobalHydra.instance().is_initialized()


# Names


def test_names_lists_what_is_registered():
    assert {"adam", "sgd", "blog/adam"} <= set(framework.names("optimizer"))
    assert framework.names("layer") == sorted(framework.names("layer"))
    with pytest.raises(InputError, match="did you mean optimizer"):
        framework.names("optimiser")


# With MLflow


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """One real store with a single run and a sweep of two."""
    home = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(home)
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
            patch.delenv(name, raising=False)
        single = framework.run(*TRACKED, "optimizer.lr=0.9", "keep=best", "epochs=9")
        table = framework.sweep(*TRACKED, "seed=0,1", "launcher.workers=1")
        import mlflow.pyfunc
    return home, single, table, mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")


def test_the_kept_models_figures_are_in_mlflow_at_its_step(tracked):
    _, single, _, client = tracked
    metrics = client.get_run(single.run_id).data.metrics
    (row,) = [row for row in single.history if row["epoch"] == metrics["kept/epoch"]]
    assert row["val/loss"] == min(row["val/loss"] for row in single.history) != metrics["val/loss"]
    for name in ("val/loss", "val/accuracy", "train/loss"):
        (point,) = client.get_metric_history(single.run_id, f"kept/{name}")
        assert (point.value, point.step) == (row[name], row["step"])
    (tested,) = client.get_metric_history(single.run_id, "test/loss")
    assert tested.step == row["step"]
    epochs = client.get_metric_history(single.run_id, "epoch")
    assert [point.value for point in epochs] == list(range(1, 10))


def test_a_run_is_in_mlflow(tracked):
    _, single, _, client = tracked
    run = client.get_run(single.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/loss"] == single.metrics["test/loss"]
    assert run.data.params["optimizer.lr"] == "0.9"
    assert run.data.tags["mlflow.runName"].startswith("adam lr=0.9")
    assert shlex.split(run.data.tags["command"])[:3] == ["python", "-m", "framework"]


def test_a_run_comes_back_by_its_id(tracked, monkeypatch):
    home, single, _, _ = tracked
    monkeypatch.chdir(home)
    loaded = framework.load(single.run_id)
    assert (loaded.folder, loaded.run_id) == (single.folder, single.run_id)
    assert (loaded.metrics, loaded.history, loaded.params) == (single.metrics, single.history, single.params)


def test_a_run_whose_folder_is_gone_comes_from_mlflow(tracked, monkeypatch):
    home, single, _, _ = tracked
    x = np.linspace(0, 16, 192).reshape(3, 64)
    expected = single.predict(x)
    moved = single.folder.with_name("moved")
    single.folder.rename(moved)
    try:
        monkeypatch.chdir(home.parent)
        loaded = framework.load(single.run_id, uri=f"sqlite:///{home / 'mlflow.db'}")
        assert loaded.folder not in (single.folder, moved)
        assert loaded.run_id == single.run_id
        assert (loaded.metrics, loaded.history, loaded.params) == (single.metrics, single.history, single.params)
        assert loaded.ended == single.ended
        assert np.array_equal(loaded.predict(x), expected)
        again = framework.load(single.run_id, uri=f"sqlite:///{home / 'mlflow.db'}")
        assert again.folder == loaded.folder
        assert "MLFLOW_TRACKING_URI" not in os.environ
    finally:
        moved.rename(single.folder)


def test_a_run_of_a_sweep_comes_back_by_its_id(tracked, monkeypatch):
    home, _, table, client = tracked
    monkeypatch.chdir(home)
    folder = Path(table["folder"][0])
    key = framework.load(folder).run_id
    assert client.get_run(key).data.tags["mlflow.parentRunId"]
    assert framework.load(key).folder == folder
    moved = folder.with_name("moved")
    folder.rename(moved)
    try:
        loaded = framework.load(key)
        assert loaded.metrics["test/loss"] == table["test/loss"][0]
        with pytest.raises(InputError, match="holds no saved model"):
            loaded.predict(np.zeros((1, 64)))
    finally:
        moved.rename(folder)


def test_what_is_logged_predicts_the_same(tracked, monkeypatch):
    home, single, _, client = tracked
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow sets it; it is taken back here

    x = np.linspace(0, 16, 192, dtype=np.float32).reshape(3, 8, 8, 1)
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    model = client.get_run(single.run_id).outputs.model_outputs[0].model_id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served = mlflow.pyfunc.load_model(f"models:/{model}")
        assert np.array_equal(served.predict(x), single.predict(x))


@pytest.mark.parametrize("name", ["0" * 32, "nonsense", "no/such/folder"])
def test_a_run_that_is_not_there_is_said(tracked, monkeypatch, name):
    monkeypatch.chdir(tracked[0])
    with pytest.raises(InputError, match="there is no such"):
        framework.load(name)


def test_looking_for_a_run_makes_no_store(here):
    with pytest.raises(InputError, match="no run with that id"):
        framework.load("0" * 32)
    assert list(here.iterdir()) == []


def test_a_folder_that_is_no_runs_is_said(tracked, here):
    (here / "empty").mkdir()
    with pytest.raises(InputError, match=r"journal\.jsonl"):
        framework.load(here / "empty")
    sweep = Path(tracked[2]["folder"][0]).parent
    with pytest.raises(InputError, match=r"config\.yaml"):
        framework.load(sweep)


def test_what_mlflow_did_not_take_is_a_warning(here, monkeypatch):
    (here / "broken.db").write_text("this is no database")
    with pytest.warns(UserWarning, match=r"broken\.db"):
        result = framework.run(*TRACKED, "epochs=1", "tracking.uri=sqlite:///broken.db")
    assert result.metrics["test/loss"] > 0
    assert result.run_id is None
