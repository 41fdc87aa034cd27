"""A failed run keeps its traceback; a plugin that exits fails its run, and nothing else."""

from __future__ import annotations

import pytest
from sweeping import SMALL, jobs_of, kinds_of, read_csv, status_of, tags_of

import framework
from framework.errors import RunFailedError
from framework.runs.journal import read_journal

HOOK = """
from framework import hookimpl


@hookimpl
def {hook}(run, {more}):
    if run.config["seed"] == 1:
        {what}
"""
EARLY = '''
from framework import ElementwiseOptimizer, hyper


class Early(ElementwiseOptimizer):
    """Gradient descent that fails before the first step."""

    lr: float = hyper(0.1, above=0)

    def initial_state(self, parameters):
        raise OSError("too early")

    def rule(p, g, *, lr):
        return p - lr * g
'''


def hook(path, what: str, name: str = "epoch_finished", more: str = "epoch, metrics"):
    path.write_text(HOOK.format(hook=name, more=more, what=what))
    return f"--plugin={path}"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("import sys; sys.exit(7)", "SystemExit: 7"),
        pytest.param("raise GeneratorExit", "GeneratorExit:", marks=pytest.mark.long),
    ],
    ids=["error", "exit", "generator"],
)
def test_a_failed_run_is_one_line_and_a_traceback_in_its_folder(command, tmp_path, what, error):
    plugin = hook(tmp_path / "bad.py", what)
    code, _, err = command(plugin, *SMALL, "seed=1", "hydra.run.dir=run")
    assert code == 1
    (line,) = err.splitlines()
    assert line.startswith("error: adam lr=")
    assert line.endswith(f" failed: {error}; its traceback is in {tmp_path}/run/error.txt")
    text = (tmp_path / "run" / "error.txt").read_text()
    assert f'File "{tmp_path}/bad.py", line 8, in epoch_finished' in text
    assert status_of(tmp_path / "run") == "FAILED"
    assert tags_of(tmp_path / "run")["error"] == error
    artifacts = [entry.content["path"] for entry in read_journal(tmp_path / "run") if entry.kind == "artifact"]
    assert "error.txt" in artifacts


def test_a_plugin_that_exits_fails_its_run_and_no_other(command, tmp_path):
    plugin = hook(tmp_path / "bad.py", "import sys; sys.exit(7)")
    code, _, err = command(plugin, "-m", *SMALL, "seed=0,1,2", "hydra.sweep.dir=s", "launcher.workers=1")
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("error: 3 runs: 2 ok, 1 failed (the first: adam lr=0.001 seed=1: SystemExit: 7; ")
    assert last.endswith("; see s/1/error.txt); python -m framework resume s continues")
    assert [status_of(job) for job in jobs_of(tmp_path / "s")] == ["FINISHED", "FAILED", "FINISHED"]
    assert [row["ended"] for row in read_csv(tmp_path / "s" / "leaderboard.csv")] == ["budget", "budget", "failed"]


def test_an_exit_while_the_cost_is_measured_ends_nothing(command, tmp_path):
    rule = EARLY.replace('raise OSError("too early")', "import sys; sys.exit(3)")
    (tmp_path / "early.py").write_text(rule)
    words = ("--plugin=early.py", "-m", *SMALL, "epochs=1", "optimizer=early,sgd", "hydra.sweep.dir=s")
    code, _, err = command(*words, "launcher.workers=1")
    assert code == 1
    assert "2 runs: 1 ok, 1 failed (the first: early lr=0.1 seed=0: SystemExit: 3; " in err


def test_an_interrupt_in_a_hook_is_an_interrupt(command, tmp_path):
    code, _, err = command(hook(tmp_path / "bad.py", "raise KeyboardInterrupt"), *SMALL, "seed=1", "hydra.run.dir=run")
    assert code == 130
    assert "interrupted" in err
    assert status_of(tmp_path / "run") == "KILLED"


@pytest.mark.parametrize("launcher", ["population", pytest.param("basic", marks=pytest.mark.long)])
def test_a_run_that_fails_before_its_first_step_is_recorded(command, tmp_path, launcher):
    (tmp_path / "early.py").write_text(EARLY)
    words = ("-m", *SMALL, "epochs=1", "optimizer=early,sgd", "hydra.sweep.dir=s", "launcher.workers=1")
    code, _, err = command("--plugin=early.py", *words, f"hydra/launcher={launcher}")
    assert code == 1
    assert "2 runs: 1 ok, 1 failed" in err
    assert [status_of(job) for job in jobs_of(tmp_path / "s")] == ["FAILED", "FINISHED"]
    assert kinds_of(tmp_path / "s" / "0")[0] == "start"
    assert "too early" in (tmp_path / "s" / "0" / "error.txt").read_text()


def test_an_error_after_the_end_of_a_run_leaves_it_finished(command, tmp_path):
    plugin = hook(tmp_path / "bad.py", "raise OSError('late')", "run_finished", "metrics")
    words = (*SMALL, "epochs=1", "seed=0,1", "hydra.sweep.dir=s", "launcher.workers=1", "launcher.block=1")
    code, _, err = command(plugin, "-m", *words)
    assert code == 0
    assert "run 1 has finished, and then: OSError: late" in err
    assert [status_of(job) for job in jobs_of(tmp_path / "s")] == ["FINISHED", "FINISHED"]


def test_python_raises_the_runs_own_error(tmp_path, monkeypatch):
    from framework.registry import manager

    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(HOOK.format(hook="epoch_finished", more="epoch, metrics", what="exit()"))
    with manager.beside(manager.current()) as widened:
        widened.add_file(tmp_path / "bad.py")
        with pytest.raises(RunFailedError, match="SystemExit"):
            framework.run(*SMALL, "seed=1", "hydra.run.dir=run")
    assert "bad.py" in (tmp_path / "run" / "error.txt").read_text()
