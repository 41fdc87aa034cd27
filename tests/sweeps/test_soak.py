"""Thousands of short runs in one sweep: memory and open files do not grow with the number of runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

RUNS = 5000
HOURS = 2
"""After this many hours the sweep counts as stuck."""
GROWTH = 1.15
"""Bound on the memory in the second half of the sweep divided by that in the first half."""
WORDS = (
    *("-m", "problem=digits_softmax", "dataset.train_limit=75", "epochs=1", "optimizer=sgd", f"seed=range({RUNS})"),
    *("progress=false", "launcher.workers=2", "launcher.block=50", "hydra.sweep.dir=sweep"),
)


@dataclass(frozen=True)
class Sample:
    """One reading of a process: the number of runs that had ended, its memory in MB, and its open files."""

    ended: int
    memory: float
    files: int


def tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def purpose(pid: int) -> str:
    """Return ``"writer"`` or ``"worker"`` for a process of a sweep, by its command line; "" for others."""
    command = Path(f"/proc/{pid}/cmdline").read_text()
    return "writer" if "tracking.writer" in command else "worker" if "loky" in command else ""


def read(pid: int, ended: int) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(status.partition("VmRSS:")[2].split()[0]) / 1000
    return Sample(ended, memory, len([*Path(f"/proc/{pid}/fd").iterdir()]))


def watched(process: subprocess.Popen[bytes], folder: Path) -> dict[str, list[Sample]]:
    """Return readings of the main process, of the writer and of each worker until the sweep ends."""
    seen: dict[str, list[Sample]] = {}
    deadline = time.monotonic() + 3600 * HOURS
    while process.poll() is None:
        assert time.monotonic() < deadline, "the sweep is stuck"
        ended = sum((folder / str(number) / "model").is_dir() for number in range(RUNS))
        for pid in tree(process.pid):
            try:
                name = "main" if pid == process.pid else purpose(pid)
                if name:
                    seen.setdefault(name if name != "worker" else f"worker {pid}", []).append(read(pid, ended))
            except (OSError, IndexError):  # it has ended meanwhile
                continue
        time.sleep(1)
    return seen


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it reads /proc")
def test_memory_and_files_do_not_grow_with_the_number_of_runs(tmp_path, capsys):
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "framework", *WORDS], cwd=tmp_path, stdout=said, stderr=said)
        seen = watched(process, tmp_path / "sweep")
    assert process.returncode == 0, (tmp_path / "said").read_text()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("select count(*) from runs where status = 'FINISHED'").fetchone() == (RUNS + 1,)
    assert {"main", "writer"} <= seen.keys()
    for name, samples in seen.items():
        # Composition comes before the first run; after the last one the writer goes on, and the others draw pictures.
        work = [sample for sample in samples if sample.ended >= RUNS / 10 and (name == "writer" or sample.ended < RUNS)]
        halves = work[: len(work) // 2], work[len(work) // 2 :]
        with capsys.disabled():
            shown = [(f"{max(s.memory for s in h):.0f} MB", max(s.files for s in h)) for h in halves if h]
            sys.stdout.write(f"\n{name}: {shown}; at its end {max(s.memory for s in samples):.0f} MB at most")
        assert all(halves), f"{name} was not seen in both halves"
        (memory, files), (later, more) = [(max(s.memory for s in h), max(s.files for s in h)) for h in halves]
        assert later <= memory * GROWTH, name
        assert more <= files + 2, name
