"""What `new-plugin` writes works at once, and a stranger's package is as good as a built-in.

The environment is fresh and sees this one's packages through a path file: only the plugins are installed into it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from places import TESTS
from processes import PATIENCE

from framework.cli.new_plugin import main, write
from framework.errors import InputError
from framework.registry import manager

STRANGER = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "a-strangers-parts"
version = "3.1"
[project.entry-points."framework.plugins"]
strangers_parts = "strangers_parts"
[tool.hatch.build]
only-include = ["strangers_parts.py"]
""",
    "strangers_parts.py": '''
from framework import ElementwiseOptimizer, Layer, LayerSpec, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign


class Half(ElementwiseOptimizer):
    """Half descent, half signs."""

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-3, 0.1))
    mix: float = hyper(0.5, at_least=0, at_most=1)

    def rule(p, g, *, lr, mix):
        return p - lr * ((1 - mix) * g + mix * sign(g))


class Bend(Layer):
    """y = x + x^3 / 3."""

    def forward(self, x, *, training):
        self._x = x.copy()
        return x + x * x * x / 3

    def backward(self, dy, *, need_dx):
        return dy * (1 + self._x * self._x) if need_dx else None


@hookimpl
def register_optimizers():
    yield OptimizerSpec("half", Half)


@hookimpl
def register_layers():
    yield LayerSpec("bend", Bend)
''',
}
ONE_FILE = '''
from framework import ElementwiseOptimizer, hyper

class Mine(ElementwiseOptimizer):
    """Plain descent, by a user."""
    lr: float = hyper(0.05, above=0)
    def rule(p, g, *, lr):
        return p - lr * g
'''
SMALL = ("dataset.train_limit=60", "epochs=1", "progress=false")
BENT = "model.layers=[flatten,{layer: dense, units: 8},bend,{layer: dense, units: outputs}]"


class Environment:
    """A fresh environment that sees this one's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False)
        self.python = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())
        packages = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
        seen = [path for path in sys.path if path and Path(path).is_dir() and not Path(path).is_relative_to(TESTS)]
        (packages / "others.pth").write_text("\n".join(seen) + "\n")

    def run(self, *words, cwd, **env):
        keep = {
            key: value for key, value in os.environ.items() if not key.startswith(("FRAMEWORK_", "MLFLOW_", "PYTEST"))
        }
        return subprocess.run(
            [self.python, "-m", *words], cwd=cwd, env={**keep, **env}, capture_output=True, text=True, timeout=PATIENCE
        )

    def install(self, package: Path) -> None:
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
        done = self.run("pip", "install", *options, str(package), cwd=self.folder)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    pytest.importorskip("hatchling", reason="the packages are built without a network")
    folder = tmp_path_factory.mktemp("plugins")
    manager.install(None)
    made = Environment(folder / "environment")
    made.package = write("plain_memory", folder)
    made.install(made.package)
    stranger = folder / "stranger"
    stranger.mkdir()
    for name, text in STRANGER.items():
        (stranger / name).write_text(text)
    made.install(stranger)
    return made


def test_packages_are_listed_with_their_origin(environment, tmp_path):
    done = environment.run("framework", "plugins", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    listed = {(row["kind"], row["name"]): row for row in json.loads(done.stdout)}
    ours = listed["optimizer", "plain_memory"]
    assert (ours["distribution"], ours["version"], ours["status"]) == ("plain-memory", "0.1.0", "ok")
    assert ours["summary"].startswith("Plain memory")
    for kind, name in (("optimizer", "half"), ("layer", "bend")):
        assert (listed[kind, name]["distribution"], listed[kind, name]["version"]) == ("a-strangers-parts", "3.1")


def test_the_new_package_passes_its_own_test(environment):
    done = environment.run("pytest", "-q", str(environment.package), cwd=environment.package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_new_rule_runs(environment, tmp_path):
    done = environment.run("framework", "optimizer=plain_memory", "tracking.enabled=false", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (journal,) = tmp_path.rglob("journal.jsonl")
    assert '"FINISHED"' in journal.read_text()


def test_a_strangers_parts_are_checked(environment, tmp_path):
    for words in (("optimizer", "half"), ("layer", "bend")):
        done = environment.run("framework", "check", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert " failed" not in done.stdout


def test_two_packages_and_a_file_are_swept_and_logged(environment, tmp_path):
    (tmp_path / "mine.py").write_text(ONE_FILE)
    store = tmp_path / "store.db"
    done = environment.run(
        *("framework", "--plugin", "mine.py", "-m", "optimizer=half,mine,plain_memory", "seed=0,1"),
        *("~model.sizes", "~model.activation", BENT, *SMALL),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{store}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(store) as held:
        status = dict(held.execute("select run_uuid, status from runs").fetchall())
        tags = {}
        for run, key, value in held.execute("select run_uuid, key, value from tags"):
            tags.setdefault(run, {})[key] = value
        losses = held.execute("select distinct run_uuid from metrics where key = 'test/loss'").fetchall()
    held.close()
    children = [run for run in tags if "mlflow.parentRunId" in tags[run]]
    assert len({tags[run]["mlflow.parentRunId"] for run in children}) == 1
    assert sorted((tags[run]["optimizer"], tags[run]["seed"]) for run in children) == [
        ("half", "0"),
        ("half", "1"),
        ("mine", "0"),
        ("mine", "1"),
        ("plain_memory", "0"),
        ("plain_memory", "1"),
    ]
    assert {status[run] for run in children} == {"FINISHED"}
    assert {run for (run,) in losses} >= set(children)
    plugins = {(tags[run]["optimizer"], tags[run]["plugin"], tags[run].get("plugin_version")) for run in children}
    assert plugins == {
        ("half", "strangers_parts", "3.1"),
        ("plain_memory", "plain_memory", "0.1.0"),
        ("mine", "mine", None),
    }


def test_a_package_is_never_written_over(tmp_path):
    folder = write("my_rule", tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert sorted(path.relative_to(folder).as_posix() for path in before) == [
        "README.md",
        "my_rule.py",
        "pyproject.toml",
        "tests/test_my_rule.py",
    ]
    with pytest.raises(InputError, match="exists already"):
        write("my_rule", tmp_path)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["my_rule"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["My-Rule"], "is not a valid name"),
        (["class"], "is not a valid name"),
        (["9lives"], "is not a valid name"),
        (["double__under"], "is not a valid name"),
        (["adam"], "has an optimizer adam already"),
        (["random"], "Python has a module random already"),
        ([], "the following arguments are required: NAME"),
        (["fine", "--onto", "."], "unrecognized arguments: --onto"),
        (["fine", "--into", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_wrong_input_is_one_clear_line(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said) as error:
        main(words)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
