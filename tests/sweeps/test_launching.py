"""Basic or population, any blocks, any workers: the same runs to the bit. Groups, failures, Hydra's own files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from extras import extra
from processes import command
from runs import config, same_numbers
from sweeping import (
    MIXED,
    SMALL,
    assert_same_run,
    epochs_of,
    jobs_of,
    kinds_of,
    read_csv,
    returns,
    status_of,
    swept,
    tags_of,
    weights_of,
    yaml_of,
)

from framework.config.check import remade
from framework.sweeps import planning
from framework.sweeps.blocks import result_from_journal
from framework.sweeps.cost import Estimate
from framework.sweeps.grouping import grouped, structure, why_alone
from framework.sweeps.job import Job
from framework.sweeps.planning import plan

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def basic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("basic")
    return folder, swept(folder, "hydra/launcher=basic", *MIXED)


# The same bits


def test_the_mixed_sweep_is_mixed(basic):
    folder, table = basic
    assert len(table) == len(jobs_of(folder)) == 16
    ended = [tags_of(job)["ended"] for job in jobs_of(folder)]
    assert set(ended) == {"budget", "early stopping", "diverged"}
    assert {status_of(job) for job in jobs_of(folder)} == {"FINISHED"}
    assert len({weights_of(job)["parameters"].tobytes() for job in jobs_of(folder)}) > 8


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("block", [1, 3, 64])
def test_every_launcher_block_and_worker_gives_the_same_bits(basic, tmp_path, block, workers):
    table = swept(tmp_path, f"launcher.block={block}", f"launcher.workers={workers}", *MIXED)
    expected, theirs = jobs_of(basic[0]), jobs_of(tmp_path)
    assert [job.name for job in theirs] == [job.name for job in expected]
    for one, other in zip(expected, theirs, strict=True):
        assert_same_run(one, other)
    own = [name for name in table if name not in ("seconds", "population_seconds", "folder")]
    assert same_numbers(table[own].to_dict("records"), basic[1][own].to_dict("records"))


# Hydra's own files and records


def without_place(value, folder: Path):
    """Return parsed YAML with the sweep's folder and the launcher's section taken out."""
    text = json.dumps(value).replace(str(folder), "@")
    parsed = json.loads(text)
    for found in (parsed.get("hydra", {}), parsed):
        found.pop("launcher", None)
    choices = parsed.get("hydra", {}).get("runtime", {}).get("choices", {})
    choices.pop("hydra/launcher", None)
    overrides = parsed.get("hydra", {}).get("overrides", {})
    overrides["hydra"] = [item for item in overrides.get("hydra", []) if not item.startswith("hydra/launcher=")]
    return parsed


@pytest.fixture(scope="module")
def two_launchers(tmp_path_factory):
    """The same few jobs through both, with words that YAML could misread."""
    jobs = ["optimizer=adam,sgd", "optimizer.lr=1e-3,0.1", "+tags.note='a: #b, c'", "tags.empty=''", "+tags.yes=yes"]
    jobs += ["seed=987654321", "tags.mark='@@FOLDER@@'", "tags.sha=695e0514"]
    folders = {}
    for name in ("basic", "population"):
        folders[name] = tmp_path_factory.mktemp(name)
        swept(folders[name], f"hydra/launcher={name}", *SMALL, "epochs=1", *jobs)
    return folders


@pytest.mark.parametrize("file", ["config.yaml", "overrides.yaml", "hydra.yaml"])
def test_hydras_files_are_those_the_basic_launcher_writes(two_launchers, file):
    for number in range(4):
        found = {}
        for name, folder in two_launchers.items():
            value = yaml_of(folder / str(number) / ".hydra" / file)
            found[name] = without_place(value, folder) if file == "hydra.yaml" else value
        assert found["population"] == found["basic"]
        assert found["basic"]


def test_hydras_record_of_the_sweep_is_the_same(two_launchers):
    found = {name: yaml_of(folder / "multirun.yaml") for name, folder in two_launchers.items()}
    ours, theirs = (without_place(found[name], two_launchers[name]) for name in ("population", "basic"))
    for record in (ours, theirs):  # the moment of the sweep
        record["hydra"].pop("run")
    assert ours == theirs


def test_jobs_return_what_hydra_expects(tmp_path):
    jobs = [["optimizer.lr=0.1", "seed=1"], ["optimizer=sgd", "+tags.a=b"]]
    found = {
        name: returns(name, tmp_path / name, jobs, *SMALL, "epochs=1", first=4) for name in ("basic", "population")
    }
    for theirs, ours in zip(found["basic"], found["population"], strict=True):
        assert ours.overrides == theirs.overrides
        assert ours.cfg == theirs.cfg
        assert ours.status == theirs.status
        assert ours.task_name == theirs.task_name
        assert ours.working_dir == theirs.working_dir
        assert ours.return_value.name == theirs.return_value.name
        assert same_numbers(ours.return_value.metrics, theirs.return_value.metrics)
        for key in ("job.num", "job.id", "job.override_dirname", "sweep.subdir", "overrides.task", "mode"):
            own, expected = ours.hydra_cfg.hydra, theirs.hydra_cfg.hydra
            for part in key.split("."):
                own, expected = own[part], expected[part]
            assert own == expected, key
    folders = [Path(item.hydra_cfg.hydra.runtime.output_dir) for item in found["population"]]
    assert folders == [tmp_path / "population" / name for name in ("4", "5")]
    assert all((folder / "journal.jsonl").is_file() for folder in folders)


def test_a_sweep_may_name_its_folders(tmp_path):
    subdir = "hydra.sweep.subdir=lr_${optimizer.lr}/${seed}"
    swept(tmp_path, *SMALL, "epochs=1", "optimizer.lr=0.1,0.2", "seed=7", subdir)
    found = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("model/weights.npz"))
    assert found == ["lr_0.1/7/model", "lr_0.2/7/model"]
    journal = tmp_path / "lr_0.1" / "7"
    assert kinds_of(journal)[-1] == "end"
    start = json.loads((journal / "journal.jsonl").read_text().splitlines()[0])
    assert start["parent"] == "../.."
    assert start["tags"]["sweep_id"] == tmp_path.name


def test_hydras_own_folder_can_be_left_out(tmp_path):
    swept(tmp_path, *SMALL, "epochs=1", "seed=0,1", "hydra.output_subdir=null")
    assert [path.name for path in jobs_of(tmp_path)] == ["0", "1"]
    assert not list(tmp_path.rglob(".hydra"))


NOTES = """
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback


