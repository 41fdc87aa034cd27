"""Other engines behind the pool: the mixed sweep of the launcher tests, to the bit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from extras import without
from sweeping import MIXED, assert_same_run, jobs_of, swept

from framework.errors import InputError
from framework.sweeps import pool


@pytest.mark.parametrize("backend", sorted(pool.ENGINES))
def test_another_engine_gives_the_same_bits(backend, tmp_path):
    module = pool.ENGINES[backend]
    if importlib.util.find_spec(module) is None:
        pytest.skip(without(backend))
    # a process of its own: an engine leaves daemons and warnings behind
    words = ["-m", "framework", "-m", *MIXED, f"launcher.backend={backend}", "launcher.workers=2", "launcher.block=3"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alone = tmp_path / "alone"
    alone.mkdir()
    swept(alone, *MIXED, "launcher.workers=1")
    (theirs,) = {path.parent.parent for path in tmp_path.glob("multirun/*/*/*/journal.jsonl")}
    assert len(jobs_of(theirs)) == len(jobs_of(alone)) > 0
    for one, other in zip(jobs_of(alone), jobs_of(theirs), strict=True):
        assert_same_run(one, other)


def test_an_engine_that_is_not_there_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(pool.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"launcher\.backend=ray is not installed: pip install '.*\[ray\]'"):
        pool.require("ray")
    pool.require("loky")
