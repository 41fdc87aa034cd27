"""The checks of problems: they pass what is right, and each planted bug fails the check that is there for it."""

from __future__ import annotations

import json
from pathlib import Path

import planted_problems
import pytest
from planted_problems import BOWL, PLANTED
from runs import config

from framework.checks.problems import CHECKS, check_problem
from framework.checks.results import FAILED, SKIPPED
from framework.cli.help.presets import Presets
from framework.config.settings import Goal
from framework.registry import manager

FILE = str(Path(planted_problems.__file__).resolve())
NETWORKS = ("digits_cnn", "moons_mlp", "diabetes_regression", "digits_autoencoder")
FUNCTIONS = Presets.of().content("problem", "set/functions")["problems"]


@pytest.fixture(autouse=True)
def registry():
    manager.install(manager.load(environ={"FRAMEWORK_PLUGINS": FILE}))
    yield
    manager.install(None)


def of_status(results, status):
    return {result.check: result.reason for result in results if result.status == status}


def test_a_right_problem_passes():
    results = check_problem(config(**BOWL))
    assert [result.check for result in results] == [check.__name__ for check in CHECKS]
    assert {result.status for result in results} == {"passed"}


@pytest.mark.parametrize(("check", "changes"), PLANTED.values(), ids=PLANTED)
def test_a_planted_bug_fails_its_check_alone(check, changes):
    assert list(of_status(check_problem(config(**{**BOWL, **changes})), FAILED)) == [check]


def test_every_check_of_problems_has_a_planted_bug():
    assert {check for check, _ in PLANTED.values()} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("name", [*NETWORKS, *FUNCTIONS])
def test_our_problems_pass(name):
    results = check_problem(Presets.of().problem(name).config)
    assert of_status(results, FAILED) == {}
    assert set(of_status(results, SKIPPED)) <= ({"minima"} if name in NETWORKS else set())


def test_no_target_is_skipped_with_the_reason():
    results = check_problem(config(**{**BOWL, "target": None, "target_source": "nobody measured it"}))
    assert of_status(results, SKIPPED) == {"target_is_reachable": "there is no target: nobody measured it"}


def test_a_metric_has_its_best_value():
    digits = {"target": 1.0, "target_source": "chosen", "problem_source": "a file"}
    assert of_status(check_problem(config(**digits)), FAILED) == {}
    failed = of_status(check_problem(config(**{**digits, "target": 1.001})), FAILED)
    assert failed == {"target_is_reachable": "target=1.001: the best possible accuracy is 1"}


def test_every_problem_states_source_budget_and_target():
    presets = Presets.of()
    for name in set(presets.names("problem")) - {"file"}:
        chosen = presets.problem(name)
        goal = chosen.config.section(Goal)
        assert {"batch_size"} < set(chosen.settings) & {"batch_size", "epochs", "steps"}, name
        assert goal.problem_source, name
        assert goal.target_source, name


@pytest.fixture
def mine(tmp_path):
    """Write a problem with a wrong gradient into a folder of a user; return the folder."""
    (tmp_path / "problem").mkdir()
    text = Path(Presets.of().folders[0] / "problem" / "quadratic.yaml").read_text(encoding="utf-8")
    changed = text.replace("override /loss: quadratic", "override /loss: slanted").replace("100", "3")
    (tmp_path / "problem" / "mine.yaml").write_text(changed, encoding="utf-8")
    return tmp_path


def test_the_command_checks_problems(command, mine):
    folder = ("--config-dir", str(mine))
    code, out, err = command("--plugin", FILE, "check", "problem", "mine", "saddle", "--json", *folder)
    rows = json.loads(out)
    assert (code, err) == (1, "")
    assert {(row["kind"], row["name"]) for row in rows} == {("problem", "mine"), ("problem", "saddle")}
    assert ("mine", "gradients") in {(row["name"], row["check"]) for row in rows if row["status"] == "failed"}
    code, out, err = command("check", "problem", "set/smoke", "rosenbrock")
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "problem moons_mlp",
        "problem iris_mlp",
        "problem rosenbrock",
    ]
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the problem to check"),
        (["saddel"], "no problem is called saddel; did you mean saddle"),
        (["saddle", "set/smok"], "did you mean set/smoke"),
        (["saddle", "-cd", "nowhere"], "there is no such folder"),
    ],
    ids=["none", "name", "set", "folder"],
)
def test_a_wrong_problem_is_one_line_and_exit_code_2(command, words, said):
    code, out, err = command("check", "problem", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