class Notes(Callback):
    def on_job_start(self, config, **kwargs):
        self.note("start", config)

    def on_job_end(self, config, job_return, **kwargs):
        self.note(f"end {job_return.status.name} {job_return.return_value.name}", config)

    def note(self, what, config):
        job, seen = config.hydra.job, HydraConfig.get()
        folder = Path(config.hydra.runtime.output_dir).name
        with Path("notes.txt").open("a") as notes:
            notes.write(f"{what} {job.num} {job.id} {seen.job.num} {folder} {config.seed}\\n")
"""


def test_hydras_callbacks_hear_of_each_job(tmp_path):
    (tmp_path / "notes.py").write_text(NOTES)
    words = [*SMALL, "epochs=1", "seed=3,4", "hydra.sweep.dir=s", "launcher.workers=1"]
    done = command("-m", *words, "+hydra.callbacks.n._target_=notes.Notes", cwd=tmp_path, PYTHONPATH=f"{tmp_path}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "notes.txt").read_text().splitlines() == [
        *("start 0 0 0 0 3", "start 1 1 1 1 4"),
        *(f"end COMPLETED adam lr=0.001 seed={seed} {n} {n} {n} {n} {seed}" for n, seed in ((0, 3), (1, 4))),
    ]


# Which runs share


def job(number=0, **changes):
    chosen = config(**changes)
    return Job(number, (), chosen, {}, Path(f"/nowhere/{number}"))


SHARING = [
    {"seed": 4},
    {"optimizer__lr": 0.5},
    {"optimizer__beta1": 0.5},
    {"optimizer__weight_decay": 0.1},
    pytest.param({"tags": {"a": "b"}}, id="tags"),
    pytest.param({"tracking": {"enabled": True}}, id="tracking"),
]
APART = [
    {"optimizer__amsgrad": True},
    pytest.param({"optimizer": {"name": "sgd"}}, id="optimizer"),
    {"epochs": 4},
    {"batch_size": 16},
    {"dtype": "float64"},
    {"threads": 2},
    {"patience": 3},
    {"min_delta": 0.5},
    {"keep": "best"},
    {"shuffle": False},
    pytest.param({"schedule": {"name": "cosine"}}, id="schedule"),
    pytest.param({"schedule": {"name": "constant", "warmup_steps": 2}}, id="warmup_steps"),
    pytest.param({"stages": {"clip_norm": {}}}, id="stages"),
    pytest.param({"loss": {"name": "categorical_cross_entropy"}}, id="loss"),
    {"dataset__split_seed": 1},
    pytest.param({"metrics": ["top_k"]}, id="metrics"),
    pytest.param({"model__layers": ["flatten", {"layer": "dense", "units": "outputs"}]}, id="layers"),
    pytest.param({"model__layers": ["flatten", {"layer": "dense", "units": 7, "activation": "tanh"}]}, id="activation"),
]


@pytest.mark.parametrize("changes", SHARING)
def test_numbers_and_seeds_share(changes):
    assert structure(config(**changes)) == structure(config())


@pytest.mark.parametrize("changes", APART)
def test_structure_does_not(changes):
    assert structure(config(**changes)) != structure(config())


def test_numbers_of_layers_losses_schedules_and_stages_share():
    layers = ["flatten", {"layer": "dropout", "rate": 0.5}, {"layer": "dense", "units": "outputs"}]
    others = ["flatten", {"layer": "dropout", "rate": 0.1}, {"layer": "dense", "units": "outputs", "gain": 2.0}]
    assert structure(config(model__layers=layers)) == structure(
        config(model__layers=others[:1] + others[1:2] + layers[2:])
    )
    assert structure(config(schedule={"name": "exponential", "gamma": 0.9})) == structure(
        config(schedule={"name": "exponential", "gamma": 0.99})
    )
    assert structure(config(stages={"clip_norm": {"max_norm": 1.0}})) == structure(
        config(stages={"clip_norm": {"max_norm": 2.0}})
    )
    assert structure(config(stages={"clip_norm": {}, "ema": {}})) != structure(
        config(stages={"ema": {}, "clip_norm": {}})
    )


def test_jobs_are_grouped_in_order_and_sorted_by_seed():
    jobs = [job(0, seed=3), job(1, optimizer={"name": "sgd"}), job(2, seed=1), job(3, seed=3, optimizer__lr=0.5)]
    groups = grouped(jobs)
    assert [[item.number for item in group.jobs] for group in groups] == [[2, 0, 3], [1]]
    assert groups[0].label == "adam on digits, model small"
    assert groups[0].alone == ""


def planned(jobs, threads=1, **options):
    """Plan jobs as if they had these settings of the launcher; by default one worker."""
    changes = {"threads": threads, "launcher": {"workers": 1, **options}}
    return plan([replace(one, config=remade({**one.config.data, **changes})) for one in jobs])


def test_runs_that_continue_from_different_epochs_are_grouped_apart():
    jobs = [job(0), replace(job(1), epoch=2), replace(job(2), epoch=2)]
    assert [[item.number for item in group.jobs] for group in grouped(jobs)] == [[0], [1, 2]]


def test_who_takes_one_run_at_a_time_says_why():
    assert "lbfgs trains one run at a time" in why_alone(config(optimizer={"name": "lbfgs"}))
    assert "max_seconds" in why_alone(config(max_seconds=5.0))
    alone = planned([job(n, seed=n, max_seconds=5.0) for n in range(3)])
    assert [len(block.jobs) for block in alone.blocks] == [1, 1, 1]


def test_runs_that_only_time_limits_are_worth_a_pool(monkeypatch):
    monkeypatch.setattr(planning, "cores", lambda: 4)
    jobs = [job(n, seed=n, epochs=None, max_seconds=5.0) for n in range(3)]
    timed = planned(jobs, workers=None)
    assert timed.workers == 3
    assert timed.seconds == 5.0


def cost(per_run=10**6, shared=0, alone=0.001, steps=100):
    return lambda configs: Estimate(shared, per_run, alone, alone / 10, steps)


def sizes(planned):
    return sorted((len(block.jobs) for block in planned.blocks), reverse=True)


def test_blocks_are_cut_to_size(monkeypatch):
    jobs = [job(n, seed=n) for n in range(10)]
    monkeypatch.setattr(planning, "estimate", cost())
    assert sizes(planned(jobs)) == [10]
    assert sizes(planned(jobs, block=4)) == [4, 3, 3]
    assert sizes(planned(jobs, workers=2)) == [5, 5]
    monkeypatch.setattr(planning, "estimate", cost(per_run=planning.CACHED // 3))
    assert sizes(planned(jobs)) == [3, 3, 2, 2]
    assert {item.number for block in planned(jobs).blocks for item in block.jobs} == set(range(10))


def test_memory_bounds_blocks_for_all_workers_together(monkeypatch):
    jobs = [job(n, seed=n) for n in range(8)]
    gigabyte = 2**30
    monkeypatch.setattr(planning, "estimate", cost(per_run=gigabyte // 8, shared=gigabyte // 2))
    limited = planned(jobs, memory=1.0, block=8)
    assert sizes(limited) == [4, 4]
    assert limited.memory <= gigabyte
    limited = planned(jobs, memory=2.0, block=8, workers=2)
    assert sizes(limited) == [4, 4]
    assert limited.memory <= 2 * gigabyte
    assert sizes(planned(jobs, memory=0.1, block=8)) == [1] * 8  # never less than one


def test_short_sweeps_start_no_workers(monkeypatch):
    jobs = [job(n, seed=n) for n in range(8)]
    monkeypatch.setattr(planning, "cores", lambda: 4)
    monkeypatch.setattr(planning, "estimate", cost(alone=1e-6))
    assert planned(jobs, workers=None).workers == 1
    assert planned(jobs, workers=2).workers == 2
    monkeypatch.setattr(planning, "estimate", cost(alone=1.0))
    assert planned(jobs, workers=None).workers == 4
    assert planned(jobs, workers=None, threads=2).workers == 2  # each run takes two threads
    assert planned(jobs[:1], workers=3).workers == 1


def test_a_sweep_beyond_the_memory_limit_is_split_and_runs(tmp_path, capsys):
    swept(tmp_path / "whole", *SMALL, "epochs=1", "seed=range(6)", "launcher.workers=1")
    assert "1 block," in capsys.readouterr().out
    swept(tmp_path / "split", *SMALL, "epochs=1", "seed=range(6)", "launcher.memory=0.0005", "launcher.workers=1")
    said = capsys.readouterr().out
    assert "1 group " in said
    assert "1 block," not in said
    for one, other in zip(jobs_of(tmp_path / "whole"), jobs_of(tmp_path / "split"), strict=True):
        assert_same_run(one, other)


# Runs that fail

FRAGILE = '''
import os

from framework import InputError, Optimizer, hyper


class Awkward(Exception):
    """An error that cannot be pickled and unpickled."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")
        self.held = lambda: None


