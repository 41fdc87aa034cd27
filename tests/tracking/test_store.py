"""The store's address and its folders: any working folder, the home directory, any experiment name."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from pathlib import Path

import numpy as np
import pytest
from test_tracking import begin, measure, predictor

import framework
from framework.errors import InputError
from framework.runs.cursor import Cursor
from framework.runs.journal import Journal
from framework.tracking.client import Tracker, sync
from framework.tracking.store import (
    artifact_root,
    experiment_folder,
    mlflow_address,
    resolve_experiment,
    resolve_uri,
    sqlite_file,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts

ODD = "a%20b?c#d é%"
NAMES = {
    "plain": "runs",
    "space": "a b",
    "decodable": "a%20b",
    "percent": "100%",
    "escaped_twice": "a%2520b",
    "question": "a?b",
    "option": "a?b=c",
    "hash": "a#b",
    "accent": "été",
    "plus": "a+b&c=d",
    "all": ODD,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_default_store_is_in_the_working_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    uri = resolve_uri(None, {})
    database = tmp_path / name / "mlflow.db"
    assert sqlite_file(uri) == database
    assert artifact_root(uri) == tmp_path / name / "mlartifacts"
    assert resolve_uri(uri, {}) == uri
    assert sqlite_file(f"{uri}?timeout=5") == database


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_mlflow_and_sqlalchemy_reach_the_same_database(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="needs the library that MLflow opens databases with")
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    database = tmp_path / name / "mlflow.db"
    database.touch()
    address = mlflow_address(f"{resolve_uri(None, {})}?timeout=5")
    url = sqlalchemy.make_url(address)
    assert Path(url.database).samefile(database)  # as SQLAlchemy reads it, which decodes since 2.1
    assert url.query == {"timeout": "5"}
    assert Path(address.removeprefix("sqlite:///").partition("?")[0]).samefile(database)  # as MLflow reads it itself


@pytest.mark.parametrize("sub", ["runs", "a?b", "100%25"])
def test_a_typed_address_is_decoded_as_a_url(sub: str, tmp_path: Path) -> None:
    typed = sub.replace("%", "%25").replace("?", "%3F")
    assert sqlite_file(resolve_uri(f"sqlite:///{tmp_path}/{typed}/my.db", {})) == tmp_path / sub / "my.db"


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert resolve_uri("sqlite:///~/x.db", {}) == f"sqlite:///{tmp_path.as_posix()}/x.db"
    assert resolve_uri(None, {"MLFLOW_TRACKING_URI": "sqlite:///~/x.db"}) == f"sqlite:///{tmp_path.as_posix()}/x.db"


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        pytest.param("sqlite:////data/a?b/x.db", "write ? in a path as %3F", id="question"),
        pytest.param("sqlite:////data/x.db?", "is not a list of options", id="no_options"),
        pytest.param("sqlite:////data/a%2520b.db", "choose a name without % and ?", id="decodable_name"),
        pytest.param("sqlite:////data/a%3Fb.db", "choose a name without % and ?", id="question_in_name"),
    ],
)
def test_an_address_with_two_meanings_is_refused(uri: str, advice: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_uri(uri, {})
    assert str(caught.value).startswith(f"tracking.uri={uri}: ")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "...", "../..", "/", "a/../..", ".hidden", " ", "~", "a/b", pytest.param("é" * 500, id="long")],
    ids=["up", "here", "dots", "up_twice", "root", "through", "hidden", "space", "home", "slash", "long"],
)
def test_artifacts_of_any_experiment_stay_below_their_folder(name: str, tmp_path: Path) -> None:
    root = tmp_path / "mlartifacts"
    folder = root / experiment_folder(resolve_experiment(name, {}))
    assert folder.resolve().parent == root.resolve()
    assert not folder.name.startswith(".")
    folder.mkdir(parents=True)


@pytest.mark.parametrize("name", ["x" * 501, "a\udcff"], ids=["long", "no_text"])
def test_a_name_that_no_store_accepts_is_refused_first(name: str, tmp_path: Path) -> None:
    words = ["dataset=iris", "epochs=1", f'tracking.uri="sqlite:///{tmp_path}/x.db"', f"tracking.experiment='{name}'"]
    for train, folder in ((framework.run, "run"), (framework.sweep, "sweep")):
        with pytest.raises(InputError, match=r"^tracking\.experiment="):
            train(*words, f"hydra.{folder}.dir={tmp_path}/new")
    with pytest.raises(InputError, match=r"^MLFLOW_EXPERIMENT_NAME="):
        resolve_experiment(None, {"MLFLOW_EXPERIMENT_NAME": name})
    assert list(tmp_path.iterdir()) == []


def delivered_run(folder: Path, experiment: str) -> None:
    """Write the journal of a small run with an artifact and a model."""
    journal: Journal = begin(folder, experiment=experiment)
    (folder / "config.yaml").write_text("problem: test\nseed: 0\nkeep: last\noptimizer: {name: adam}\n")
    measure(journal, 10)
    predictor().save(folder / "model")
    np.save(folder / "model" / "example.npy", np.ones((2, 4), np.float32))
    journal.write("model", path="model", input_example="model/example.npy")
    for name in ("config.yaml", "journal.jsonl"):
        journal.write("artifact", path=name, to="")
    journal.write("end", status="FINISHED")


def test_a_run_in_an_oddly_named_folder_arrives_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ODD
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with Tracker() as tracker:
        tracker.follow(home / "run")
        delivered_run(home / "run", "..")
        assert tracker.finish() == []
    mark = Cursor.load(home / "run")
    assert mark is not None and mark.run_id is not None
    with sqlite3.connect(home / "mlflow.db") as database:
        assert database.execute("select run_uuid, status from runs").fetchall() == [(mark.run_id, "FINISHED")]
        assert database.execute("select count(*) from logged_models").fetchone() == (1,)
    database.close()
    artifacts = home / "mlartifacts" / "_" / mark.run_id / "artifacts"
    assert (artifacts / "config.yaml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [ODD]
    assert sorted(path.name for path in home.iterdir()) == ["mlartifacts", "mlflow.db", "mlflow.db.lock", "run"]

    assert sync([home]).delivered == []  # what MLflow has is no second run

    shutil.move(home / "run", tmp_path / "away")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are imported
        result = framework.load(mark.run_id)
    x = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(result.predict(x), predictor().predict(x))
