"""What holds for all tests: one thread a process for BLAS and torch, short ids, one environment; the command.

Pytest starts a process a core, and runs train on one thread unless told otherwise. More threads would wait for one
another, busily: the matrix tests took twice the time.
"""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from ids import LONGEST_ID, misfits, parameter_id
from isolation import restored

OURS = ("FRAMEWORK_", "HYDRA_", "MLFLOW_")
OTHERS = {"COLUMNS", "FORCE_COLOR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "LINES", "MPLBACKEND", "NO_COLOR"}

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # read when NumPy and torch are first imported
    os.environ.setdefault(name, "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as after `nohup … &`: what tests start would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):  # a hundred processes would each compile this project anew
    sys.dont_write_bytecode = False
for name in list(os.environ):  # a developer's store, plugins and terminal are no test's business
    if (name.startswith(OURS) and name != "FRAMEWORK_DATA") or name in OTHERS:
        del os.environ[name]


@pytest.fixture(autouse=True, scope="module")
def same_environment_after_each_file():
    """Restore what fixtures of a file have set."""
    with restored():
        yield


@pytest.fixture(autouse=True)
def same_environment(same_environment_after_each_file):
    """Restore what a test has set."""
    with restored():
        yield


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # what stays until the end (modules, 5,000 tests) need not be searched again at each collection


def pytest_make_parametrize_id(val, argname):
    return parameter_id(val, argname)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    found = misfits(item.nodeid for item in report.result if isinstance(item, pytest.Item))
    if found:
        rule = f"a test id is made of letters, digits and _.,/=+- and is at most {LONGEST_ID} characters long"
        report.outcome, report.result = "failed", []
        report.longrepr = f"{rule}; give ids=... or pytest.param(..., id=...): {found[:3]!a}"
    return report


@pytest.fixture
def unrendered(monkeypatch):
    """Make pictures and reports, but do not render them, which takes half a second a sweep: files hold a line only.

    The steps of studies are timed briefly. For tests that look at other things; what the tests of pictures and reports
    and real processes write is rendered.
    """
    from framework.plots import Picture
    from framework.reports import stored
    from framework.study import build

    monkeypatch.setattr(stored, "write_page", lambda comparison, path: path.write_text("<!doctype html>"))
    monkeypatch.setattr(build, "TIMING_SECONDS", 0.0)
    monkeypatch.setattr(Picture, "save", lambda picture, path: Path(path).write_bytes(b"\x89PNG"))


@pytest.fixture
def command(tmp_path, monkeypatch, capfd, unrendered):
    """Run the command in this process, which saves half a second a call; return exit code, output and errors.

    A writer to MLflow is started when there is something to write, not early: most commands here write nothing.
    """
    from framework.cli import commands
    from framework.registry import manager

    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["framework"])
    monkeypatch.setattr(commands, "start_early", lambda uri: None)

    def call(*words):
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with restored():  # --info logs to the output of this call
                code = commands.main(list(words))
        except SystemExit as ended:
            code = ended.code
        finally:
            signal.signal(signal.SIGTERM, handler)
            manager.install(None)
        said = capfd.readouterr()
        return code, said.out, said.err

    return call
