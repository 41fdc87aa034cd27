"""Credentials of stores stay out of every file, of MLflow and of the terminal, and commands work without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from framework.runs.journal import read_journal
from framework.tracking import client
from framework.tracking.waiting import Naming

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts

Command = Callable[..., tuple[int, str, str]]
SECRETS = ("hunter2", "s3/cr3t", "env-pass", "t0p-token")
LITERAL = "tracking.uri=http://me:hunter2@127.0.0.1:9"
SLASH = "tracking.uri=http://me:s3/cr3t@127.0.0.1:9"
FROM_ENVIRONMENT = "tracking.uri=http://me:${oc.env:STORE_PASSWORD}@127.0.0.1:9"
SMALL = ("dataset=iris", "epochs=1", "progress=false")


@pytest.fixture
def offline(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command without a writer: the journals stay undelivered."""

    def refuse() -> None:
        raise OSError("no process")

    monkeypatch.setattr(client, "_spawn", refuse)
    monkeypatch.setenv("STORE_PASSWORD", "env-pass")
    return command


def leaks(folder: Path) -> list[str]:
    """Return the names and files below a folder that hold a secret, with the text around it."""
    found = []
    for path in sorted(folder.rglob("*")):
        content = f"{path}\n".encode() + (path.read_bytes() if path.is_file() else b"")
        for secret in SECRETS:
            place = content.find(secret.encode())
            found += [f"{path}: {content[max(0, place - 60) : place + 40]!r}"] if place >= 0 else []
    return found


def said(*answers: tuple[int, str, str]) -> str:
    text = "".join(out + err for _, out, err in answers)
    assert not any(secret in text for secret in SECRETS), text
    return text


def test_no_secret_is_recorded_or_shown(offline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hydra = ("+hydra.job.env_set.STORE_TOKEN=t0p-token", "hydra.job.env_set.STORE_COPY=${oc.env:STORE_PASSWORD}")
    hydra = (hydra[0], f"+{hydra[1]}")
    run = offline(*SMALL, LITERAL, *hydra, "hydra.run.dir=run", "tags.note=x")
    written = offline("-m", *SMALL, FROM_ENVIRONMENT, "hydra.sweep.dir=written")
    sweep = offline("-m", *SMALL, "seed=0,1", SLASH, "hydra.sweep.dir=sweep")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SLASH[13:])
    more = offline("resume", "sweep", "seed=2")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    answers = (run, written, sweep, more)
    assert [answer[0] for answer in answers] == [0] * len(answers), said(*answers)
    shown = said(*answers)
    assert "MLflow at http://me:***@127.0.0.1:9: the writer process could not be started" in shown
    assert leaks(tmp_path) == []
    assert len(list(tmp_path.glob("*/*/journal.jsonl"))) == 4

    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    synced = offline("sync", ".")
    assert synced[0] == 1
    assert len(synced[2].splitlines()) == 1
    assert "delivered 0 journals" in said(synced)
    synced = offline("sync", ".", "--uri", "sqlite:///here.db")
    assert synced[0] == 0, said(synced)
    assert said(synced).endswith("delivered 7 journals\n")
    assert (tmp_path / "here.db").is_file()
    assert leaks(tmp_path) == []

    start = read_journal(tmp_path / "run")[0].content
    assert "http://me:***@127.0.0.1:9" in start["tags"]["command"]
    assert "hydra.job.env_set" not in start["tags"]["command"]
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["tracking"]["uri"] == (
        "http://me:***@127.0.0.1:9"
    )
    for name in ("written/0/config.yaml", "written/0/.hydra/config.yaml"):
        assert yaml.safe_load((tmp_path / name).read_text())["tracking"]["uri"] == FROM_ENVIRONMENT[13:]
    hydra_file = yaml.safe_load((tmp_path / "run" / ".hydra" / "hydra.yaml").read_text())
    assert hydra_file["hydra"]["job"]["env_set"] == {
        "STORE_TOKEN": "***",
        "STORE_COPY": "${oc.env:STORE_PASSWORD}",
    }
    assert hydra_file["hydra"]["output_subdir"] == ".hydra"


def test_other_launchers_record_no_secret(offline: Command, tmp_path: Path) -> None:
    words = (*SMALL, "seed=0,1", "hydra/launcher=basic", "hydra.sweep.dir=s")
    done = offline("-m", *words, LITERAL, "+hydra.job.env_set.STORE_TOKEN=t0p-token")
    assert done[0] == 0, said(done)
    said(done)
    assert leaks(tmp_path) == []
    assert (tmp_path / "s" / "1" / "config.yaml").is_file()


