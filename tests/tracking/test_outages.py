"""A real MLflow server that answers late, wrongly or not at all: everything arrives, and nothing twice."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deliveries import assert_delivered
from processes import PATIENCE, command, wait_until
from proxies import Proxy, free_port, mlflow_server
from test_tracking import begin, measure, predictor

from framework.errors import TrackingError
from framework.tracking.client import Tracker, pending, sync
from framework.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy before a server that all tests share, for a server takes seconds to start."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    with mlflow_server(folder, port), Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Any:
    import mlflow

    proxy.rule = lambda method, path: "pass"
    return mlflow.MlflowClient(proxy.uri)


def sweep(top: Path, experiment: str, runs: int = 3) -> list[Path]:
    """Write the journals of a sweep; its last run has a data set, files and a model. Return the folders."""
    folders = [top, *(top / str(number) for number in range(runs))]
    begin(top, "sweep", experiment=experiment).write("end", status="FINISHED")
    data = {"name": "digits", "source": "scikit-learn", "digest": "abc", "samples": {"train": 9}, "features": [64]}
    for folder in folders[1:]:
        last = folder == folders[-1]
        journal = begin(folder, folder.name, experiment=experiment, parent=top, dataset=data if last else None)
        measure(journal, 10, 20, 30)
        journal.write("metrics", step=30, epoch=None, values={"kept/val/loss": 0.25})
        journal.write("tags", values={"ended": "budget"})
        if last:
            predictor().save(folder / "model")
            np.save(folder / "model" / "example.npy", np.ones((2, 4), np.float32))
            journal.write("model", path="model", input_example="model/example.npy")
            journal.write("artifact", path="journal.jsonl", to="")
        journal.write("end", status="FINISHED")
    return folders


def deliver(folders: list[Path], uri: str) -> list[str]:
    """Deliver journals as a trainer does; return the problems."""
    with Tracker(uri) as tracker:
        for folder in folders:
            tracker.follow(folder)
    return tracker.problems


def is_creation(method: str, path: str) -> bool:
    return method == "POST" and path.endswith(("/create", "/logged-models", "/runs/outputs"))


def test_a_creation_whose_answer_is_lost_is_not_repeated(tmp_path: Path, proxy: Proxy, client: Any) -> None:
    lost: Counter[str] = Counter()

    def rule(method: str, path: str) -> str:
        if is_creation(method, path):
            lost[path] += 1
            return "lose" if lost[path] % 2 else "pass"
        return "pass"

    folders = sweep(tmp_path / "sweep", "lost")
    proxy.rule = rule
    deliver(folders, proxy.uri)
    proxy.rule = lambda method, path: "pass"
    sync([tmp_path], proxy.uri)
    assert sum(lost.values()) >= len(folders) + 2  # an experiment and a model, too
    assert_delivered(client, "lost", folders)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_fails_now_and_then_gets_everything_at_once(
    seed: int, tmp_path: Path, proxy: Proxy, client: Any
) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    failed: set[tuple[str, str]] = set()

    def rule(method: str, path: str) -> str:
        call = method, path
        if call in failed or chance.random() > 0.6:
            return "pass"
        failed.add(call)
        return chance.choice(["lose", "500", "refuse"])

    name = f"flaky{seed}"
    folders = sweep(tmp_path / "sweep", name)
    proxy.rule = rule
    problems = deliver(folders, proxy.uri)
    assert failed
    assert problems == []
    assert not any(map(pending, folders))
    proxy.rule = lambda method, path: "pass"
    assert_delivered(client, name, folders)


LIMITED = """
import resource, sys
from framework.tracking.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # as on a full disk
Store(sys.argv[1])
"""


def test_a_store_whose_tables_a_full_disk_cut_off_is_made_again(tmp_path: Path) -> None:
    file, uri = tmp_path / "full.db", f"sqlite:///{tmp_path}/full.db"
    words = [sys.executable, "-c", LIMITED, uri]
    made = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "full.db: (sqlite3.OperationalError) " in made.stderr.splitlines()[-1]
    with closing(sqlite3.connect(file)) as database:
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    assert 0 < tables[0] < 20

    others = tmp_path / "others.db"  # not known to be ours: left alone
    before = shutil.copy(file, others).read_bytes()
    with pytest.raises(TrackingError, match=r"others\.db: its tables are incomplete \(.*\): move the file away, or"):
        Store(f"sqlite:///{others}")
    assert others.read_bytes() == before

    assert Store(uri).experiment("full")
    assert not (tmp_path / "full.db.unfinished").exists()


TRAIN = ("-m", "dataset=iris", "epochs=3000", "seed=0,1", "optimizer.lr=0.01,0.1", "launcher.workers=1")


@pytest.mark.long
@pytest.mark.parametrize("action", ["500", "hang", "refuse", "slow"])
@pytest.mark.parametrize("until", ["middle", "end"])
def test_a_sweep_trains_through_an_outage(action: str, until: str, tmp_path: Path, proxy: Proxy, client: Any) -> None:
    name = f"{action}_{until}"
    proxy.calls.clear()
    every = 8 if name == "slow_end" else 1  # its calls take 2 seconds and succeed: hundreds of them follow
    lasts = until == "end"
    proxy.rule = lambda method, path: (
        action if len(proxy.calls) < 8 or (lasts and len(proxy.calls) % every == 0) else "pass"
    )
    words = [*TRAIN, f"tracking.uri={proxy.uri}", f"tracking.experiment={name}", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    folders = [tmp_path / "sweep", *(tmp_path / "sweep" / str(number) for number in range(4))]
    if any(map(pending, folders)):
        (warning,) = done.stderr.splitlines()
        assert warning.startswith(f"warning: MLflow at {proxy.uri}: ")
        assert f"sync {tmp_path}/sweep" in warning
        proxy.rule = lambda method, path: "pass"
        assert sync([tmp_path], proxy.uri).problems == []
    assert sync([tmp_path], proxy.uri).delivered == []
    assert_delivered(client, name, folders)


@pytest.mark.long
@pytest.mark.parametrize("starts", [0, 1], ids=["late", "restarted"])
def test_a_sweep_meets_a_server_that_starts_late_or_again(starts: int, tmp_path: Path) -> None:
    import mlflow

    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    words = [*TRAIN, f"tracking.uri={uri}", "tracking.experiment=late", f"hydra.sweep.dir={tmp_path}/sweep"]
    with ThreadPoolExecutor() as pool:
        if starts:
            with mlflow_server(tmp_path, port):
                done = pool.submit(command, *words, cwd=tmp_path)
                wait_until(lambda: (tmp_path / "sweep" / "0" / "journal.jsonl").exists())
        else:
            done = pool.submit(command, *words, cwd=tmp_path)
            wait_until(lambda: (tmp_path / "sweep" / "0" / "journal.jsonl").exists())
        with mlflow_server(tmp_path, port):
            assert done.result().returncode == 0
            sync([tmp_path], uri)
            folders = [tmp_path / "sweep", *(tmp_path / "sweep" / str(number) for number in range(4))]
            assert_delivered(mlflow.MlflowClient(uri), "late", folders)
