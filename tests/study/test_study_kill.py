"""Studies that are killed at random moments and continued: the same tables and report data, to the bit."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import processes
import pytest
from processes import wait_until
from studies import tables_of

from framework.runs.journal import read_journal

pytestmark = pytest.mark.long
WORDS = (
    *("compare", "optimizer=adam,sgd,sam", "problem=digits_softmax,rosenbrock", "epochs=6", "progress=false"),
    *("study.trials=6", "study.extensions=0", "study.tuning_seeds=2", "study.seeds=4"),
    *("launcher.workers=2", "study.reuse=false"),
)


def started(folder: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "framework", *WORDS, f"hydra.sweep.dir={folder}"]
    return subprocess.Popen(words, cwd=folder.parent, start_new_session=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_study_continues(tmp_path, seed):
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert started(whole).wait() == 0
    entries = read_journal(whole)
    lasted = entries[-1].time - entries[0].time
    draw = np.random.default_rng(seed)
    for _ in range(3):
        if part.is_dir():
            words = [sys.executable, "-m", "framework", "resume", str(part)]
            process = subprocess.Popen(words, cwd=tmp_path, start_new_session=True)
        else:
            process = started(part)
        wait_until(lambda: (part / "sweep.json").is_file())
        time.sleep(draw.uniform(0, lasted))
        process.kill()
        process.wait()
    continued = processes.command("resume", str(part), cwd=tmp_path)
    assert continued.returncode == 0, continued.stderr
    for name, frame in tables_of(whole).items():
        pandas.testing.assert_frame_equal(frame, tables_of(part)[name])