def test_errors_show_no_secret(offline: Command, tmp_path: Path) -> None:
    answers = [
        offline("tracking.uri=me:hunter2@host"),
        offline(*SMALL, LITERAL, "optimizer.unknown=1"),
        offline(*SMALL, f"{LITERAL}/[", "seed=["),
        offline(*SMALL, "tracking.uri=http://me:hunter2 x@host"),
        offline("ui", "--uri", "http://me:hunter2@host"),
    ]
    assert [code for code, _, _ in answers] == [2, 2, 2, 2, 0]
    said(*answers[1:])
    assert list(tmp_path.iterdir()) == []


def interrupted(folder: Path) -> None:
    """Remove the end of a run's journal, as a kill does."""
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    (folder / "journal.jsonl").write_text("".join(line for line in lines if json.loads(line)["kind"] != "end"))


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_resume_says_that_it_needs_the_address(
    offline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    words = ("hydra.run.dir=run",) if kind == "run" else ("-m", "seed=0", "hydra.sweep.dir=sweep")
    assert offline(*words, *SMALL, LITERAL)[0] == 0
    interrupted(tmp_path / kind)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, _, err = offline("resume", kind)
    assert (code, err) == (
        2,
        "error: the store is http://me:***@127.0.0.1:9, and its credentials are not recorded: "
        "set MLFLOW_TRACKING_URI to this address with its credentials\n",
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:other@127.0.0.1:10")  # another store
    assert offline("resume", kind)[0] == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:9")
    assert offline("resume", kind)[0] == 0
    assert leaks(tmp_path) == []


def test_resume_takes_the_variable_again(offline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline(*SMALL, FROM_ENVIRONMENT, "hydra.run.dir=run")[0] == 0
    interrupted(tmp_path / "run")
    monkeypatch.delenv("STORE_PASSWORD")
    code, _, err = offline("resume", "run")
    assert code == 2
    assert err == (
        f"error: {tmp_path / 'run'}: its store is {FROM_ENVIRONMENT[13:]}: set the variables in it, or "
        "MLFLOW_TRACKING_URI\n"
    )
    monkeypatch.setenv("STORE_PASSWORD", "env-pass")
    uris = []
    monkeypatch.setattr(client.Tracker, "follow", lambda tracker, folder: uris.append(tracker.uri))
    assert offline("resume", "run")[0] == 0
    assert uris == ["http://me:env-pass@127.0.0.1:9"]


def test_a_value_that_affects_results_is_recorded_resolved(
    offline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SEED", "7")
    monkeypatch.setenv("A_NAME", "me")
    done = offline(*SMALL, 'seed="${oc.decode:${oc.env:A_SEED}}"', "tags.who=${oc.env:A_NAME}", "hydra.run.dir=run")
    assert done[0] == 0, done[2]
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    start = read_journal(tmp_path / "run")[0].content
    assert (config["seed"], config["tags"]) == (7, {"who": "me"})
    assert (start["params"]["seed"], start["tags"]["who"]) == (7, "me")
    assert offline(*SMALL, "seed=7", "hydra.run.dir=other")[0] == 0
    other = read_journal(tmp_path / "other")[0].content
    assert other["tags"]["config_hash"] == start["tags"]["config_hash"]


@pytest.mark.parametrize(
    ("written", "before", "option"),
    {
        "environment": ("http://me:${oc.env:PW}@h", "", ' --uri "http://me:${PW}@h"'),
        "whole": ("${oc.env:STORE}", "", ' --uri "${STORE}"'),
        "literal": ("http://me:***@h", "set MLFLOW_TRACKING_URI", ""),
        "other": ("http://me:${oc.env:PW,x}@h", "set MLFLOW_TRACKING_URI", ""),
        "shell": ("http://me:${oc.env:PW}@h`x`", "set MLFLOW_TRACKING_URI", ""),
    }.values(),
    ids=["environment", "whole", "literal", "other", "shell"],
)
def test_a_command_that_is_shown_works(written: str, before: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    naming = Naming.of("http://me:pw@h", written)
    assert naming.option == option
    assert naming.before[: len(before)] == before
    assert Naming.of("http://h") == Naming("", " --uri http://h")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pw@h")
    assert Naming.of("http://me:pw@h", written) == Naming()
