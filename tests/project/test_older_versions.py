"""What version 0.1 wrote still loads, is delivered and predicts: a run, a sweep, and a model that MLflow logged.

``tests/older`` was written by that version: ``problem=iris_mlp epochs=3 model.sizes=[4]`` and a sweep of it over
two optimizers and two seeds. Its pictures are single pixels, and OLDER_HOME stands for the folder it was in.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest
import yaml
from places import TESTS

import framework
from framework.runs.cursor import run_id
from framework.tracking.client import sync

pytestmark = [  # of MLflow's own parts
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred:UserWarning"),
]

OLDER = TESTS / "older"
TEXTS = {".json", ".jsonl", ".yaml", ".csv", ".txt", ".py", ""}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what was written, in a folder of its own."""
    folder = tmp_path_factory.mktemp("older") / "home"
    shutil.copytree(OLDER, folder)
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in TEXTS:
            path.write_text(path.read_text(encoding="utf-8").replace("OLDER_HOME", str(folder)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def known() -> dict[str, np.ndarray]:
    """Inputs, and what the run's model predicted for them in version 0.1."""
    with np.load(OLDER / "predictions.npz") as arrays:
        return dict(arrays)


def test_a_run_loads_and_predicts(home: Path, known: dict[str, np.ndarray]) -> None:
    result = framework.load(home / "run")
    assert (result.ended, result.kept_epoch, len(result.history)) == ("budget", 3, 3)
    assert result.params["optimizer.lr"] == 0.001
    assert result.setting == "adam lr=0.001 model.sizes=[4] epochs=3"
    np.testing.assert_allclose(result.predict(known["inputs"]), known["outputs"], rtol=1e-5)


def test_runs_of_a_sweep_load_with_the_figures_of_its_table(home: Path) -> None:
    table = pandas.read_csv(home / "sweep" / "leaderboard.csv")
    for number in range(4):
        result = framework.load(home / "sweep" / str(number))
        row = table[table["run"] == f"{result.params['optimizer.name']} lr=0.001 seed={result.params['seed']}"]
        assert list(row["kept/val/accuracy"]) == [result.metrics["val/accuracy"]]


def test_a_logged_model_predicts(home: Path, known: dict[str, np.ndarray]) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(home / "logged_model"))
    np.testing.assert_allclose(model.predict(known["inputs"]), known["outputs"], rtol=1e-5)


def test_journals_are_delivered(home: Path) -> None:
    import mlflow

    uri = f"sqlite:///{home / 'store.db'}"
    result = sync([home / "run", home / "sweep"], uri)
    assert result.problems == []
    assert len(result.delivered) == 6
    client = mlflow.MlflowClient(uri)
    run = client.get_run(run_id(home / "run"))
    assert (run.info.status, run.data.tags["who"]) == ("FINISHED", "older")
    assert run.data.metrics["kept/val/loss"] == framework.load(home / "run").metrics["val/loss"]
    parent = run_id(home / "sweep")
    for number in range(4):
        assert client.get_run(run_id(home / "sweep" / str(number))).data.tags["mlflow.parentRunId"] == parent


def test_its_command_gives_the_same_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = yaml.safe_load((home / "run" / "overrides.yaml").read_text(encoding="utf-8"))
    again = framework.run(*words, "hydra.run.dir=again", "tracking.enabled=false")
    assert again.metrics == pytest.approx(framework.load(home / "run").metrics)
