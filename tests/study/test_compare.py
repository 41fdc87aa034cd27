"""The command `compare` from its words to its report: protocol, reuse, failures, wrong inputs, the Python API."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas
import pytest
from runs import same_numbers
from studies import FEW, TINY, tables_of

import framework
from framework.hydra_app import job_runner, parent_run
from framework.runs.content import JournalContent
from framework.runs.journal import read_journal
from framework.study.statistics import seeds_to_tell

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts
RULES = '''
from framework import ElementwiseOptimizer, TensorOptimizer, hyper


class Mine(ElementwiseOptimizer):
    """Gradient descent.

    Source: this test.
    """

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-3, 1.0), help="learning rate")

    def rule(p, g, *, lr):
        return p - lr * g


class Unmade(TensorOptimizer):
    """A rule whose state cannot be made.

    Source: this test.
    """

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-3, 1.0), help="learning rate")

    def slots(self, shape):
        raise RuntimeError("broken on purpose")

    def rule(p, g, s, c):
        pass


class Broken(Mine):
    """Gradient descent that stops with an error.

    Source: this test.
    """

    def coefficients(h, t):
        raise RuntimeError("broken on purpose")
'''


def contents(folder: Path) -> list[JournalContent]:
    """The journals of a study's runs."""
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    return [JournalContent.of(read_journal(folder / str(number))) for number in numbers]


def test_the_protocol_in_journals(command):
    words = ("optimizer=adam,sgd", "target=0.3", "target_source=test", "hydra.sweep.dir=s")
    code, said, _ = command("compare", *words, *TINY, *FEW)
    assert code == 0
    runs = contents(Path("s"))
    tuning = [run for run in runs if run.tags["study_phase"] == "tuning"]
    reporting = [run for run in runs if run.tags["study_phase"] == "reporting"]
    assert (len(tuning), len(reporting)) == (2 * 3 * 2, 2 * 3)
    assert {run.tags["seed"] for run in tuning}.isdisjoint(run.tags["seed"] for run in reporting)
    assert not any(name.startswith("test/") for run in tuning for name in run.figures)
    assert all("test/accuracy" in run.figures for run in reporting)
    found = tables_of(Path("s"))
    trials = found["trials"]
    assert trials.groupby("entrant").size().to_dict() == {"adam": 3, "sgd": 3}
    for entrant, own in trials.groupby("entrant"):  # the best mean over both seeds, computed from the journals
        by_lr: dict[str, list[float]] = {}
        for run in tuning:
            if run.tags["optimizer"] == entrant:
                by_lr.setdefault(run.tags["setting"], []).append(run.figures["kept/val/accuracy"])
        best = max(sum(values) / len(values) for values in by_lr.values())
        (chosen,) = own[own["chosen"]].to_dict("records")
        assert chosen["figure"] == pytest.approx(best)
        used = {run.tags["setting"] for run in reporting if run.tags["optimizer"] == entrant}
        assert len(used) == 1
        assert f"lr={chosen['lr']:g}" in next(iter(used))
    for row in found["runs"].to_dict("records"):
        (run,) = [r for r in reporting if (r.tags["optimizer"], r.tags["seed"]) == (row["entrant"], str(row["seed"]))]
        reached = [epoch["step"] for epoch in run.history if epoch["val/accuracy"] >= 0.3]
        assert row["steps_to_target"] == min(reached, default=math.inf)
    assert np.isfinite(found["runs"]["steps_to_target"]).any()
    assert "too few seeds to tell: 3, and 6 are needed" in said
    assert (Path("s") / "report" / "report.html").is_file()


