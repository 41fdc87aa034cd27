"""``python -m framework ui``: open MLflow's UI on the store of the runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

from framework.cli.arguments import Arguments
from framework.errors import InputError, warn
from framework.tracking.delivery import asking
from framework.tracking.experiment_views import addresses
from framework.tracking.store import Store, artifact_root, resolve_uri, sqlite_file, without_password
from framework.tracking.writer import QUIET

PORT = 5000


def main(words: Sequence[str]) -> int:
    """Serve the UI until it is interrupted; return the server's exit code.

    The store is found as for runs: ``--uri``, else MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working folder. If it
    is a server, print its address and return 0.

    Raises:
        InputError: there is no such database yet, the host or port cannot be used, other machines could reach it
            without ``--allow-remote``, or the store's UI cannot be served from this machine.
        TrackingError: the store cannot be opened.
    """
    parser = Arguments("ui", "Open MLflow's UI on the runs' store.", example=f"ui --port {PORT}")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1: this machine only"
    )
    parser.add_argument("--uri", help="store address; default MLFLOW_TRACKING_URI, else ./mlflow.db")
    parser.add_argument("--allow-remote", action="store_true", help="permit a --host that other machines can reach")
    parser.add_argument("--allowed-hosts", help="names by which browsers reach it, with commas; default this machine's")
    asked = parser.parse_args(words)
    uri = resolve_uri(asked.uri)
    if uri.startswith(("http://", "https://")):
        sys.stdout.write(f"the store is a server with a UI of its own: open {without_password(uri)}\n")
        return 0
    _check_store(uri)
    remote = _check_port(asked.host, asked.port)
    _check_remote(asked.host, remote, asked.allow_remote)
    allowed = (asked.allowed_hosts or ",".join(_own_names(asked.host))) if remote else asked.allowed_hosts
    if remote:
        warn(f"MLflow has no password: who reaches port {asked.port} can read and delete all runs (as {allowed})")
    server = address_of(asked.host, asked.port)
    sys.stdout.write(f"MLflow UI: {server}  (store: {without_password(uri)}; Ctrl-C stops it)\n")
    sys.stdout.flush()  # the next lines take seconds, because they need mlflow
    sys.stdout.write(_pages(uri, server))
    sys.stdout.flush()
    return _serve(uri, asked.host, asked.port, ["--allowed-hosts", allowed] if allowed else [])


def address_of(host: str, port: int) -> str:
    """Return the web address of a server, with an IPv6 host in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _pages(uri: str, server: str) -> str:
    """Return the addresses of the pages of the newest run's experiment, one per line; "" if there is no run."""
    os.environ.update(QUIET)
    with warnings.catch_warnings(), asking():
        warnings.simplefilter("ignore")  # importing MLflow triggers warnings about its own modules
        used = Store(uri).last_used()
    if used is None:
        return ""
    pages = addresses(server, used.experiment_id, used.tags)
    width = max(map(len, pages))
    return "".join(f"  {what:{width}}  {page}\n" for what, page in pages.items())


def _check_store(uri: str) -> None:
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise InputError(f"{database}: there is no such database yet; train a run first, or set --uri")
    if database is None and artifact_root(uri) is None:
        raise InputError(f"--uri {without_password(uri)}: the UI of this store cannot be served from this machine")


def _check_remote(host: str, remote: bool, allowed: bool) -> None:
    if remote and not allowed:
        raise InputError(
            f"--host {host}: other machines could read and delete all runs, because MLflow has no password: leave it "
            "out and use an SSH tunnel, or add --allow-remote"
        )


def _own_names(host: str) -> list[str]:
    """Return the names and addresses by which browsers may reach a server on ``host``, with and without a port.

    Pages of other names are refused: else a page on the Internet could reach the server through a visitor's browser.
    """
    names = ["localhost", "127.0.0.1", "[::1]", socket.gethostname()]
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.connect(("192.0.2.1", 9))  # sends nothing; finds the address of the way out
            names.append(probe.getsockname()[0])
    else:
        names.append(f"[{host}]" if ":" in host else host)
    return [pattern for name in dict.fromkeys(names) for pattern in (name, f"{name}:*")]


def _check_port(host: str, port: int) -> bool:
    """Return whether other machines could reach a server.

    Raises:
        InputError: the port cannot be used; the server's own error has fifty lines.
    """
    if not 0 < port < 65536:
        raise InputError(f"--port {port}: ports are 1 to 65535; the default is {PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
    except OSError as error:
        raise InputError(f"--host {host}: {error.strerror}; the default is this machine only") from error
    with socket.socket(family, kind, protocol) as trial:
        if sys.platform != "win32":  # on Windows, the option would let two servers share the port
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignore a server that has just ended
        try:
            trial.bind(address)
        except OSError as error:
            other = port + 1 if port < 65535 else PORT
            raise InputError(f"port {port} on {host}: {error.strerror}; try --port {other}") from error
    return not all(ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def _serve(uri: str, host: str, port: int, more: Sequence[str]) -> int:
    root = artifact_root(uri)
    database = sqlite_file(uri)
    if database is not None:  # relative to its folder, because MLflow does not understand every absolute path
        os.chdir(database.parent)
        uri = f"sqlite:///{database.name}{''.join(uri.partition('?')[1:])}"
    # The store is passed in the environment, because its address may contain a password. New experiments get the
    # artifact folder that runs use: by default they would get an address that only this server can read.
    environment = {
        **os.environ,
        **QUIET,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": "" if root is None else root.as_uri(),
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # avoids eight idle processes for unused features
    }
    server = ["-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1", *more]
    command = [sys.executable, *server, "--uvicorn-opts", "--log-level critical"]
    if sys.platform == "win32":
        return subprocess.call(command, env=environment)  # noqa: S603 - our own arguments, no shell
    os.execve(sys.executable, command, environment)  # noqa: S606 - signals and exit code are the server's
