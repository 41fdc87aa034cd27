"""Every hook's docstring holds a complete plugin; here each one is written to a file, loaded, and used or fired."""

from __future__ import annotations

import inspect
import re
import textwrap
import warnings
from pathlib import Path

import pytest

import framework
from framework import hookspecs
from framework.checks import check
from framework.checks.results import FAILED
from framework.registry import manager
from framework.specs import HOOKS

pytestmark = pytest.mark.usefixtures("unrendered")

EVERY = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, f"{hookspecs.PROJECT}_spec")}
SMALL = ("problem=digits_softmax", "dataset.train_limit=60", "progress=false", "tracking.enabled=false")
BROKEN = '''
from framework import ElementwiseOptimizer, hyper

class Breaks(ElementwiseOptimizer):
    """Breaks at the first step."""
    lr: float = hyper(0.1, above=0)
    def step(self, *anything):
        raise ArithmeticError("the rule broke")
    def rule(p, g, *, lr):
        return p
'''


def example(hook):
    """Return the plugin in a hook's docstring."""
    _, _, code = inspect.getdoc(hook).partition("::\n")
    return textwrap.dedent(code).strip() + "\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load plugins' sources as files; they are this process's own until the test ends."""
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def variables(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        files = [tmp_path / f"{name}.py" for name in sources]
        made = manager.load(files, environ={"FRAMEWORK_STRICT_PLUGINS": "1"})
        manager.install(made)
        return made

    yield variables
    manager.install(None)


def test_there_is_an_example_for_every_hook():
    assert set(HOOKS.values()) < set(EVERY)
    for name, hook in EVERY.items():
        assert f"def {name}(" in example(hook), name


@pytest.mark.parametrize(("kind", "hook"), HOOKS.items())
def test_a_registration_example_registers_something_that_conforms(load, kind, hook):
    held = load(example_plugin=example(EVERY[hook]))
    (found,) = [entry for entry in held.entries.values() if entry.provider.name == "example_plugin"]
    assert found.kind == kind
    assert [result for result in check(kind, found.name) if result.status == FAILED] == []


USED = {
    "optimizer": ("optimizer=sign_descent",),
    "layer": ("~model.initial", "model.layers=[flatten,square,{layer: dense, units: outputs}]"),
    "loss": ("loss=log_cosh",),
    "dataset": ("dataset=xor",),
    "schedule": ("schedule=inverse_time",),
    "metric": ("problem=diabetes_regression", "dataset.train_limit=60", "metrics=[worst_error]"),
    "stage": ("stages=[shrink]",),
}


@pytest.mark.parametrize(("kind", "words"), USED.items(), ids=USED)
def test_a_registration_example_trains(load, kind, words):
    load(example_plugin=example(EVERY[HOOKS[kind]]))
    result = framework.run(*SMALL, "epochs=1", *words)
    assert result.ended == "budget"
    assert result.metrics["test/loss"] >= 0
    if kind == "metric":
        assert result.metrics["test/worst_error"] > 0


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("run_started", r"^started \S.*\n$"),
        ("step_finished", r"^first loss \d+\.\d+\n$"),
        ("epoch_finished", r"^\S.* 1 \d\.\d+\n\S.* 2 \d\.\d+\n$"),
        ("run_finished", r"^finished \S.* \d\.\d+\n$"),
    ],
)
def test_a_lifecycle_example_fires(load, capsys, hook, said):
    load(example_plugin=example(EVERY[hook]))
    capsys.readouterr()
    framework.run(*SMALL, "epochs=2")
    assert re.search(said, capsys.readouterr().out)


def test_the_example_of_a_failed_run_fires(load, capsys):
    load(example_plugin=example(hookspecs.run_failed), breaks=BROKEN)
    capsys.readouterr()
    with pytest.raises(ArithmeticError):
        framework.run(*SMALL, "epochs=1", "optimizer=breaks")
    assert re.search(r"^failed \S.* the rule broke\n$", capsys.readouterr().out)


BREAKS_OFF = """
from pathlib import Path

from framework import hookimpl

@hookimpl
def step_finished(runs, step, losses):
    if step == 7 and not Path("broken").exists():
        Path("broken").touch()
        raise ArithmeticError("broken off")

@hookimpl
def run_state(run):
    return {}
"""
"""With two steps per epoch, the run ends in its fourth epoch at the first try."""


@pytest.mark.parametrize("hook", ["run_state", "restore_run"])
def test_the_examples_that_keep_state_continue(load, capsys, hook):
    words = (*SMALL, "epochs=6", "optimizer=sgd", "optimizer.lr=20", "checkpoint.every_seconds=0")
    load(example_plugin=example(EVERY[hook]))
    capsys.readouterr()
    whole = framework.run(*words, "hydra.run.dir=part")
    Path("part").rename("whole")
    lines = capsys.readouterr().out.splitlines()
    load(example_plugin=example(EVERY[hook]), breaks_off=BREAKS_OFF)
    with pytest.raises(ArithmeticError):
        framework.run(*words, "hydra.run.dir=part")
    load(example_plugin=example(EVERY[hook]), breaks_off=BREAKS_OFF)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = framework.run(*words, "hydra.run.dir=part", "resume=true")
    assert capsys.readouterr().out.splitlines() == lines[3:]
    assert [row["val/loss"] for row in again.history] == [row["val/loss"] for row in whole.history]
    losses = [row["val/loss"] for row in whole.history]
    assert losses[3] > min(losses[:3])  # else the state would not show
    assert len(losses) == (6 if hook == "run_state" else 4)


def test_the_example_that_stops_a_run_stops_it(load):
    load(example_plugin=example(hookspecs.should_stop).replace("< 0.5", "< 50"))
    assert len(framework.run(*SMALL, "epochs=3").history) == 1
    load(example_plugin=example(hookspecs.should_stop).replace("< 0.5", "< 0"))
    assert len(framework.run(*SMALL, "epochs=3").history) == 3
