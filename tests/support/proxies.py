"""An HTTP proxy that disturbs calls to a server on request, and a real ``mlflow server`` to disturb."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from processes import wait_until

Rule = Callable[[str, str], str]
"""Function of a call's method and path that returns one of `ACTIONS`."""
ACTIONS = ("pass", "lose", "500", "refuse", "hang", "slow")
"""Forward the call; forward it and lose the answer; answer 500; close the connection; wait without an answer for
`HANG_SECONDS`; wait for `SLOW_SECONDS`, then forward it."""
HANG_SECONDS, SLOW_SECONDS = 60.0, 2.0
_NOT_FORWARDED = {"transfer-encoding", "connection", "content-length"}


class Proxy:
    """A proxy on a free port of this machine. A context manager.

    Args:
        port: the server's port.

    Attributes:
        rule: decides what happens to each call; it can be replaced at any time.
        calls: method and path of each call, in order of arrival.
        uri: the proxy's address.
    """

    def __init__(self, port: int) -> None:
        self.rule: Rule = lambda method, path: "pass"
        self.calls: list[tuple[str, str]] = []
        self._port = port
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the class below has the self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.calls.append((self.command, self.path))
                action = proxy.rule(self.command, self.path)
                if action == "500":
                    self.reply(500, {}, b"out of order")
                    return
                if action in ("hang", "slow"):
                    proxy._ended.wait(HANG_SECONDS if action == "hang" else SLOW_SECONDS)
                if action in ("pass", "slow", "lose") and (answer := proxy._forward(self, body)) and action != "lose":
                    self.reply(*answer)
                else:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class's names

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def _forward(self, call: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """Return the server's answer, or None if it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        headers = {name: value for name, value in call.headers.items() if name.lower() not in _NOT_FORWARDED}
        try:
            connection.request(call.command, call.path, body, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED}
            return answer.status, kept, answer.read()
        except OSError:
            return None
        finally:
            connection.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int, *, answering: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``mlflow server`` on a database and artifacts in ``folder`` while the context is open.

    Args:
        folder: an existing folder.
        port: port to listen on.
        answering: whether to wait until the server answers.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        if answering:
            wait_until(lambda: process.poll() is not None or healthy(port))
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and the processes it started."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
    process.wait()


def healthy(port: int) -> bool:
    """Return whether a server answers on the port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