def test_a_second_start_trains_nothing(command, tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    fewest = ("study.trials=2", "study.tuning_seeds=1", "study.seeds=2", "study.extensions=0")
    words = ("compare", *TINY[:-1], *fewest, "--plugin", "rules.py")
    first = command(*words, "optimizer=adam,sgd", "hydra.sweep.dir=one")
    second = command(*words, "optimizer=adam,sgd", "hydra.sweep.dir=two")
    third = command(*words, "optimizer=adam,sgd,mine", "hydra.sweep.dir=three")
    assert [first[0], second[0], third[0]] == [0, 0, 0]
    assert contents(Path("two")) == []
    assert {run.tags["optimizer"] for run in contents(Path("three"))} == {"mine"}
    for name, frame in tables_of(Path("one")).items():
        pandas.testing.assert_frame_equal(frame, tables_of(Path("two"))[name])
    with closing(sqlite3.connect("mlflow.db")) as database:
        phases = database.execute(
            "select value, count(*) from tags where key = 'study_phase' group by value"
        ).fetchall()
        parents = database.execute("select count(distinct value) from tags where key = 'mlflow.parentRunId'").fetchone()
    assert dict(phases) == {"tuning": 3 * 2, "reporting": 3 * 2}
    assert parents == (2,)  # of the first and the third study


def test_failed_runs_count_as_the_worst(command, tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    words = ("--plugin", "rules.py", "optimizer=unmade,mine,broken", "hydra.sweep.dir=s")
    code, said, errors = command("compare", *TINY, *FEW, *words)
    assert code == 1
    last = errors.splitlines()[-1]
    assert last.startswith("error: 18 of 27 runs failed and count as the worst (the first: unmade lr=")
    assert "RuntimeError: broken on purpose; see s" in last and last.endswith("error.txt)")
    runs = tables_of(Path("s"))["runs"]
    for entrant in ("broken", "unmade"):
        assert runs[runs["entrant"] == entrant]["counted"].tolist() == [0.0] * 3
    assert "(3 failed)" in said
    before = {path: path.read_bytes() for path in Path("s").iterdir() if path.is_file()}
    (tmp_path / "rules.py").write_text(RULES.replace("on purpose", "again"))
    code, _, errors = command("resume", "s", "--plugin", "rules.py")
    assert (code, errors.count("\n")) == (2, 1)
    assert "is not the one that the run used" in errors
    assert {path: path.read_bytes() for path in Path("s").iterdir() if path.is_file()} == before


def interrupted_at_once(*_):
    raise KeyboardInterrupt


def test_an_interrupted_study_continues(command, monkeypatch):
    words = ("compare", "optimizer=adam,sgd", *TINY, *FEW)
    assert command(*words, "hydra.sweep.dir=whole")[0] == 0
    train = job_runner.JobRunner.train

    def interrupted(self, jobs):
        if any("reporting" in word for job in jobs for word in job.overrides):
            raise KeyboardInterrupt
        return train(self, jobs)

    monkeypatch.setattr(job_runner.JobRunner, "train", interrupted)
    assert command(*words, "hydra.sweep.dir=part")[0] == 130
    state = json.loads((Path("part") / "sweep.json").read_text())
    assert state["state"] == "killed"
    code, _, errors = command(*words, "hydra.sweep.dir=part")
    assert code == 2
    assert "part holds this sweep, interrupted: python -m framework resume" in errors
    with monkeypatch.context() as patch:  # again, at the beginning
        patch.setattr(parent_run.ParentRun, "follow", interrupted_at_once)
        assert command("resume", "part")[0] == 130
    assert json.loads((Path("part") / "sweep.json").read_text())["jobs"] == state["jobs"]
    monkeypatch.setattr(job_runner.JobRunner, "train", train)
    assert command("report", "part")[0] == 2
    code, said, _ = command("resume", "part")
    assert code == 0
    assert "12 runs reused" in said
    lines = (Path("part") / "journal.jsonl").read_text().splitlines()
    Path("part", "journal.jsonl").write_text("\n".join(lines[:-1]) + "\n")  # as if it was killed before its end
    assert command(*words, "hydra.sweep.dir=part")[0] == 0
    whole, part = tables_of(Path("whole")), tables_of(Path("part"))
    for name, frame in whole.items():
        pandas.testing.assert_frame_equal(frame, part[name])


def test_commas_make_entrants_and_fixed_fields_are_not_tuned(command):
    words = ("optimizer=adam", "optimizer.lr=0.1", "schedule=constant,cosine", "study.fields=[lr,beta1]")
    assert command("compare", *words, *TINY, *FEW, "hydra.sweep.dir=s")[0] == 0
    found = tables_of(Path("s"))
    assert set(found["trials"]["entrant"]) == {"adam schedule=constant", "adam schedule=cosine"}
    assert "beta1" in found["trials"]
    assert "lr" not in found["trials"]


def test_defaults_beside_tuned_values(command):
    words = ("optimizer=adam", "study.with_defaults=true", "study.search.adam.lr=[0.05,0.5]")
    assert command("compare", *words, *TINY, *FEW, "hydra.sweep.dir=s")[0] == 0
    found = tables_of(Path("s"))
    assert set(found["runs"]["entrant"]) == {"adam", "adam (defaults)"}
    assert set(found["trials"]["entrant"]) == {"adam"}
    reporting = [run.tags["setting"] for run in contents(Path("s")) if run.tags["study_phase"] == "reporting"]
    assert sum(setting.startswith("adam lr=0.001 ") for setting in reporting) == 3
    assert found["trials"]["lr"].between(0.05, 0.5).all()


def test_without_tuning(command):
    code, said, _ = command("compare", "study=defaults", "batch_size=16,32", *TINY, "study.seeds=2")
    assert code == 0
    assert "tuning" not in said
    assert "digits_softmax: batch size 16, 2 epochs; or batch size 32, 2 epochs\n" in said


def test_the_fewest_seeds_that_tell(command):
    """Three optimizers on one problem need seven, eight on three problems twelve."""
    assert (seeds_to_tell(3, 1), seeds_to_tell(8, 3)) == (7, 12)
    code, said, _ = command("compare", "optimizer=adam,sgd,lion", *TINY, "plan=true")
    assert code == 0
    assert "7 reporting seeds" in said


def test_a_plan_writes_nothing(command, tmp_path):
    code, said, _ = command("compare", "study=quick", "optimizer=adam,sgd", "problem=moons_mlp", "plan=true")
    assert code == 0
    assert "16 tuning runs" in said
    assert "Nothing was started" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=3"], "a study chooses the seeds"),
        (["study=fairr"], "there is no such study; did you mean fair?"),
        (["study=quick,fair"], "a command has one study"),
        (["study.trials=0"], "study.trials=0 is out of range"),
        (["study.trials=1,2"], "a command has one study"),
        (["study.seeds=range(5)"], "study.seeds=range(5): a command has one study"),
        (["study.tuner=bayes"], "study.tuner=bayes is not known"),
        (["study.trails=3"], "did you mean trials?"),
        (["study.search.adam.lr=[1,2,3]"], "a list of two numbers"),
        (["study.search.adamm.lr=[1,2]"], "there is no optimizer adamm"),
        (["study.search.sgd.lr=[1,2]"], "sgd is not in this study"),
        (["study.search.adam.beta1=[0.9,0.99]"], "beta1 is not tuned: name it in study.fields=[lr,beta1]"),
        (["study.search.adam.lr=[1,2]", "optimizer.lr=0.1"], "lr is not tuned: it has a fixed value"),
        (["study.search.adam.lr=[1,2]", "study=defaults"], "lr is not tuned: study.tuner=none tunes nothing"),
        (["study.fields=[lr,beta1,lr]"], "study.fields=[lr,beta1,lr]: name each field once"),
        (["study.search.adam.lr=[-1,2]"], "out of range"),
        (["study.fields=[betax]"], "no optimizer of this study has a field betax"),
        (["optimizer.lr=search:4"], "a study tunes it"),
        (["evaluate_test=false"], "evaluates the test set of its reporting runs only"),
        (["hydra/launcher=basic"], "it needs hydra/launcher=population"),
        (["optimizer=adam,adam"], "adam is given twice"),
    ],
    ids=[
        *("seed", "preset", "presets", "trials", "two_trials", "range", "tuner", "typo", "three_ends", "optimizer"),
        *("absent", "not_tuned", "fixed", "no_tuning", "repeated", "bounds", "field", "search", "untested"),
        *("launcher", "twice"),
    ],
)
def test_wrong_words(command, tmp_path, words, message):
    optimizer = [] if words[0].startswith("optimizer=") else ["optimizer=adam"]
    code, _, errors = command("compare", *optimizer, *words)
    assert code == 2
    assert errors.count("\n") == 1
    assert message in errors
    assert list(tmp_path.iterdir()) == []