class Fragile(Optimizer):
    """Plain descent that raises for some rates, in its second epoch."""

    lr: float = hyper(0.1, above=0)

    def initial_state(self, parameters):
        self.count = 0
        return {}

    def step(self, parameters, gradients, state, columns, objective):
        self.count += 1
        if self.count > 4 and (columns["lr"] == 0.5).any():
            raise Awkward("broken", "step 5")
        if self.count > 4 and (columns["lr"] == 0.25).any() and "LOKY" in os.environ.get("IN_TEST", ""):
            raise InputError("only here")
        parameters.flat -= columns["lr"] * gradients.flat
'''


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "fragile_rule.py"
    file.write_text(FRAGILE)
    return file


@pytest.fixture(scope="module")
def unharmed(fragile, tmp_path_factory):
    """The good rates alone."""
    folder = tmp_path_factory.mktemp("unharmed")
    words = [*SMALL, "optimizer=fragile", "optimizer.lr=0.1,0.2", "seed=0,1", f"hydra.sweep.dir={folder}"]
    done = command("--plugin", str(fragile), "-m", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return jobs_of(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_harms_no_neighbour(fragile, unharmed, tmp_path, workers):
    rates = "optimizer.lr=0.1,0.5,0.2"
    words = [*SMALL, "optimizer=fragile", rates, "seed=0,1", "hydra.sweep.dir=s", f"launcher.workers={workers}"]
    if workers == 2:
        words.append("launcher.block=3")
    done = command("-m", *words, cwd=tmp_path, FRAMEWORK_PLUGINS=str(fragile))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: 6 runs: 4 ok, 2 failed (the first: fragile lr=0.5 seed=0: Awkward: broken at step 5; " in done.stderr
    assert "could not train together (Awkward: broken at step 5); each was trained alone" in done.stderr
    jobs = jobs_of(tmp_path / "s")
    assert [status_of(job) for job in jobs] == ["FINISHED"] * 2 + ["FAILED"] * 2 + ["FINISHED"] * 2
    for one, other in zip(unharmed, [*jobs[:2], *jobs[4:]], strict=True):
        assert_same_run(one, other)
    for failed in jobs[2:4]:
        assert [row["epoch"] for row in epochs_of(failed)] == [1]
        assert tags_of(failed)["error"] == "Awkward: broken at step 5"
        assert "fragile_rule.py" in (failed / "error.txt").read_text()
        assert (failed / "error.txt").read_text().endswith("Awkward: broken at step 5\n")
    assert status_of(tmp_path / "s") == "FAILED"
    *good, one, other = read_csv(tmp_path / "s" / "leaderboard.csv")
    assert [row["ended"] for row in good] == ["budget"] * 4
    assert [row["error"] for row in (one, other)] == ["Awkward: broken at step 5"] * 2
    assert [row["folder"] for row in (one, other)] == [*map(str, jobs[2:4])]


def test_a_block_that_failed_leaves_no_epoch_twice(fragile, tmp_path):
    words = [*SMALL, "optimizer=fragile", "optimizer.lr=0.1,0.5", "hydra.sweep.dir=s", "launcher.workers=1"]
    done = command(f"--plugin={fragile}", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1
    good = tmp_path / "s" / "0"
    assert [(row["epoch"], row["step"]) for row in epochs_of(good)] == [(1, 3), (2, 6), (3, 9), (None, 9)]
    assert kinds_of(good).count("start") == 1
    assert kinds_of(good).count("end") == 1
    assert yaml_of(good / "overrides.yaml") == yaml_of(good / ".hydra" / "overrides.yaml")
    assert (good / "fragile_rule.py").read_text() == FRAGILE


LEAVING = """
from pathlib import Path

from framework import hookimpl


def note(what, run):
    with Path("seen.txt").open("a") as seen:
        seen.write(f"{what} {run.config['optimizer']['lr']}\\n")


@hookimpl
def run_started(run):
    note("started", run)


@hookimpl
def run_finished(run, metrics):
    note("finished", run)


@hookimpl
def run_failed(run, error):
    note("failed", run)


@hookimpl
def should_stop(run, epoch, metrics):
    return run.config["optimizer"]["lr"] == 0.1


@hookimpl
def step_finished(runs, step, losses):
    if step == 5 and any(run.config["optimizer"]["lr"] == 0.5 for run in runs):
        raise RuntimeError("late")
"""


def test_runs_that_had_ended_when_their_block_failed_are_not_trained_again(tmp_path):
    (tmp_path / "leaving.py").write_text(LEAVING)
    words = [*SMALL, "optimizer=sgd", "optimizer.lr=0.1,0.5,0.2", "hydra.sweep.dir=s", "launcher.workers=1"]
    done = command("--plugin=leaving.py", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1
    jobs = jobs_of(tmp_path / "s")
    assert [status_of(job) for job in jobs] == ["FINISHED", "FAILED", "FINISHED"]
    assert [row["step"] for row in epochs_of(jobs[0])] == [3, 3]
    assert tags_of(jobs[0])["ended"] == "stopped"
    assert (tmp_path / "seen.txt").read_text().splitlines() == [
        *("started 0.1", "started 0.5", "started 0.2", "finished 0.1"),
        *("started 0.5", "failed 0.5", "started 0.2", "finished 0.2"),
    ]
    assert [row["step"] for row in epochs_of(jobs[2])] == [3, 6, 9, 9]


def test_what_only_workers_meet_fails_there(fragile, tmp_path):
    both = [*SMALL, "optimizer=fragile", "optimizer.lr=0.1,0.25", "seed=0,1", "launcher.block=2"]
    done = command(
        f"--plugin={fragile}", "-m", *both, "hydra.sweep.dir=s", "launcher.workers=2", cwd=tmp_path, IN_TEST="LOKY"
    )
    assert done.returncode == 1
    assert "only here" in done.stderr
    assert [status_of(job) for job in jobs_of(tmp_path / "s")] == ["FINISHED"] * 2 + ["FAILED"] * 2


def test_a_run_that_raises_from_the_start_ends_the_sweep_in_good_order(tmp_path):
    rule = "from framework import ElementwiseOptimizer\n\n\nclass Hopeless(ElementwiseOptimizer):\n"
    rule += '    """Divides by a slot it has not."""\n\n    def rule(p, g):\n        return p - missing * g\n'
    (tmp_path / "hopeless.py").write_text(rule)
    words = [*SMALL, "optimizer=hopeless,sgd", "seed=0,1", "hydra.sweep.dir=s", "launcher.workers=1"]
    done = command("--plugin=hopeless.py", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "NameError" in done.stderr
    assert "Traceback" not in done.stderr
    assert [status_of(job) for job in jobs_of(tmp_path / "s")] == ["FAILED"] * 2 + ["FINISHED"] * 2


# Workers that die

DEADLY = '''
import os

