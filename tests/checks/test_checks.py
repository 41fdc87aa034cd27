"""The conformance kit: it passes what is right, and each planted bug fails the check that is there for it."""

from __future__ import annotations

import json

import numpy as np
import planted_arrays  # noqa: F401 - plants
import planted_losses
import planted_metrics
import planted_models
import planted_others
import planted_rules
import planted_stages
import pytest
from planted_rules import PLANTED

from framework.checks import CheckResult, assert_conforms, check, check_layer, check_optimizer, optimizer_engines
from framework.checks.chains import chain_subject
from framework.checks.kit import KITS
from framework.checks.results import FAILED, PASSED, SKIPPED, Broken, Figure, Skip, judge, worst
from framework.cli import commands
from framework.errors import InputError
from framework.registry import manager
from framework.training import engine

SOUND = [
    ("optimizer", planted_rules.Sound),
    ("optimizer", planted_rules.Plain),
    ("optimizer", planted_rules.PlainTensors),
    ("stage", planted_stages.Halver),
    ("layer", planted_models.Scale),
    ("layer", planted_models.Same),
    ("loss", planted_losses.Squares),
    ("metric", planted_metrics.Distance),
    ("schedule", planted_others.Falls),
    ("schedule", planted_others.Watches),
    ("dataset", planted_others.Clouds),
]
SKIPS = {
    ("optimizer", "adam"): {"follows_reference"},
    ("optimizer", "lamb"): {"follows_reference", "fused_as_numpy"},
    ("layer", "batch_norm"): set(),
    ("loss", "huber"): set(),
}
"""What is skipped of some of ours: what cannot apply, and no more."""
BUILT_IN = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})


def of_status(results, status):
    return {result.check for result in results if result.status == status}