def test_a_single_run_is_no_study(command):
    code, _, errors = command("study=quick", "optimizer=adam")
    assert (code, errors) == (
        2,
        "error: study=quick: a study trains several runs: write compare before the settings, or add -m\n",
    )


def test_help(command):
    code, said, _ = command("compare", "--help")
    assert code == 0
    for name in ("study.trials=25", "study.seeds=null", "study.search.adam.lr"):
        assert name in said


def test_python_gets_frames_and_a_display(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    found = framework.compare("optimizer=adam,sgd", *TINY, *FEW)
    assert isinstance(found, framework.StudyResult)
    assert set(found.standings["entrant"]) == {"adam", "sgd"}
    assert len(found.pairs) == 1
    assert found.report.is_file()
    assert found.verdict in repr(found)
    assert {"setting", "mean", "deviation", "p"} <= set(found.standings.columns)
    found.report.write_text('<p title="quoted">page</p>')
    shown = found.show()._repr_html_()
    assert 'sandbox="allow-scripts"' in shown
    assert 'srcdoc="&lt;p title=&quot;quoted&quot;&gt;page&lt;/p&gt;"' in shown


def test_a_plan_has_no_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(framework.InputError, match="a plan has no result"):
        framework.compare("optimizer=adam,sgd", *TINY, *FEW, "plan=true")


def test_twice_the_same_rule_is_not_distinguishable(command, tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    words = ("--plugin", "rules.py", "optimizer=sgd,mine", "study.search.sgd.lr=[0.001,1]", "hydra.sweep.dir=s")
    code, said, _ = command("compare", *TINY, *FEW, *words, "study.seeds=6")
    assert code == 0
    assert "not distinguishable from mine" in said or "not distinguishable from sgd" in said
    runs = tables_of(Path("s"))["runs"]
    values = [own.sort_values("seed")["counted"].tolist() for _, own in runs.groupby("entrant")]
    assert same_numbers(*values)


def test_paths_are_those_of_the_chosen_settings(command):
    code, _, _ = command(
        "compare", "optimizer=sgd,adam", "problem=himmelblau", "steps=20", "progress=false", "tracking.enabled=false",
        *FEW, "hydra.sweep.dir=s",
    )  # fmt: skip
    assert code == 0
    content = json.loads(Path("s/report/comparison.json").read_text())
    assert "Ranges were not extended." in content["protocol"]
    assert [problem["units"] for problem in content["problems"]] == [{"loss": "no unit"}]
    tables = tables_of(Path("s"))
    assert set(tables["trials"].query("chosen")["lr"]) != {0.001}  # the default
    recorded = tables["curves"][tables["curves"]["seed"] == tables["curves"]["seed"].min()]
    ends = recorded.sort_values("step").groupby("entrant")["val/loss"].last()
    assert tables["paths"].groupby("entrant")["loss"].last().to_dict() == pytest.approx(ends.to_dict())
