"""What ``ui`` says before it starts a server; the server itself is tried in test_tracking.py, which has a store."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from framework.cli.ui import address_of, main
from framework.errors import InputError


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(os, "execve", refuse)


def test_a_database_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match=r"mlflow\.db: there is no such database yet; train a run first"):
        main([])
    assert list(tmp_path.iterdir()) == []


def test_a_server_has_its_own_ui(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    assert main([]) == 0
    assert capsys.readouterr().out == "the store is a server with a UI of its own: open http://me:***@host:5000\n"


def test_a_taken_port(tmp_path: Path) -> None:
    (tmp_path / "my.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} on 127.0.0.1: .*; try --port "):
            main(["--port", str(port), "--uri", f"sqlite:///{tmp_path / 'my.db'}"])


def test_a_store_that_is_served_elsewhere() -> None:
    with pytest.raises(InputError, match="served"):
        main(["--uri", "databricks"])


def test_a_host_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "my.db").touch()
    with pytest.raises(InputError, match=r"--host no such host: .*; the default is"):
        main(["--host", "no such host", "--uri", f"sqlite:///{tmp_path / 'my.db'}"])


@pytest.mark.parametrize(
    ("host", "server"), [("127.0.0.1", "http://127.0.0.1:5000"), ("::1", "http://[::1]:5000")], ids=["four", "six"]
)
def test_the_address_of_a_server(host: str, server: str) -> None:
    assert address_of(host, 5000) == server


@pytest.mark.parametrize("port", ["99999", "0", "-1"])
def test_a_port_that_cannot_be(tmp_path: Path, port: str) -> None:
    (tmp_path / "my.db").touch()
    with pytest.raises(InputError, match=port):
        main(["--port", port, "--uri", f"sqlite:///{tmp_path / 'my.db'}"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"], ids=["all", "six", "other"])  # noqa: S104 - refused
def test_an_address_for_other_machines_needs_consent(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "bind", lambda *given: None)  # this machine may not have the address
    (tmp_path / "my.db").touch()
    with pytest.raises(InputError, match=rf"--host {host}: .* no password: .*, or add --allow-remote$"):
        main(["--host", host, "--uri", f"sqlite:///{tmp_path / 'my.db'}"])


def test_with_consent_only_own_names_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(socket.socket, "bind", lambda *given: None)  # this machine may not have IPv6
    monkeypatch.setattr(os, "execve", lambda program, words, environment: started.append(words))
    (tmp_path / "my.db").touch()
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--allowed-hosts", "runs.example.com"]):
        main(["--host", "::", "--port", "54321", "--allow-remote", "--uri", "sqlite:///my.db", *more])
        assert "MLflow has no password" in capsys.readouterr().err
    own, chosen = (words[words.index("--allowed-hosts") + 1].split(",") for words in started)
    assert {"localhost", "localhost:*", socket.gethostname()} <= set(own)
    assert "*" not in own
    assert chosen == ["runs.example.com"]


def test_a_server_is_started_from_the_folder_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(program: str, words: list[str], environment: dict[str, str]) -> None:
        names = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
        started.append((Path.cwd(), *(environment[name] for name in names)))

    folder = tmp_path / "a%20b?c"
    folder.mkdir()
    (folder / "my.db").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "execve", start)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    main(["--port", str(port), "--uri", "sqlite:///my.db?timeout=5"])
    address = "sqlite:///my.db?timeout=5"  # relative: MLflow would decode the folder's name
    assert started == [(folder, address, address, (folder / "mlartifacts").as_uri())]
