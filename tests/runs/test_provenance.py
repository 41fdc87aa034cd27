"""What a run's page says, and that doing what it says gives the run again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import processes
import pytest
from runs import config, same_numbers
from sweeping import SMALL, epochs_of, jobs_of, swept, weights_of

from framework.registry import manager
from framework.runs import provenance
from framework.runs.journal import read_journal

RULE = '''
from framework import ElementwiseOptimizer, Layer, LayerSpec, OptimizerSpec, hookimpl, hyper


class Halving(ElementwiseOptimizer):
    """Half steps down."""

    lr: float = hyper(0.1, above=0)

    def rule(p, g, *, lr):
        return p - 0.5 * lr * g


class Bend(Layer):
    """y = 2x."""

    def forward(self, x, *, training):
        return 2 * x

    def backward(self, dy, *, need_dx):
        return 2 * dy if need_dx else None


@hookimpl
def register_optimizers():
    yield OptimizerSpec("halving", Halving)


@hookimpl
def register_layers():
    yield LayerSpec("bend", Bend)
'''


@pytest.fixture
def rule(tmp_path):
    """A plugin file, loaded beside the others."""
    file = tmp_path / "my rule.py"
    file.write_text(RULE)
    with manager.beside(manager.current()) as widened:
        widened.add_file(file)
        yield file


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ((), "adam lr=0.01 seed=0"),
        (("optimizer=adam", "optimizer.lr=0.01", "seed=0"), "adam lr=0.01 seed=0"),
        (("optimizer.beta1=0.8", "epochs=3"), "adam lr=0.01 beta1=0.8 epochs=3 seed=0"),
        (
            ("+tags.a=b", "tracking.enabled=false", "launcher.block=3", "progress=false", "plan=false"),
            "adam lr=0.01 seed=0",
        ),
        (("++schedule=cosine",), "adam lr=0.01 schedule=cosine seed=0"),
    ],
)
def test_names_say_what_differs(overrides, name):
    assert provenance.run_name(config(), overrides) == name


def test_names_of_optimizers_without_a_rate_and_of_any_length():
    assert provenance.run_name(config(optimizer={"name": "cocob"})) == "cocob seed=0"
    assert len(provenance.run_name(config(), ["+tags.x=1", f"dataset.path={'x' * 500}"])) == 200


DECISIVE = [
    {"seed": 1},
    {"optimizer__lr": 0.02},
    {"optimizer": {"name": "sgd"}},
    {"epochs": 4},
    {"threads": 2},
    {"dtype": "float64"},
    {"stages": {"ema": {}}},
    {"model__layers": ["flatten", {"layer": "dense", "units": "outputs"}]},
    {"dataset__split_seed": 1},
    {"metrics": ["top_k"]},
]
BESIDE = [
    {"tags": {"a": "b"}},
    {"progress": False},
    {"plan": True},
    {"kernel": "numpy"},
    {"tracking": {"enabled": True, "uri": "sqlite:///x.db", "experiment": "other"}},
    {"launcher": {"workers": 2}},
]


def test_the_identity_is_of_what_decides_numbers():
    own = config().identity
    assert [config(**changes).identity == own for changes in DECISIVE] == [False] * len(DECISIVE)
    assert [config(**changes).identity == own for changes in BESIDE] == [True] * len(BESIDE)
    assert len({config(**changes).identity for changes in DECISIVE}) == len(DECISIVE)


def test_the_identity_knows_the_source_of_a_plugin_file(rule):
    before = config(optimizer={"name": "halving"}).identity
    unrelated = config().identity
    rule.write_text(RULE.replace("0.5", "0.25"))
    assert (
        config(optimizer={"name": "halving"}).identity == before
    )  # the loaded code decides, not what became of its file
    with manager.beside(manager.load(environ={})) as reloaded:
        reloaded.add_file(rule)
        assert config(optimizer={"name": "halving"}).identity != before
        assert config().identity == unrelated


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"name": "halving"}},
        {"model__layers": ["flatten", "bend", {"layer": "dense", "units": "outputs"}]},
        {"model__layers": ["flatten", {"layer": "dense", "units": "outputs", "activation": "bend"}]},
    ],
    ids=["optimizer", "layer", "activation"],
)
def test_plugin_files_are_kept_wherever_they_are_used(rule, changes):
    assert config(**changes).plugin_sources == {"my rule.py": RULE.encode()}
    assert config().plugin_sources == {}


def test_tags_say_where_a_run_comes_from(tmp_path):
    tags = provenance.tags(config(tags={"team": "red", "seed": "own"}), ["seed=0"], tmp_path, sweep_id="s1")
    assert tags["optimizer"] == "adam"
    assert tags["problem"] == "test"
    assert tags["sweep_id"] == "s1"
    assert tags["team"] == "red"
    assert tags["seed"] == "own"  # the user's word counts
    assert tags["folder"] == str(tmp_path)
    assert tags["plugin"] == "plugins.optimizers.adam"
    assert tags["config_hash"] == config().identity
    assert tags["plugin_version"]
    assert "sweep_id" not in provenance.tags(config(), [], tmp_path)
    assert all(isinstance(value, str) and value for value in tags.values())


def test_a_description_says_what_it_is_and_how_to_do_it_again():
    said = provenance.description(config(), ["optimizer=adam", "+tags.note='two words'"])
    assert said.startswith("Adam")
    assert "data set `digits`" in said
    assert "python -m framework optimizer=adam" in said


def git(folder, *words):
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_the_state_of_the_checkout(tmp_path):
    assert provenance.git_state(str(tmp_path)) == {}
    (tmp_path / "repo").mkdir()
    repo = tmp_path / "repo"
    git(repo, "init", "-q")
    assert provenance.git_state(str(repo)) == {}  # no commit yet
    provenance.git_state.cache_clear()
    git(repo, "commit", "-q", "--allow-empty", "-m", "first")
    commit = git(repo, "rev-parse", "HEAD")
    assert provenance.git_state(str(repo)) == {"git_commit": commit, "git_dirty": "false"}
    provenance.git_state.cache_clear()
    (repo / "new.txt").write_text("")
    assert provenance.git_state(str(repo)) == {"git_commit": commit, "git_dirty": "true"}


def test_the_state_of_the_checkout_does_not_write_to_it(tmp_path):
    git(tmp_path, "init", "-q")
    file = tmp_path / "file.txt"
    file.write_text("text")
    git(tmp_path, "add", "file.txt")
    git(tmp_path, "commit", "-q", "-m", "first")
    os.utime(file, (10**9, 10**9))  # git would update the file's times in its index
    before = (tmp_path / ".git" / "index").read_bytes()
    assert provenance.git_state(str(tmp_path))["git_dirty"] == "false"
    assert (tmp_path / ".git" / "index").read_bytes() == before


def test_the_environment_names_versions_and_the_machine():
    facts = dict(line.split(": ", 1) for line in provenance.environment().splitlines())
    import numpy

    assert facts["numpy"] == numpy.__version__
    assert facts["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert {"optimizer-workbench", "hydra-core", "mlflow", "platform", "processor"} <= facts.keys()
    assert provenance.version("no-such-package-at-all") == "absent"


def again(command, cwd):
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "framework"]
    done = processes.command(*words[3:], cwd=cwd)
    assert done.returncode == 0, done.stderr


def test_the_command_of_a_run_of_a_sweep_gives_it_again(rule, tmp_path):
    layers = "model.layers=[flatten,{layer: dense, units: outputs, activation: bend}]"
    words = [
        "~model.initial",
        layers,
        "optimizer=halving",
        "optimizer.lr=0.1,0.3",
        "+tags.note='it\\'s, \"so\" $HOME #1'",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEWORK_PLUGINS", str(rule))
        swept(tmp_path / "s", *SMALL, *words, "launcher.workers=1")
    original = jobs_of(tmp_path / "s")[1]
    tags = read_journal(original)[0].content["tags"]
    assert tags["note"] == 'it\'s, "so" $HOME #1'
    (tmp_path / "elsewhere").mkdir()
    again(tags["command"], tmp_path / "elsewhere")
    repeated = next((tmp_path / "elsewhere").glob("outputs/*/*/journal.jsonl")).parent
    assert same_numbers(epochs_of(repeated), epochs_of(original))
    assert weights_of(repeated)["parameters"].tobytes() == weights_of(original)["parameters"].tobytes()
    assert read_journal(repeated)[0].content["tags"]["config_hash"] == tags["config_hash"]
    assert (repeated / "my rule.py").read_text() == (original / "my rule.py").read_text() == RULE


def test_the_command_of_a_sweep_gives_it_again(tmp_path):
    swept(tmp_path / "s", *SMALL, "epochs=1", "seed=range(2)", "optimizer.lr=choice(0.1,0.2)")
    command = read_journal(tmp_path / "s")[0].content["tags"]["command"]
    (tmp_path / "elsewhere").mkdir()
    again(command, tmp_path / "elsewhere")
    repeated = next((tmp_path / "elsewhere").glob("multirun/*/*/multirun.yaml")).parent
    first, second = jobs_of(tmp_path / "s"), jobs_of(repeated)
    assert [path.name for path in first] == [path.name for path in second] == ["0", "1", "2", "3"]
    assert all(same_numbers(epochs_of(a), epochs_of(b)) for a, b in zip(first, second, strict=True))
