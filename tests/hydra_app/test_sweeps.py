"""A sweep from its command to its leaderboard: what is composed, refused, planned, recorded and ranked."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, command
from runs import same_numbers
from sweeping import SMALL, epochs_of, jobs_of, status_of, swept, tags_of, yaml_of

from framework.errors import InputError
from framework.runs.journal import read_journal
from framework.sweeps import planning

pytestmark = pytest.mark.usefixtures("unrendered")

ONE = (*SMALL, "epochs=1")


# What is composed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["seed=range(3)"], [["seed=0"], ["seed=1"], ["seed=2"]]),
        (["seed=range(0,5,2)", "shuffle=false"], [[f"seed={seed}", "shuffle=False"] for seed in (0, 2, 4)]),
        (["optimizer=choice(adam,sgd)"], [["optimizer=adam"], ["optimizer=sgd"]]),
        (
            ["optimizer=adam,sgd", "optimizer.lr=1e-3,0.1"],
            [[f"optimizer={name}", f"optimizer.lr={lr}"] for name in ("adam", "sgd") for lr in ("0.001", "0.1")],
        ),
        (["+tags.note='a,b'", "seed=1,2"], [["+tags.note='a,b'", f"seed={seed}"] for seed in (1, 2)]),
        (
            [
                "model.layers=[flatten,{layer: dense, units: outputs}],[flatten,{layer: dense, units: 10}]",
                "~model.initial",
            ],
            [
                ["model.layers=[flatten,{layer:dense,units:outputs}]", "~model.initial=null"],
                ["model.layers=[flatten,{layer:dense,units:10}]", "~model.initial=null"],
            ],
        ),
        (["patience=null,2", "keep=best"], [["patience=null", "keep=best"], ["patience=2", "keep=best"]]),
        (["seed=interval(0,1)"], None),
    ],
)
def test_sweeps_are_hydras_products(tmp_path, words, expected):
    if expected is None:
        with pytest.raises(InputError):
            swept(tmp_path / "s", *ONE, *words)
        assert not (tmp_path / "s").exists()
        return
    swept(tmp_path / "s", *ONE, *words)
    found = [yaml_of(job / "overrides.yaml") for job in jobs_of(tmp_path / "s")]
    assert [item[-len(expected[0]) :] for item in found] == expected
    assert all("epochs=1" in item for item in found)


# What is refused before anything starts

WRONG = [
    (["optimizer=adm,sgd"], "did you mean adam"),
    (["optimizer.lr=0.1,-1"], "optimizer.lr"),
    (["optimizer.lr=0.1,nan"], "optimizer.lr"),
    (["optimizer.lrr=0.1,0.2"], "did you mean"),
    (["+optimizer.foo=1,2"], "optimizer.foo"),
    (["seed=0,x"], "seed"),
    (["seed=0,1", "loss=mse,categorical_cross_entropy"], "takes probabilities"),  # does not fit the model
    (["seed=0,1", "dataset.validation=1,5000"], "validation"),
    (["seed=0,1", "schedule=cosine", "schedule.warmup_steps=1,9999"], "warmup_steps"),
    (["seed=0,1", "optimizer=["], "optimizer=["),
    (["launcher.block=0", "seed=0,1"], "launcher.block"),
    (["seed=0,1", "hydra.job.chdir=true"], "hydra.job.chdir"),
    (["seed=0,1", "+hydra.job.env_set.WHERE=here"], "hydra.job.env_set"),
    (["launcher.backend=threading", "seed=0,1"], "launcher.backend"),
    (["hydra/launcher=basic", "seed=0,1", "loss=categorical_cross_entropy"], "takes probabilities"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_is_wrong_is_said_before_anything_starts(tmp_path, words, said):
    with pytest.raises(InputError) as refused:
        swept(tmp_path / "s", *ONE, *words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "s").exists()


def test_the_command_exits_with_2_and_leaves_no_folder(tmp_path):
    done = command("-m", *ONE, "optimizer=adam,sgd", "optimizer.lr=0.1,-1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: optimizer.lr")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# What is planned


def test_a_plan_starts_nothing(tmp_path):
    words = ["optimizer=adam,lbfgs", "seed=range(10)", "plan=true"]
    done = command("-m", *SMALL, *words, "launcher.workers=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20 runs in 2 groups" in done.stdout
    assert "optimizer lbfgs trains one run at a time" in done.stdout
    assert "Nothing was started." in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_single_run_can_be_planned_too(tmp_path):
    done = command(*SMALL, "plan=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 run in 1 group" in done.stdout
    assert "-" not in done.stdout.split("about")[1]  # no negative time or memory
    assert list(tmp_path.iterdir()) == []


def test_the_basic_launcher_needs_no_probe(tmp_path, monkeypatch):
    def probed(configs):
        raise AssertionError("took a step before the sweep")

    monkeypatch.setattr(planning, "estimate", probed)
    table = swept(tmp_path / "s", "hydra/launcher=basic", *ONE, "seed=0,1")
    assert len(table) == 2


# What is recorded


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "s"
    words = ["optimizer=adam,sgd", "optimizer.lr=0.1,1e-8", "tags.team=red", "launcher.workers=1"]
    return folder, swept(folder, *ONE, "model=mlp", *words)


def test_the_leaderboard_is_sorted_and_complete(sweep):
    folder, table = sweep
    assert list(table["kept/val/accuracy"]) == sorted(table["kept/val/accuracy"], reverse=True)
    assert len(table) == 4
    figures = {"kept/train/loss", "kept/val/loss", "test/accuracy"}
    assert {"run", "optimizer", "lr", "seed", *figures, "ended", "steps", "folder"} <= set(table)
    assert not any(name.startswith(("tracking", "launcher", "tags", "progress")) for name in table)
    with (folder / "leaderboard.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["run"] for row in rows] == list(table["run"])
    assert [float(row["test/loss"]) for row in rows] == list(table["test/loss"])


def test_a_row_is_what_the_runs_journal_says(sweep):
    for _, row in sweep[1].iterrows():
        final = epochs_of(Path(row["folder"]))[-1]["values"]
        figures = [name for name in final if name != "kept/epoch"]
        assert {"kept/train/loss", "kept/val/loss", "kept/val/accuracy", "test/loss"} <= set(figures)
        assert [final[name] for name in figures] == [row[name] for name in figures]
        assert tags_of(Path(row["folder"]))["ended"] == row["ended"]


def test_names_say_what_tells_runs_apart_and_nothing_else(sweep):
    names = set(sweep[1]["run"])
    assert names == {f"{optimizer} lr={lr} seed=0" for optimizer in ("adam", "sgd") for lr in ("0.1", "1e-08")}


def test_the_parents_journal_holds_the_sweep(sweep):
    folder, table = sweep
    entries = read_journal(folder)
    start = entries[0].content
    assert start["name"] == "sweep of 4: adam, sgd"
    assert start["parent"] is None
    assert start["tags"]["sweep_id"] == folder.name
    assert start["tags"]["team"] == "red"
    assert " -m " in start["tags"]["command"]
    assert start["params"]["runs"] == 4
    assert status_of(folder) == "FINISHED"
    best = next(entry.content["values"] for entry in entries if entry.kind == "metrics")
    assert best["best/val/accuracy"] == table["kept/val/accuracy"][0]
    assert not any(name.startswith(("val/", "kept/", "test/")) for name in best)
    (page,) = [entry.content["text"] for entry in entries if entry.kind == "description"]
    assert "| adam lr=0.1 |" in page and " -m " in page
    artifacts = [entry.content["path"] for entry in entries if entry.kind == "artifact"]
    reported = [name for name in artifacts if name.startswith("report/")]
    assert "report/report.html" in reported
    assert sorted(reported) == sorted(f"report/{path.name}" for path in (folder / "report").iterdir())
    files = ["environment.txt", "leaderboard.csv", "leaderboard.png", "multirun.yaml", "settings.csv"]
    assert sorted(set(artifacts) - set(reported)) == files
    assert all((folder / name).stat().st_size for name in artifacts)


def test_children_name_their_parent_and_carry_no_picture(sweep):
    folder, _ = sweep
    for job in jobs_of(folder):
        start = read_journal(job)[0].content
        assert start["parent"] == ".."  # so that a moved sweep stays one
        assert start["tags"]["sweep_id"] == folder.name
        assert not (job / "curves.png").exists()
        assert "model" not in [entry.kind for entry in read_journal(job)]


def test_a_metric_whose_name_has_its_fields_ranks(tmp_path):
    words = [*SMALL, "optimizer.lr=0.0001,0.03", "metrics=[{metric: top_k, k: 2},{metric: top_k, k: 1}]"]
    table = swept(tmp_path / "s", *words, "launcher.workers=1")
    assert list(table["optimizer.lr" if "optimizer.lr" in table else "lr"]) == [0.03, 0.0001]
    assert (table["kept/val/top_2"] > table["kept/val/top_1"]).all()


def test_runs_are_ranked_by_the_model_that_is_kept(tmp_path):
    words = [*SMALL, "optimizer=sgd", "epochs=6", "seed=0,1,2", "optimizer.lr=1.5,0.01", "metrics=[accuracy]"]
    table = swept(tmp_path / "s", *words, "keep=best", "launcher.workers=1")
    worsened = 0
    for _, row in table.iterrows():
        *epochs, final = epochs_of(Path(row["folder"]))
        lowest = min(epochs, key=lambda epoch: epoch["values"]["val/loss"])
        assert row["kept/val/loss"] == lowest["values"]["val/loss"] == final["values"]["kept/val/loss"]
        assert (final["step"], final["values"]["kept/epoch"]) == (lowest["step"], lowest["epoch"])
        worsened += lowest is not epochs[-1]
    assert worsened  # else the last epoch's figures would pass as well
    assert list(table["kept/val/accuracy"]) == sorted(table["kept/val/accuracy"], reverse=True)


def test_the_times_of_runs_that_train_together_add_up(tmp_path):
    table = swept(tmp_path / "s", *SMALL, "seed=range(4)", "launcher.workers=1")
    assert table["population_seconds"].nunique() == 1
    assert math.isclose(table["seconds"].sum(), table["population_seconds"][0], rel_tol=1e-9)
    alone = swept(tmp_path / "one", *SMALL, "seed=7")
    assert alone["seconds"][0] == alone["population_seconds"][0] > 0


# Folders


def test_processes_started_together_have_folders_of_their_own(tmp_path):
    words = [sys.executable, "-m", "framework", "-m", *ONE, "seed=0,1"]
    started = [
        subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.communicate(timeout=PATIENCE)[1] == ""
        assert process.returncode == 0
    sweeps = {path.parent for path in tmp_path.glob("multirun/*/*/multirun.yaml")}
    assert len(sweeps) == 3
    first, *others = [jobs_of(folder) for folder in sorted(sweeps)]
    for jobs in others:
        assert [same_numbers(epochs_of(a), epochs_of(b)) for a, b in zip(first, jobs, strict=True)] == [True, True]


def test_a_sweep_over_problems_of_different_tasks_is_ranked_by_problem(tmp_path):
    words = ["problem=iris_mlp,linear_regression", "optimizer.lr=0.001,0.1", "tracking.enabled=false", "epochs=4"]
    swept(tmp_path / "s", *words, "launcher.workers=1")
    with (tmp_path / "s" / "leaderboard.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["problem"] for row in rows] == ["iris_mlp", "iris_mlp", "linear_regression", "linear_regression"]
    assert [row["kept/val/accuracy"] != "" for row in rows] == [True, True, False, False]
    assert [row["kept/val/mse"] != "" for row in rows] == [False, False, True, True]
    assert float(rows[0]["kept/val/accuracy"]) > float(rows[1]["kept/val/accuracy"])
    assert float(rows[2]["kept/val/mse"]) < float(rows[3]["kept/val/mse"])
    assert read_journal(tmp_path / "s")[0].content["tags"]["problem"] == "iris_mlp, linear_regression"
    assert (tmp_path / "s" / "leaderboard.png").stat().st_size
