"""What Hydra, OmegaConf and YAML refuse is one clear line, exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

import framework
from framework.errors import InputError, one_line, short

QUICK = ("tracking.enabled=false", "epochs=1")
LONG = "y" * 300

SINGLE = {
    "environment": (["tags.who=${oc.env:NOPE}"], "tags.who: KeyError"),
    "circle": (["seed=${seed}"], "seed: Recursive interpolation"),
    "larger_circle": (["seed=${steps}", "steps=${seed}"], "Recursive interpolation"),
    "missing_key": (["tags.a=${nope}"], "tags.a: Interpolation key 'nope' not found"),
    "relative": (["optimizer.lr=${.nope}"], "optimizer.lr: Interpolation key 'nope' not found"),
    "no_resolver": (["optimizer.lr=${nope:1}"], "optimizer.lr: Unsupported interpolation type nope"),
    "unclosed": (["tags.a='${seed'"], "tags.a"),
    "in_a_folder": (["hydra.run.dir=${nope}"], "nope"),
    "null": (["schedule=null"], "schedule=null: schedule takes a name, as in schedule=NAME; known: constant, cosine"),
    "number": (["optimizer=1"], "optimizer=1: optimizer takes a name, as in optimizer=NAME"),
    "boolean": (["dataset=true"], "dataset=true: dataset takes a name, as in dataset=NAME"),
    "problem": (["problem=null"], "problem=null: problem takes a name"),
    "model": (["model=2"], "model=2: model takes a name, as in model=NAME; known: autoencoder"),
    "loss": (["loss=1.5"], "loss=1.5: loss takes a name"),
    "stages": (["stages=null"], "stages=null: stages takes a name"),
    "launcher": (["hydra/launcher=null"], "hydra/launcher=null: hydra/launcher takes a name"),
    "sweeper": (["hydra/sweeper=3"], "hydra/sweeper=3: hydra/sweeper takes a name"),
    "second": (["seed=3", "metrics=null", "schedule=null"], "schedule=null: schedule takes a name"),
    "digits": ([f"seed=1{'0' * 400}"], "(401 characters) is out of range: it must be >= 0, and at most 1.8e+308"),
    "more_digits": ([f"seed=1{'0' * 5000}"], "seed=1"),
    "digits_of_a_number": ([f"optimizer.lr=1{'0' * 400}"], "is out of range: it must be > 0"),
    "digits_below": ([f"optimizer.lr=-1{'0' * 400}"], "is out of range: it must be > 0"),
    "missing": (["seed=???"], "seed"),
    "under_proc": (["hydra.run.dir=/proc/x"], "hydra.run.dir=/proc/x: this folder cannot be created (No such file"),
    "long_folder": ([f"hydra.run.dir={LONG}"], "this folder cannot be created (the name is too long)"),
    "comma": (["optimizer.lr=0.1,0.2"], "optimizer.lr=0.1,0.2: more than one value makes a sweep: put -m before"),
    "list_or_sweep": (["model.sizes=64,32"], "for a list write 'model.sizes=[64,32]'"),
    "sweep_function": (["seed=range(3)"], "seed=range(3): more than one value makes a sweep: put -m before"),
    "no_value": (["optimizer=adam", "foo"], "foo: settings are KEY=VALUE"),
    "no_key": (["=x"], "=x: settings are KEY=VALUE, and '' is not a key"),
    "two_dots": (["optimizer..lr=1"], "optimizer..lr=1: settings are KEY=VALUE, and 'optimizer..lr' is not a key"),
    "only_a_dot": ([".lr=1"], "'.lr' is not a key"),
    "tilde": (["~"], "~: settings are KEY=VALUE"),
    "accent": (["é=1"], "'é' is not a key"),
    "two_equals": (["optimizer==adam"], "optimizer takes a name, as in optimizer=NAME; did you mean adam"),
    "added": (["+optimizer=sgd"], "+optimizer=sgd: the optimizer is chosen by optimizer=sgd"),
    "name_field": (["optimizer.name=sgd"], "the optimizer is chosen by optimizer=sgd"),
    "two_names": (
        ["optimizer=[sgd,adam]"],
        "a run has one optimizer: for one run per optimizer write -m optimizer=sgd,adam",
    ),
    "numbers": (["stages=[1]"], "stages=[1]: stages takes names, as in stages=[NAME]"),
    "mapping": (["optimizer={name: sgd}"], "the optimizer is chosen by optimizer=sgd"),
    "unknown_within": (["stages={a: 1}"], "stages.a: there is no such key"),
    "stage_left_out": (["stages.clip_norm.max_norm=1"], "the run has no stage clip_norm: add 'stages=[clip_norm]'"),
    "stage_number": (["stages=[clip_norm]", "stages.clip_norm=3"], "stages.clip_norm=3 must be a mapping"),
    "section_number": (["launcher=1"], "launcher=1 must be a mapping: write launcher.FIELD=VALUE"),
    "section_list": (["launcher=[a]"], "launcher"),
    "section_unread": (["tags={}x"], "tags={}x: this cannot be read: write tags.KEY=VALUE"),
    "metric": (["metrics=accuracy"], "metrics=accuracy is not a list of names: write metrics=[accuracy]"),
    "no_launcher": (["hydra/launcher=foo"], "hydra/launcher=foo: there is no such hydra/launcher; known: basic, popul"),
    "environment_copy": (["hydra.job.env_copy=[NOPE]"], "hydra.job.env_copy=[NOPE] cannot be used (KeyError: 'NOPE'"),
    "assertion": (["hydra.verbose=3"], "hydra.verbose=3 cannot be used (AssertionError"),
    "no_folder": (["hydra.run.dir="], "hydra.run.dir=: no folder is given"),
    "package": (
        ["--cfg", "job", "--package", "optimzer"],
        "--package optimzer: there is no such key; did you mean opt",
    ),
    "package_alone": (["--package", "optimizer"], "--package needs --cfg"),
    "added_before": (["+own.alpha=1", "own.alpah=2"], "own.alpah: there is no such key; did you mean own.alpha"),
    "delete": (["~optimizer.lrr"], "optimizer.lrr: there is no such key; did you mean optimizer.lr"),
    "spelling": (["model.name=data (1)"], "for a text write 'model.name='\"'\"'data (1)'\"'\"''"),
    "unreadable": (["optimizer.lr=[1"], "optimizer.lr=[1: this cannot be read: it must be > 0"),
    "flag": (["--mutlirun", "seed=1,2"], "--mutlirun: there is no such flag; did you mean --multirun"),
    "flag_value": (["--cfg", "jobs"], "invalid choice: 'jobs'"),
    "flags": (["-m", "--cfg", "job"], "--cfg and --multirun exclude each other"),
    "resolve": (["--resolve"], "--resolve needs --cfg"),
    "pickle": (["--experimental-rerun", "x.pickle"], "--experimental-rerun reads a pickle"),
    "config_dir": (["--config-dir", "nowhere"], "nowhere"),
    "newline": (["optimizer.lr='a\nb'"], "optimizer.lr=a b is not a number"),
    "long_value": ([f"optimizer.lr={LONG}"], "(300 characters) is not a number"),
}


@pytest.mark.parametrize(("words", "said"), SINGLE.values(), ids=SINGLE)
def test_what_hydra_refuses_is_one_line(command, tmp_path, words, said):
    code, out, err = command(*words, *QUICK)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert said in err
    assert len(err) < 700
    assert list(tmp_path.iterdir()) == []


SWEPT = {
    "empty": (["seed=range(5,0)"], "seed=range(5,0): it has no value"),
    "endless": (["seed=range(10000000000)"], "more than 1,000,000 runs"),
    "no_step": (["seed=range(0,1,0)"], "seed=range(0,1,0): range() arg 3 must not be zero"),
    "no_step_in_floats": (["optimizer.lr=range(0,1,0.0)"], "optimizer.lr=range(0,1,0.0): Invalid range values"),
    "interval": (["optimizer.lr=interval(0,1)"], "optimizer.lr=interval(0,1): its values cannot be listed"),
    "stage_left_out": (["stages.clip_norm=1,2"], "the run has no stage clip_norm: add 'stages=[clip_norm]'"),
    "product": (["seed=range(10000)", "epochs=range(1,10000)"], "more than 1,000,000 runs"),
    "no_such_field": (["optimizer=sgd,adam", "optimizer.beta1=.5,.9"], "optimizer.beta1: sgd has no such field"),
    "glob": (["optimizer=glob(zzz*)"], "optimizer=glob(zzz*): no option of optimizer matches"),
    "interpolation": (["seed=0,1", "tags.a=${nope}"], "tags.a: Interpolation key 'nope' not found"),
    "circle": (["seed=0,1", "steps=${steps}"], "steps: Recursive interpolation"),
    "null": (["schedule=null,cosine"], "schedule=null: schedule takes a name"),
    "digits": ([f"seed=0,1{'0' * 400}"], "(401 characters) is out of range"),
    "blocked": (["seed=0,1", "hydra.sweep.dir=file/x"], "file is not a folder"),
    "long_folder": (["seed=0,1", f"hydra.sweep.dir={LONG}"], "the name is too long"),
    "long_run": (
        ["seed=0,1", "hydra.sweep.subdir=${hydra.job.override_dirname}", f"tags.note={LONG}"],
        "this folder cannot be created (the name is too long)",
    ),
    "subdir": (["seed=0,1", "hydra.sweep.subdir=${nope}"], "nope"),
    "under_proc": (["seed=0,1", "hydra.sweep.dir=/proc/x"], "/proc/x: this folder cannot be created"),
}


@pytest.mark.parametrize(("words", "said"), SWEPT.values(), ids=SWEPT)
def test_a_sweep_is_refused_in_one_line_before_it_starts(command, tmp_path, words, said):
    (tmp_path / "file").write_text("")
    code, out, err = command("-m", *words, *QUICK)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_sweep_of_hydras_own_sweeper_is_refused(command):
    code, _, err = command("-m", "hydra/sweeper=basic", "seed=range(5,0)", *QUICK)
    assert (code, err) == (2, "error: the sweep has no run: a range or a choice in it is empty\n")


def test_a_file_in_the_way_of_a_folder_is_named(command, tmp_path):
    (tmp_path / "f").write_text("mine")
    code, _, err = command("hydra.run.dir=f", *QUICK)
    assert code == 2 and err.count("\n") == 1 and "f is not a folder" in err
    assert (tmp_path / "f").read_text() == "mine"


BROKEN = {
    "open_list": ("a: [1,2\n", "line 2: expected ',' or ']'"),
    "twice": ("# @package _global_\nepochs: 1\nepochs: 2\n", "line 3: found duplicate key epochs"),
    "tab": ("a:\n\tb: 1\n", "line 2: found character '\\t'"),
    "list": ("- 1\n", "problem must be a name"),
    "latin": (b"a: \xe9\n", "problem/own.yaml"),
    "interpolation": ("# @package _global_\ntags: {a: '${nope}'}\n", "tags.a: Interpolation key 'nope' not found"),
    "unknown_key": ("# @package _global_\nepoch: 1\n", "epoch: there is no such key; did you mean epochs"),
    "no_option": ("# @package _global_\ndefaults:\n  - override /optimizer: adm\n", "optimizer=adm: there is no such"),
    "number": ("# @package _global_\ndefaults:\n  - override /dataset: file\ndataset: {target: 2020}\n", "in quotes"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_the_user_is_named(command, tmp_path, content, said):
    (tmp_path / "conf" / "problem").mkdir(parents=True)
    (tmp_path / "conf" / "problem" / "own.yaml").write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    for words in (["problem=own"], ["-m", "problem=own", "seed=0,1"]):
        code, out, err = command("--config-dir", "conf", *words, *QUICK)
        assert (code, out) == (2, "")
        assert err.startswith("error: ") and err.count("\n") == 1
        assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


@pytest.mark.parametrize(
    "flags", [["--cfg", "job"], ["--cfg=all"], ["-c", "hydra"], ["--info"], ["-i", "config"]], ids="_".join
)
def test_a_configuration_is_checked_before_it_is_shown(command, flags):
    code, out, err = command(*flags, "optimizer.lr=-1")
    assert (code, out) == (2, "")
    assert err == "error: optimizer.lr=-1 is out of range: it must be > 0\n"
    code, out, err = command("optimizer.lr=0.5", *flags)
    assert (code, err) == (0, "")


def test_flags_may_stand_anywhere(command):
    code, out, err = command("seed=0,1", "-m", "optimizer=sgd", "plan=true", "tracking.enabled=false")
    assert (code, err) == (0, "")
    assert "2 runs" in out


def test_the_spelling_that_is_shown_works(command):
    _, _, err = command("model.name=data (1)")
    assert "for a text write" in err
    spelled = shlex.split(err.partition("for a text write ")[2])
    assert spelled == ["model.name='data (1)'"]
    code, out, err = command("--cfg", "job", *spelled)
    assert code == 0 and "data (1)" in out


API = ("circle", "missing_key", "null", "digits", "more_digits", "comma", "sweep_function", "no_value", "spelling")


@pytest.mark.parametrize("case", API)
def test_the_python_api_says_the_same(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    words, said = SINGLE[case]
    with pytest.raises(InputError) as refused:
        framework.run(*QUICK, *words)
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


SWEPT_API = ("no_step", "product", "no_such_field", "circle", "null", "blocked", "subdir")  # one of each way to end


@pytest.mark.parametrize("case", SWEPT_API)
def test_a_sweep_of_the_python_api_says_the_same(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    words, said = SWEPT[case]
    with pytest.raises(InputError) as refused:
        framework.sweep(*QUICK, *words)
    assert said in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("folder", [LONG, "/proc/x", f"new/{LONG}", "file/x"], ids=["long", "proc", "new", "file"])
def test_a_folder_that_cannot_be_made_stops_a_run_of_the_python_api(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        framework.run(*QUICK, f"hydra.run.dir={folder}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_glob_is_over_names_and_a_slash_is_a_border(command):
    code, out, err = command("-m", "optimizer=glob([adam*,blog/ad*],exclude=adamw)", "plan=true", *QUICK)
    assert code == 0 and all(line.startswith("warning: blog/") for line in err.splitlines())
    assert "6 runs" in out  # adam, adamax; blog/adadelta, blog/adagrad, blog/adam, blog/adamax
    code, out, err = command("-m", "problem=glob(iris*)", "seed=0,1", "plan=true", *QUICK)
    assert (code, err) == (0, "") and "2 runs" in out


def test_values_are_shortened_and_lines_are_one():
    assert short("x" * 60) == "x" * 60
    assert short("x" * 1000) == f"{'x' * 30}…{'x' * 8} (1000 characters)"
    assert short(10**5000).endswith("characters)")
    assert one_line("a\nb\r\nc") == "a b c"


def test_texts_are_taken_as_typed_and_recorded_so_that_they_work_again(command, tmp_path):
    rows = "sepal length (cm),2020,skip\n" + "".join(f"{i / 10},{'ab'[i % 2]},{i}\n" for i in range(40))
    (tmp_path / "data (é's).csv").write_text(rows, encoding="utf-8")
    words = ["problem=file", "dataset.path=data (é's).csv", "dataset.target=2020", "dataset.ignore=skip"]
    code, out, err = command(*words, *QUICK)
    assert (code, err) == (0, "")
    assert "dataset.target=2020 " in out
    [folder] = Path("outputs").glob("*/*")
    tags = framework.load(folder).params
    assert (tags["dataset.target"], tags["dataset.path"]) == ("2020", "data (é's).csv")
    recorded = (folder / "overrides.yaml").read_text(encoding="utf-8")
    import yaml

    code, out, err = command(*yaml.safe_load(recorded), "seed=1")
    assert (code, err) == (0, "")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_named(command, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = command("hydra.run.dir=locked/x", *QUICK)
    assert code == 2 and "locked is not writable" in err
    code, _, err = command("-m", "seed=0,1", "hydra.sweep.dir=locked/x", *QUICK)
    assert code == 2 and "locked is not writable" in err
