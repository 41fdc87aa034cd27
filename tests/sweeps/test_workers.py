"""Blocks are retried only when no process of a broken pool writes to their journals any more."""

from __future__ import annotations

import os
import subprocess
import sys

from processes import MARK, PATIENCE, marked, wait_until
from sweeping import SMALL, returns

from framework.runs.finished import Finished
from framework.sweeps import planning, workers
from framework.sweeps.blocks import Block
from framework.sweeps.workers import _begun

WORKER = """
import sys
import time
from pathlib import Path

from framework.system.files import lock

marks, done = map(Path, sys.argv[1:])
with (marks / "3").open("ab") as first:
    assert lock(first)
    print("begun", flush=True)
    time.sleep(0.5)
    second = (marks / "5").open("ab")
    assert lock(second)
time.sleep(0.5)
done.touch()
"""


def test_a_retry_waits_for_workers_that_have_not_ended(tmp_path):
    marks, done = tmp_path / "marks", tmp_path / "done"
    marks.mkdir()
    (marks / "1").touch()  # of a block whose worker died
    words = [sys.executable, "-c", WORKER, str(marks), str(done)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "begun\n"
        assert _begun(marks) == {1, 3, 5}
        assert done.exists()
        assert worker.wait(PATIENCE) == 0


def test_without_marks_nothing_is_waited_for(tmp_path):
    assert _begun(tmp_path) == set()


def test_a_worker_holds_the_lock_of_its_block_while_it_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_train_anew", lambda *block: workers._is_free(tmp_path / "4"))
    assert workers._in_worker(4, {}, tmp_path, None, None, {}, str(tmp_path), 0.0) == (4, False)
    assert workers._is_free(tmp_path / "4")
    monkeypatch.setattr(workers, "_train_anew", lambda *block: "trained")  # on another machine there is no folder
    assert workers._in_worker(4, {}, tmp_path, None, None, {}, str(tmp_path / "gone"), 0.0) == (4, "trained")


def test_a_call_that_is_repeated_trains_no_run_again(tmp_path):
    (returned,) = returns("population", tmp_path, [[]], *SMALL, "optimizer=sgd")
    job = returned._job
    before = (job.folder / "journal.jsonl").read_bytes()
    block = Block((job,), 1, 1.0).as_data()
    _, trained = workers._in_worker(0, block, tmp_path, None, None, workers._plugin_variables(), "gone", 0.0)
    assert isinstance(trained.ended[job.number], Finished)
    assert (job.folder / "journal.jsonl").read_bytes() == before


PARENT = """
import os, subprocess, sys
code = "import os, time; from framework.sweeps.pool import end_with_parent; end_with_parent(os.getppid());"
code += "print('watching', flush=True); time.sleep(600)"
worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
worker.stdout.readline()
print(worker.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_worker_ends_with_its_parent(tmp_path):
    environment = {**os.environ, MARK: str(tmp_path)}
    parent = subprocess.run([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, timeout=PATIENCE)
    assert int(parent.stdout) > 0
    wait_until(lambda: not marked(tmp_path))


def test_without_semaphores_all_runs_train_in_this_process(monkeypatch, command):
    monkeypatch.setattr(planning, "without_semaphores", lambda: "no semaphores: Read-only file system")
    code, out, err = command("-m", *SMALL, "seed=0,1", "launcher.workers=2", "launcher.block=1", "plan=true")
    assert code == 0
    assert err.count("\n") == 1
    assert "no worker processes can be started (no semaphores: Read-only file system)" in err
    assert "2 blocks on 1 process" in out
