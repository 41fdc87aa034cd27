"""Blocks are retried only when no process of a broken pool writes to their journals any more."""

from __future__ import annotations

import subprocess
import sys

from processes import PATIENCE

from framework.sweeps import workers
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
    assert workers._in_worker(4, {}, tmp_path, None, None, {}, str(tmp_path)) == (4, False)
    assert workers._is_free(tmp_path / "4")
    monkeypatch.setattr(workers, "_train_anew", lambda *block: "trained")  # on another machine there is no folder
    assert workers._in_worker(4, {}, tmp_path, None, None, {}, str(tmp_path / "gone")) == (4, "trained")
