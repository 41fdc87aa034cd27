"""The command line as a user meets it: wrong inputs, exit codes, what is left behind, plugins, help."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from processes import PATIENCE, wait_until

from framework.hydra_app import flags, session

RULE = '''
from framework import ElementwiseOptimizer, hyper

class Mine(ElementwiseOptimizer):
    """Plain descent, by a user."""
    lr: float = hyper(0.05, above=0, below=10)
    def rule(p, g, *, lr):
        return p - lr * g
'''
QUICK = ("tracking.enabled=false", "epochs=1")


def trained(journals):
    """Return how many journals hold an epoch."""
    return sum('"kind": "metrics"' in journal.read_text() for journal in journals)


WRONG = [
    (["optimizer=adm"], "optimizer=adm: there is no such optimizer; did you mean adam"),
    (["optimizer=blog/adm"], "did you mean blog/adam"),
    (["problem=digts_mlp"], "problem=digts_mlp: there is no such problem; did you mean digits_mlp"),
    (["stages=[clip_nrm]"], "stages=clip_nrm: there is no such stage; did you mean clip_norm"),
    (["optimizer="], "optimizer=: there is no such optimizer"),
    (["optimizer=adam", "optimizer.lrr=1"], "optimizer.lrr: adam has no such field; did you mean lr?"),
    (["optimizer.lrr=1"], "optimizer.lrr: there is no such key; did you mean optimizer.lr"),
    (["+optimizer.foo=1"], "optimizer.foo: adam has no such field"),
    (["+sed=1"], "sed: there is no such key; did you mean seed"),
    (["optimzer=adam"], "optimzer: there is no such key; did you mean optimizer"),
    (["optimizer.lr=abc"], "optimizer.lr=abc is not a number: it must be > 0"),
    (["optimizer.lr=-1"], "optimizer.lr=-1 is out of range: it must be > 0"),
    (["optimizer.lr=nan"], "optimizer.lr=nan is out of range"),
    (["optimizer.lr=inf"], "optimizer.lr=inf is out of range"),
    (["optimizer.lr=null"], "optimizer.lr=null is not a number"),
    (["optimizer.beta1=1"], "optimizer.beta1=1 is out of range: it must be in [0, 1)"),
    (["optimizer.amsgrad=3"], "optimizer.amsgrad=3 is not true or false"),
    (["optimizer.lr=[1"], "optimizer.lr=[1: this cannot be read"),
    (["optimizer=sgd", "optimizer.nesterov=true"], "nesterov"),
    (["optimizer=blog/adam", "optimizer.lr=0.1"], "ignores the user's learning rate"),
    (["optimizer=blog/iterative", "schedule=cosine"], "no learning rate for a schedule to change"),
    (["seed=1.5"], "seed=1.5 is not a whole number"),
    (["epochs=0"], "epochs=0 is out of range"),
    (["epochs=null"], "set epochs, steps or max_seconds"),
    (["schedule=cosine", "epochs=null", "max_seconds=1"], "set epochs or steps"),
    (["schedule.warmup_steps=100", "steps=50"], "schedule.warmup_steps=100"),
    (["batch_size=5000", "drop_last=true"], "drop_last leaves no batch"),
    (["model.sizes=[a]"], "model.layers[1].units=a is not a whole number"),
    (["model.activation=rlu"], "no layer is called rlu; did you mean relu"),
    (["+model.foo=1"], "model.foo: no layer of model mlp uses it"),
    (["model=cnn", "dataset=iris"], "conv2d takes images"),
    (["loss=categorical_cross_entropy"], "takes probabilities: end the model in softmax"),
    (["loss=mse", "dataset=diabetes", "metrics=[accuracy]"], "accuracy does not support regression"),
    (["metrics=[acc]"], "no metric is called acc; did you mean accuracy?"),
    (["metrics=[accuracy,r2]"], "no task supports all of them"),
    (["metrics=[{foo: 1}]"], "is not a metric"),
    (["metrics=[{metric: top_k, k: 99}]"], "k"),
    (["dataset=diabetes"], "class labels are needed"),
    (
        ["model.layers=[flatten,{layer: dense, units: 5}]", "~model.sizes", "~model.activation"],
        "the model gives 5 outputs, but the data set has 10 classes",
    ),
    (["model.sizes=[100000000000]"], "GiB are free: use smaller layers"),
    (
        ["model.layers=[flatten,{layer: dense, units: 1}]", "~model.sizes", "~model.activation"],
        "loss softmax_cross_entropy cannot distinguish 10 classes with the model's 1 output",
    ),
    (["metrics=3"], "metrics=3 is not a list of names"),
    (["dataset=file", "dataset.path=/absent.csv"], "dataset.path=/absent.csv"),
    (["dataset.test=0"], "dataset.test=0 is out of range"),
    (["tags=3"], "tags=3 must be a mapping"),
    (["tracking.uri=mlruns"], "tracking.uri=mlruns"),
    (["launcher.workers=0"], "launcher.workers=0 is out of range"),
    (["train"], "train: there is no such command"),
    (["--plugin", "absent.py"], "absent.py: there is no such file"),
    (["--plugin"], "--plugin needs a Python file"),
    (["--plugin", f"a{os.pathsep}mine.py"], "a plugin's path cannot contain"),
    (["sync", "nowhere"], "nowhere"),
    (["sync", "--urii", "x"], "sync: unrecognized arguments: --urii; did you mean --uri; for example: sync outputs"),
    (["ui", "--port", "abc"], "ui: argument --port: invalid int value: 'abc'; for example: ui --port 5000"),
    (["ui", "--port"], "ui: argument --port: expected one argument"),
    (["ui", "here"], "ui: unrecognized arguments: here; for example"),
    (["plugins", "--jsonn"], "plugins: unrecognized arguments: --jsonn; did you mean --json; for example"),
    (["plugins", "adam"], "plugins: unrecognized arguments: adam"),
    (["check"], "check: name the plugins to check: check optimizer adam"),
    (["check", "--al", "optimizer", "adam", "--jso=3"], "check: argument --json: ignored explicit argument '3'"),
    (["new-plugin"], "new-plugin: the following arguments are required: NAME; for example"),
    (["new-plugin", "a", "b"], "new-plugin: unrecognized arguments: b; for example"),
    (["help", "--jsn"], "help: unrecognized arguments: --jsn; did you mean --json; for example"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_input_is_one_line_exit_two_and_leaves_nothing(command, tmp_path, words, said):
    code, out, err = command(*words)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    assert said in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.lr=0.1,-1"],
        ["optimizer.lr=0.1,abc"],
        ["optimizer=sgd,adm"],
        ["seed=range(2)", "optimizer.lrr=1,2"],
        ["model=mlp,cnn", "dataset=digits,iris", "optimizer.beta1=2"],
    ],
)
def test_a_sweep_with_one_wrong_job_starts_none(command, tmp_path, words):
    code, _, err = command("-m", *words)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_words_are_the_default_job():
    arguments, rest = flags.read([])
    assert (arguments.overrides, rest) == ([], [])
    assert session._trains(arguments)


def test_a_run_says_what_it_trains_how_it_ended_and_where_it_is(command, tmp_path):
    code, out, err = command("optimizer=adam", *QUICK)
    assert code == 0 and err == ""
    assert "adam lr=0.001" in out and "1,294 train" in out
    assert "4,160" in out and "4,810" in out  # the layer table: 64*64+64 and the total
    assert "finished: 1 epoch, 41 steps" in out
    folder = next((tmp_path / "outputs").glob("*/*"))
    assert str(folder.relative_to(tmp_path)) in out
    assert {"config.yaml", "overrides.yaml", "environment.txt", "journal.jsonl", "curves.png", "model", ".hydra"} <= {
        path.name for path in folder.iterdir()
    }


def test_a_run_is_complete_without_its_picture(command, tmp_path, monkeypatch):
    def broken(*_):
        raise ValueError("no such font")

    monkeypatch.setattr("framework.plots.curves", broken)
    code, _, err = command("optimizer=adam", *QUICK)
    assert (code, err) == (0, "warning: curves.png was not drawn: ValueError: no such font\n")
    entries = [json.loads(line) for line in next(tmp_path.glob("outputs/*/*/journal.jsonl")).read_text().splitlines()]
    assert entries[-1]["status"] == "FINISHED"
    assert "curves.png" not in [entry.get("path") for entry in entries]


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path):
    words = [sys.executable, "-m", "framework", *QUICK]
    started = [subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    assert len(list((tmp_path / "outputs").glob("*/*"))) == 2


def test_published_forms_come_with_a_warning(command):
    code, _, err = command("optimizer=blog/momentum", *QUICK)
    assert code == 0
    assert err.startswith("warning: blog/momentum") and err.count("\n") == 1


def test_a_rule_in_a_file_runs_sweeps_and_is_kept_with_its_runs(command, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(RULE)
    code, out, _ = command("--plugin", str(path), "-m", "optimizer=mine,sgd", "optimizer.lr=0.1,0.2", *QUICK)
    assert code == 0 and "mine lr=0.1" in out
    kept = sorted((tmp_path / "multirun").glob("*/*/*/mine.py"))
    assert [copy.read_text() for copy in kept] == [RULE, RULE]
    assert command("optimizer=mine", *QUICK)[0] == 2  # without the flag nobody knows it


def test_a_rule_that_raises_is_one_line_a_traceback_in_its_folder_and_exit_one(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(RULE.replace("return p - lr * g", "return undefined_name"))
    done = processes.command("--plugin", str(path), "optimizer=mine", *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "NameError: name 'undefined_name' is not defined; its traceback is in " in last
    assert "mine.py" in Path(last.rpartition(" ")[2]).read_text()
    journal = next((tmp_path / "outputs").glob("*/*/journal.jsonl")).read_text().splitlines()
    assert json.loads(journal[-1])["status"] == "FAILED"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_is_closed_as_killed(tmp_path, end):
    words = [sys.executable, "-m", "framework", "tracking.enabled=false", "epochs=100000"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: trained(tmp_path.glob("outputs/*/*/journal.jsonl")) == 1)
        process.send_signal(end)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130
    journal = next(tmp_path.glob("outputs/*/*/journal.jsonl"))
    continued = f"python -m framework resume {journal.parent} continues"
    assert err == f"error: interrupted; the recorded data are kept; {continued}\n"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert entries[-1]["kind"] == "end" and entries[-1]["status"] == "KILLED"
    assert any(entry["kind"] == "metrics" for entry in entries)


def test_the_config_and_the_plugins_are_shown(command):
    code, out, _ = command("--cfg", "job", "optimizer=sgd", "optimizer.momentum=0.5")
    assert code == 0 and "momentum: 0.5" in out and "nesterov: false" in out
    code, out, _ = command("plugins")
    assert code == 0 and "plugins.optimizers.adam" in out


def test_a_broken_plugin_leaves_the_command_working(command, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_like_this")
    code, out, err = command("--plugin", str(tmp_path / "broken.py"), "optimizer=adam", *QUICK)
    assert code == 0 and "finished" in out
    assert err.count("\n") == 1 and "broken" in err


def test_the_strict_mode_and_no_plugins(command, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import nothing_like_this")
    monkeypatch.setenv("FRAMEWORK_STRICT_PLUGINS", "1")
    code, _, err = command("--plugin", str(tmp_path / "broken.py"), "plugins")
    assert code == 2 and "nothing_like_this" in err
    code, _, err = command("--no-plugins", "--plugin", str(tmp_path / "broken.py"), "plugins")
    assert code == 0 and err == ""


def test_the_installed_script_completes_words(tmp_path):
    script = Path(sys.executable).with_name("framework")
    if not script.exists():
        pytest.skip("the console script is not installed beside this Python")
    environment = {**os.environ, "COMP_LINE": "framework optimizer=ada", "COMP_POINT": "23"}
    done = subprocess.run(
        [str(script), "-sc", "query=bash"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert {"optimizer=adam", "optimizer=adagrad"} <= set(done.stdout.split())
    environment |= {"COMP_LINE": "framework optimizer=bl", "COMP_POINT": "22"}
    done = subprocess.run(
        [str(script), "-sc", "query=bash"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "optimizer=blog/adam" in done.stdout.split()


def test_an_interrupted_sweep_leaves_every_begun_run_closed(tmp_path):
    words = ["-m", "seed=range(4)", "tracking.enabled=false", "epochs=100000", "launcher.workers=2", "launcher.block=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "framework", *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: trained(tmp_path.glob("multirun/*/*/*/journal.jsonl")) >= 2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130
    journals = list(tmp_path.glob("multirun/*/*/*/journal.jsonl"))
    assert len(journals) >= 2
    for journal in journals:
        ends = [json.loads(line) for line in journal.read_text().splitlines() if '"end"' in line]
        assert [end["status"] for end in ends] == ["KILLED"]


def test_the_flag_for_a_sweep_overrules_the_configured_mode(command, tmp_path):
    code, _, err = command("-m", "hydra.mode=RUN", "seed=0,1", "hydra.sweep.dir=s", "problem=digits_softmax", *QUICK)
    assert (code, err) == (0, "")
    recorded = (tmp_path / "s" / "multirun.yaml").read_text()
    assert "mode: MULTIRUN" in recorded
    assert {"0", "1", "leaderboard.csv"} <= {path.name for path in (tmp_path / "s").iterdir()}
