"""Folders of runs and sweeps: nothing that was there before is changed or removed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import epochs_of, kinds_of, swept

import framework
from framework.cli import commands
from framework.errors import InputError
from framework.registry import manager

QUICK = ("dataset=iris", "tracking.enabled=false", "progress=false")
RUN = (*QUICK, "epochs=2")
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; return its exit code and what it wrote to stderr."""
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["framework"])

    def call(*words: str) -> tuple[int, str]:
        handler, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
        try:
            code = commands.main(list(words))
        finally:
            signal.signal(signal.SIGTERM, handler)
            os.environ.clear()
            os.environ.update(environment)
            manager.install(None)
        return code, capfd.readouterr().err

    return call


def contents(top: Path) -> dict[str, bytes | str]:
    """Return all that is below a folder: files with their bytes, links with their targets, folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        else:
            found[name] = "folder" if path.is_dir() else path.read_bytes()
    return found


def cut_end(journal: Path, lines: int) -> None:
    """Leave only the first lines of a journal, as a kill would."""
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:lines]))


# Bad input


@pytest.mark.parametrize("wrong", [["optimizer.lr=-1"], ["model=cnn"], ["model=cnn", "hydra/job_logging=default"]])
@pytest.mark.parametrize("folder", ["inner/empty", "job", "link", "new/er/est", "../beside"])
def test_bad_input_leaves_every_folder_as_it_was(
    folder: str, wrong: list[str], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    for name in ("inner/empty", "job/.hydra", "real"):
        (top / name).mkdir(parents=True)
    (top / "job" / ".hydra" / "mine.txt").write_text("notes")
    (top / "link").symlink_to("real")
    before = contents(tmp_path)
    monkeypatch.chdir(top)
    code, error = command(*RUN, f"hydra.run.dir={folder}", *wrong)
    assert code == 2 and error.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize("wrong", ["optimizer.lr=-1", "model=cnn"])
def test_bad_input_leaves_an_empty_working_folder(
    wrong: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keep" / "exp1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "keep" / "exp1")
    assert command(*RUN, "hydra.run.dir=.", wrong)[0] == 2
    assert contents(tmp_path) == {"keep": "folder", "keep/exp1": "folder"}


@pytest.mark.parametrize("word", ["optimizer.lr=0.1,-1", "tracking.uri=mlruns", "hydra.sweep.subdir=x", "plan=true"])
def test_a_sweep_that_does_not_start_leaves_no_folder(word: str, command: Command, tmp_path: Path) -> None:
    words = [*QUICK[:1], "epochs=1", "seed=0,1", "tracking.enabled=true", word]
    assert command("-m", *words, "hydra.sweep.dir=a/b")[0] == (0 if word == "plan=true" else 2)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "folder", ["file/below", "file", "dangling", f"new/{300 * 'x'}"], ids=["below", "file", "link", "long"]
)
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_folder_that_cannot_be_made_is_named(key: str, folder: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("file/nowhere")
    mode = ["-m"] if "sweep" in key else []
    code, error = command(*mode, *RUN, f"{key}={folder}")
    assert code == 2 and error.count("\n") == 1
    assert error.startswith(f"error: {key}={tmp_path}")
    assert list(contents(tmp_path)) == ["dangling", "file"]


# A run into a used folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "r"
    framework.run(*RUN, f"hydra.run.dir={folder}")
    return folder


@pytest.mark.parametrize("change", ["seed=0", "seed=1", "epochs=4", "plan=false"])
def test_a_finished_run_stays_as_it_is(change: str, finished: Path, command: Command) -> None:
    before = contents(finished)
    code, error = command(*RUN, f"hydra.run.dir={finished}", change)
    assert code == 2
    assert error == f"error: {finished} holds another run: choose another folder, or remove that one\n"
    with pytest.raises(InputError, match="holds another run"):
        framework.run(*RUN, f"hydra.run.dir={finished}", change)
    assert contents(finished) == before


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "overrides.yaml",
        "environment.txt",
        "curves.png",
        "mlflow.json",
        "model/notes",
        "checkpoint.npz",
        ".hydra/hydra.yaml",
    ],
)
def test_files_of_the_user_stay_as_they_are(name: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = contents(tmp_path)
    code, error = command(*RUN, "hydra.run.dir=.")
    assert code == 2
    assert error.startswith(f"error: {tmp_path / name.removesuffix('/notes')} exists already")
    assert contents(tmp_path) == before


def test_a_plugin_file_of_the_same_name_stays(command: Command, tmp_path: Path) -> None:
    rule = '''
from framework import ElementwiseOptimizer, hyper

class Mine(ElementwiseOptimizer):
    """Plain descent."""
    lr: float = hyper(0.05, above=0)
    def rule(p, g, *, lr):
        return p - lr * g
'''
    (tmp_path / "plugins").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(rule)
    (tmp_path / "out" / "mine.py").write_text("# another")
    words = ["--plugin", "plugins/mine.py", *RUN, "optimizer=mine"]
    code, error = command(*words, "hydra.run.dir=out")
    assert code == 2 and "mine.py exists already" in error
    assert command(*words, "hydra.run.dir=plugins")[0] == 0  # the file itself says the same


def test_files_of_other_names_are_no_obstacle(command: Command, tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    for name in ("notes.txt", ".hydra/mine.txt"):
        (tmp_path / name).write_text("mine")
    assert command(*RUN, "hydra.run.dir=.") == (0, "")
    assert {(tmp_path / name).read_text() for name in ("notes.txt", ".hydra/mine.txt")} == {"mine"}


@pytest.mark.parametrize("left", [0, 1, 5], ids=["nothing", "start", "epoch"])
def test_a_killed_run_goes_on_in_its_folder(left: int, finished: Path, command: Command, tmp_path: Path) -> None:
    words = [*RUN, "hydra.run.dir=r"]
    assert command(*words)[0] == 0
    expected = epochs_of(tmp_path / "r")
    for name in ("model", "curves.png"):
        (tmp_path / "r" / name).rename(tmp_path / name)
    if left:
        cut_end(tmp_path / "r" / "journal.jsonl", left)
    else:
        (tmp_path / "r" / "journal.jsonl").unlink()
    assert command(*words, "seed=1")[0] == 2
    assert command(*words) == (0, "")
    assert epochs_of(tmp_path / "r") == expected


# A sweep into a used folder


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "s"
    swept(folder, *RUN, "seed=0,1")
    return folder


@pytest.mark.parametrize("words", [["seed=0,1"], ["seed=5,6,7"], ["seed=0,1", "hydra/launcher=basic"]])
def test_a_finished_sweep_stays_as_it_is(words: list[str], finished_sweep: Path, command: Command) -> None:
    before = contents(finished_sweep)
    code, error = command("-m", *RUN, *words, f"hydra.sweep.dir={finished_sweep}")
    assert code == 2
    assert error == f"error: {finished_sweep} holds another sweep: choose another folder, or remove that one\n"
    with pytest.raises(InputError, match="holds another sweep"):
        swept(finished_sweep, *RUN, *words)
    assert contents(finished_sweep) == before


@pytest.mark.parametrize(
    "name", ["multirun.yaml", "environment.txt", "leaderboard.csv", "1/config.yaml", "0/.hydra/config.yaml"]
)
def test_files_of_the_user_stay_as_they_are_in_a_sweep(name: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "s" / name).parent.mkdir(parents=True)
    (tmp_path / "s" / name).write_text("mine")
    before = contents(tmp_path)
    code, error = command("-m", *RUN, "seed=0,1", "hydra.sweep.dir=s")
    assert code == 2
    assert error.startswith(f"error: {tmp_path / 's' / name} exists already")
    assert contents(tmp_path) == before


def test_a_run_in_the_folder_of_a_sweep_is_refused(finished_sweep: Path, finished: Path, command: Command) -> None:
    before = contents(finished_sweep), contents(finished)
    assert command(*RUN, f"hydra.run.dir={finished_sweep}")[0] == 2
    assert command("-m", *RUN, "seed=0,1", f"hydra.sweep.dir={finished}")[0] == 2
    assert (contents(finished_sweep), contents(finished)) == before


def test_jobs_that_would_share_a_folder_are_refused(command: Command, tmp_path: Path) -> None:
    code, error = command("-m", *RUN, "seed=0,1", "hydra.sweep.dir=s", "hydra.sweep.subdir=lr_${optimizer.lr}")
    assert code == 2 and "hydra.sweep.subdir: job 1 would share" in error
    assert contents(tmp_path) == {}


def test_a_killed_sweep_goes_on_in_its_folder(command: Command, tmp_path: Path) -> None:
    words = ["-m", *RUN, "seed=0,1", "hydra.sweep.dir=s"]
    assert command(*words)[0] == 0
    expected = [epochs_of(tmp_path / "s" / str(job)) for job in (0, 1)]
    for folder in ("s", "s/0", "s/1"):
        cut_end(tmp_path / folder / "journal.jsonl", 3)
    record = (tmp_path / "s" / "multirun.yaml").read_bytes()
    assert command(*words, "seed=0,2")[0] == 2
    assert command(*words) == (0, "")
    assert [epochs_of(tmp_path / "s" / str(job)) for job in (0, 1)] == expected
    assert kinds_of(tmp_path / "s").count("start") == 1
    assert (tmp_path / "s" / "multirun.yaml").read_bytes() == record