from framework import Optimizer, hyper


class Deadly(Optimizer):
    """Plain descent whose process dies in a worker, in the second epoch, for one rate."""

    lr: float = hyper(0.1, above=0)

    def initial_state(self, parameters):
        self.count = 0
        return {}

    def step(self, parameters, gradients, state, columns, objective):
        self.count += 1
        if self.count > 4 and (columns["lr"] == 0.5).any():
            os._exit(9)
        parameters.flat -= columns["lr"] * gradients.flat
'''


@pytest.mark.parametrize("backend", ["loky", pytest.param("dask", marks=pytest.mark.long)])
def test_a_worker_that_dies_takes_one_run_with_it(tmp_path, backend):
    if backend == "dask":
        extra("distributed", "dask")
    (tmp_path / "deadly.py").write_text(DEADLY)
    words = [*SMALL, "optimizer=deadly", "keep=best", "seed=0,1", "launcher.block=2"]
    good = command("--plugin=deadly.py", "-m", *words, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=g", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    words += ["optimizer.lr=0.1,0.5,0.2", "hydra.sweep.dir=s", "launcher.workers=2", f"launcher.backend={backend}"]
    done = command("--plugin=deadly.py", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "6 runs: 4 ok, 2 failed (the first: deadly lr=0.5 seed=0: " in done.stderr.splitlines()[-1]
    assert "its worker process died" in done.stderr.splitlines()[-1]
    jobs = jobs_of(tmp_path / "s")
    failing = [job for job in jobs if "optimizer.lr=0.5" in yaml_of(job / "overrides.yaml")]
    assert len(failing) == 2
    for job in failing:
        assert status_of(job) == "FAILED"
        assert "its worker process died" in tags_of(job)["error"]
        assert "its worker process died" in (job / "error.txt").read_text()
    for one, other in zip(jobs_of(tmp_path / "g"), [job for job in jobs if job not in failing], strict=True):
        assert_same_run(one, other, killed=True)
    assert status_of(tmp_path / "s") == "FAILED"
    ended = [row["ended"] for row in read_csv(tmp_path / "s" / "leaderboard.csv")]
    assert ended == ["budget"] * 4 + ["failed"] * 2


@pytest.mark.parametrize("words", [["keep=best"], ["patience=1", "optimizer.lr=0.5"], ["optimizer.lr=1e30"]])
def test_a_result_that_got_lost_is_in_the_journal(tmp_path, words):
    (theirs,) = returns("population", tmp_path, [[]], *SMALL, "optimizer=sgd", *words)
    job = theirs._job
    found = result_from_journal(job, 0.0)
    assert found is not None
    assert {**vars(found), "metrics": None} == {**vars(theirs.return_value), "metrics": None}
    assert same_numbers(found.metrics, theirs.return_value.metrics)
    assert result_from_journal(job, math.inf) is None
    (job.folder / "journal.jsonl").unlink()
    assert result_from_journal(job, 0.0) is None
