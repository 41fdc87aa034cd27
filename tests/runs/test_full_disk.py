"""A disk that is full at some moment of a run: one line, exit code 1, and what was written before is intact."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import pytest

from framework.checkpoint import file as checkpoint
from framework.checkpoint.writing import Checkpoints
from framework.runs.journal import read_journal

if sys.platform == "win32":
    pytest.skip("Windows has no limit on the size of files", allow_module_level=True)
import resource

RUN = ("problem=iris_mlp", "epochs=4", "tracking.enabled=false", "checkpoint.every_seconds=0")


@contextmanager
def files_of_at_most(size):
    """Let every write beyond ``size`` bytes of a file fail, in this process; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1000, 3400, 3900], ids=["hydra", "epoch", "end"])
def test_a_full_disk_is_one_line(command, tmp_path, size):
    with files_of_at_most(size):
        code, _, err = command(*RUN, "hydra.run.dir=run")
    *warnings, last = err.splitlines()
    assert code in (1, 2), err
    assert last.startswith("error: ") and ("File too large" in last or "part of an entry" in last), err
    assert all(line.startswith("warning: ") for line in warnings)
    if code == 1:
        assert read_journal(tmp_path / "run")[0].kind == "start"
    else:
        assert not (tmp_path / "run").exists()
    code, _, err = command(*RUN, "hydra.run.dir=again")
    assert (code, err) == (0, "")


def test_a_checkpoint_that_cannot_be_written_is_one_warning(command, tmp_path, monkeypatch):
    kept = []
    write = checkpoint.write_whole

    def full(path, content, **options):
        if kept:
            raise OSError(28, "No space left on device")
        kept.append(content)
        write(path, content, **options)

    left = []
    monkeypatch.setattr(checkpoint, "write_whole", full)
    monkeypatch.setattr(
        Checkpoints, "finished", lambda self, outcome: left.append((outcome.run.folder / checkpoint.FILE).read_bytes())
    )
    code, _, err = command(*RUN, "hydra.run.dir=run")
    assert code == 0
    assert err.count("warning: ") == 1 and "checkpoint.npz was not written: OSError: [Errno 28]" in err
    assert left == kept