@pytest.mark.parametrize(("kind", "cls"), SOUND, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_right_passes(kind, cls):
    results = check(kind, cls)
    assert [result for result in results if result.status == FAILED] == []
    assert len(results) == len(KITS[kind].of_class) + len(KITS[kind].checks)


@pytest.mark.parametrize(
    ("kind", "cls", "named", "others"), PLANTED, ids=[f"{row[0]}-{row[1].__name__}" for row in PLANTED]
)
def test_a_planted_bug_fails_its_check(kind, cls, named, others):
    failed = of_status(check(kind, cls), FAILED)
    assert named in failed
    assert failed <= {named, *others}


def test_every_check_has_a_planted_bug():
    planted = {(kind, named) for kind, _, named, _ in PLANTED}
    of_classes = {function.__name__ for kit in KITS.values() for function in kit.of_class}
    wanted = {(kind, function.__name__) for kind, kit in KITS.items() for function in kit.checks}
    missing = wanted - planted - {("optimizer", "fused_as_numpy")}  # planted in the engine, below
    assert missing == set()
    assert of_classes <= {named for _, named in planted}


def test_an_engine_that_differs_is_caught(monkeypatch):
    class Wrong:
        def __init__(self, parameters):
            self._flat = parameters.flat

        def fill(self, table):
            pass

        def step(self, row):
            self._flat[...] = np.nextafter(self._flat, 1)

    monkeypatch.setattr(engine, "fuse", lambda optimizer, parameters, *rest: Wrong(parameters))
    assert of_status(check_optimizer(planted_rules.Plain), FAILED) == {"fused_as_numpy"}


def test_what_does_not_apply_is_skipped_with_its_reason():
    class Rooted(planted_rules.Plain):
        """Uses a cube root."""

        exact = False

        def rule(p, g, *, lr):
            return p - lr * np.cbrt(g)

    found = {result.check: result for result in check_optimizer(Rooted)}
    assert found["fused_as_numpy"].status == SKIPPED
    assert "exact = False" in found["fused_as_numpy"].reason
    assert "no `reference`" in found["follows_reference"].reason


@pytest.mark.parametrize(("there", "reason"), [(None, "llvmlite is not installed"), (True, "the log has the reason")])
def test_a_loop_that_went_unchecked_says_so(monkeypatch, there, reason):
    class Unbuilt(planted_rules.Plain):
        """Has no loop."""

    monkeypatch.setattr(engine, "fuse", lambda *given: None)
    monkeypatch.setattr(optimizer_engines, "find_spec", lambda name: there)
    found = judge(optimizer_engines.fused_as_numpy, chain_subject(Unbuilt))
    assert found.status == SKIPPED
    assert reason in found.reason
    assert "not checked" in found.reason


def test_a_promise_must_be_a_known_one():
    class Vague(planted_rules.Plain):
        """Promises the moon."""

        converges = "somehow"

    failed = [result for result in check_optimizer(Vague) if result.status == FAILED]
    assert {result.check for result in failed} == planted_rules.DESCENT
    assert all("converges='somehow'" in result.reason for result in failed)


def test_a_layer_that_needs_settings_says_how_to_give_them():
    class Needy(planted_models.Same):
        """Takes nothing that is tried."""

        def output_shape(self, shape):
            raise InputError("it wants more")

    results = check_layer(Needy)
    assert of_status(results, SKIPPED) >= {function.__name__ for function in KITS["layer"].checks}
    assert any("`examples`" in result.reason and "it wants more" in result.reason for result in results)


def test_assert_conforms_lists_what_fails():
    assert_conforms("stage", planted_stages.Halver)
    with pytest.raises(AssertionError, match=r"fails 1 checks:\n  zero_gradient: ") as error:
        assert_conforms("optimizer", planted_rules.ZeroOverZero)
    assert "together_as_alone" not in str(error.value)
    assert_conforms("optimizer", planted_rules.ZeroOverZero, skip=["zero_gradient"])


def test_wrong_questions_are_input_errors():
    with pytest.raises(InputError, match="no optimizer is called adm; did you mean"):
        check("optimizer", "adm")
    with pytest.raises(InputError, match="kind of plugin optimizers"):
        check("optimizers", "adam")
    with pytest.raises(InputError, match="not a subclass of Layer"):
        check("layer", planted_rules.Plain)


def test_verdicts():
    def says(figure):
        def one_check(subject):
            if isinstance(figure, Exception):
                raise figure
            return figure

        return judge(one_check, None)

    assert says(Figure(1, 1, "unused")) == CheckResult("one_check", PASSED, "", 1, 1)
    assert says(Figure(2, 1, "too much")) == CheckResult("one_check", FAILED, "too much", 2, 1)
    assert says(Figure(float("nan"), 1, "none")).status == FAILED
    assert says(Skip("why")) == CheckResult("one_check", SKIPPED, "why")
    assert says(Broken("how")) == CheckResult("one_check", FAILED, "how")
    assert says(ValueError("a\nb")) == CheckResult("one_check", FAILED, "ValueError: a b")
    assert worst([(1, "one"), (float("nan"), "bad"), (3, "three")], 2).says == "bad"
    with pytest.raises(Skip):
        worst([], 0)


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run the command in this process; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.delenv("FRAMEWORK_PLUGINS", raising=False)
        try:
            code = commands.main(["check", *words])
        finally:
            manager.install(None)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


RULE = '''
from framework import ElementwiseOptimizer, hyper

class Mine(ElementwiseOptimizer):
    """Plain descent, by a user."""
    lr: float = hyper(0.05, above=0, prior="log", search=(1e-3, 1.0))
    def rule(p, g, *, lr):
        return p - lr * g
'''


def test_the_command_prints_a_table(command):
    code, out, err = command("optimizer", "sgd")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("optimizer sgd: ")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert rows["together_as_alone"][:1] == ["passed"]
    assert rows["follows_reference"][0] == "skipped"
    assert set(rows) == {function.__name__ for function in (*KITS["optimizer"].of_class, *KITS["optimizer"].checks)}


def test_a_file_is_checked_and_a_bug_in_it_gives_exit_code_1(command, tmp_path):
    (tmp_path / "mine.py").write_text(RULE)
    code, out, _ = command("mine.py")
    assert (code, out.splitlines()[0].split(":")[0]) == (0, "optimizer mine")
    (tmp_path / "mine.py").write_text(RULE.replace("p - lr", "p + lr"))
    code, out, _ = command("mine.py", "--json")
    listed = json.loads(out)
    assert code == 1
    assert {row["check"] for row in listed if row["status"] == "failed"} == planted_rules.DESCENT
    assert set(listed[0]) == {"kind", "name", "check", "status", "reason", "figure", "bound"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the plugins"),
        (["--all", "optimizer"], "name the plugins"),
        (["optimiser", "adam"], "did you mean optimizer"),
        (["optimizer"], "name the optimizer to check"),
        (["optimizer", "adm"], "did you mean adam"),
        (["none.py"], "there is no such file"),
        (["broken.py"], "SyntaxError"),
        (["empty.py"], "no hook and no class"),
        (["--some"], "unrecognized arguments: --some"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(command, tmp_path, words, said):
    (tmp_path / "broken.py").write_text("this is no Python")
    (tmp_path / "empty.py").write_text("x = 1\n")
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def built_in(kinds):
    return [
        key
        for key in sorted(BUILT_IN.entries)
        if key[0] in kinds and not getattr(BUILT_IN.find(*key).cls, "external", "")
    ]


@pytest.mark.parametrize(("kind", "name"), built_in(KITS), ids=lambda value: value)
def test_ours_conform(kind, name):
    results = check(kind, BUILT_IN.find(kind, name).cls)
    assert [result for result in results if result.status == FAILED] == []
    if (kind, name) in SKIPS:  # a kit that skips everything would pass everything
        assert of_status(results, SKIPPED) == SKIPS[kind, name]
