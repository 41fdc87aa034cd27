"""A run that was killed or interrupted is continued to the bit; no entry of its journal is missing or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from processes import PATIENCE, wait_until
from sweeping import epochs_of, kinds_of, weights_of

from framework.runs.journal import read_journal

LONG = (
    *("problem=digits_cnn", "dataset.train_limit=300", "epochs=40"),
    *("progress=false", "tracking.enabled=false", "checkpoint.every_seconds=0"),
)
RULE = '''
from framework import ElementwiseOptimizer, hyper


class Descent(ElementwiseOptimizer):
    """Gradient descent."""

    lr: float = hyper(0.1, above=0)

    def rule(p, g, *, lr):
        return p - lr * g
'''


def started(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "framework", *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended_early(folder: Path, how: int, *words: str) -> tuple[int, str]:
    """Start a run in ``folder``, end it by a signal after its first checkpoint; return exit code and stderr."""
    process = started(*words, f"hydra.run.dir={folder}", cwd=folder.parent)
    wait_until(lambda: (folder / "checkpoint.npz").is_file() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, how) if how == signal.SIGKILL else process.send_signal(how)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said.decode()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The run without an interrupt."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    done = processes.command(*LONG, f"hydra.run.dir={folder}", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def assert_continued(folder: Path, whole: Path, out: str) -> None:
    assert "finished: 40 epochs" in out
    assert epochs_of(folder) == epochs_of(whole)
    for name, array in weights_of(whole).items():
        assert array.tobytes() == weights_of(folder)[name].tobytes()
    assert kinds_of(folder).count("model") == 1
    assert not {"checkpoint.npz", ".framework.lock"} & {path.name for path in folder.iterdir()}


def test_a_killed_run_continues_to_the_bit(tmp_path, whole):
    ended_early(tmp_path / "run", signal.SIGKILL, *LONG)
    assert len(epochs_of(tmp_path / "run")) < 40
    again = processes.command("resume", "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert_continued(tmp_path / "run", whole, again.stdout)


def test_an_interrupted_run_says_how_it_continues(command, tmp_path, whole):
    code, said = ended_early(tmp_path / "part", signal.SIGTERM, *LONG)
    assert code == 130
    assert said.strip().splitlines()[-1].endswith(f"; python -m framework resume {tmp_path}/part continues")
    assert read_journal(tmp_path / "part")[-1].content["status"] == "KILLED"
    code, out, err = command("resume", "part")
    assert code == 0, err
    assert_continued(tmp_path / "part", whole, out)
    assert command("resume", "part")[:2] == (0, "part has finished: there is nothing to resume\n")


@pytest.fixture
def part(tmp_path) -> Path:
    """A run with a checkpoint that was killed, of a plugin file's rule, without MLflow."""
    (tmp_path / "rule.py").write_text(RULE)
    words = ("--plugin", "rule.py", *LONG, "epochs=400", "optimizer=descent")
    ended_early(tmp_path / "part", signal.SIGKILL, *words)
    return tmp_path / "part"


def test_what_has_changed_is_named_and_nothing_is_written(command, part):
    home = part.parent
    (part / ".framework.lock").unlink()  # the killed process's note, which any command that has the lock removes
    before = {path: path.read_bytes() for path in part.rglob("*") if path.is_file()}

    def refused(*words: str, said: str) -> None:
        code, _, err = command(*words)
        assert code == 2
        assert said in err
        assert len(err.splitlines()) == 1
        assert {path: path.read_bytes() for path in part.rglob("*") if path.is_file()} == before

    refused("resume", "part", said=f"add --plugin {part}/rule.py, the plugin file that was saved with the run")
    (home / "rule.py").write_text(RULE.replace("p - lr", "p - 2 * lr"))
    refused("--plugin", "rule.py", "resume", "part", said="the plugin rule is not the one that the run used")
    (home / "rule.py").write_text(RULE)
    settings = (part / "config.yaml").read_text()
    before[part / "config.yaml"] = settings.replace("seed: 0", "seed: 1").encode()
    (part / "config.yaml").write_bytes(before[part / "config.yaml"])
    refused("--plugin", "rule.py", "resume", "part", said="seed is 1 and the run was recorded with 0")
    before[part / "config.yaml"] = b"- what"
    (part / "config.yaml").write_bytes(b"- what")
    refused("--plugin", "rule.py", "resume", "part", said="config.yaml is damaged: it holds no mapping")
    before[part / "config.yaml"] = settings.encode()
    (part / "config.yaml").write_text(settings)
    before[part / "checkpoint.npz"] = b"PK"
    (part / "checkpoint.npz").write_bytes(b"PK")
    refused("--plugin", "rule.py", "resume", "part", said="checkpoint.npz is damaged")
    refused("resume", "nowhere", said="there is no such folder")
    refused("resume", ".", said="is not the folder of a run that has begun")
    refused("resume", said="the following arguments are required: run;")


def test_a_run_that_does_not_repeat_itself_is_stopped(command, part):
    entries = [json.loads(line) for line in (part / "journal.jsonl").read_text().splitlines()]
    last = max(place for place, entry in enumerate(entries) if entry["kind"] == "metrics")
    entries[last]["values"]["val/loss"] += 1e-9
    (part / "checkpoint.npz").unlink()
    (part / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    code, _, err = command("--plugin", "rule.py", "resume", "part")
    assert code == 1
    assert "val/loss of epoch" in err
    assert "the run does not repeat itself" in err
    assert read_journal(part)[-1].content["status"] == "FAILED"


def test_one_process_at_a_time_writes_to_a_folder(command, tmp_path):
    words = (*LONG, "epochs=4000", "hydra.run.dir=used")
    process = started(*words, cwd=tmp_path)
    try:
        wait_until((tmp_path / "used" / "checkpoint.npz").is_file)
        for other in (words, ("resume", "used")):
            code, _, err = command(*other)
            assert code == 2
            assert f"is in use by process {process.pid} on" in err
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert kinds_of(tmp_path / "used").count("end") == 1


def test_a_short_run_writes_no_checkpoint(command, tmp_path):
    code, _, err = command("dataset.train_limit=75", "epochs=3", "tracking.enabled=false", "hydra.run.dir=short")
    assert code == 0, err
    assert "checkpoint" not in {path.stem for path in (tmp_path / "short").iterdir()}
