"""The name of a setting: one text for one setting however it was typed, and another text for any other setting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hydra.types import RunMode

import framework
from framework.config.check import check, remade
from framework.config.settings import plain
from framework.hydra_app.compose import Composer, composing
from framework.hydra_app.composed import plain_data
from framework.hydra_app.in_process import own_hydra
from framework.hydra_app.setting import setting_of
from framework.hydra_app.splitting import split
from framework.registry import manager
from framework.registry.autoregister import ImplicitPlugin

pytestmark = pytest.mark.usefixtures("unrendered")

LAYERS = "model.layers=[flatten,{layer: dense, units: %s},relu,{layer: dense, units: outputs}]"
INTERPOLATED = (
    "model.layers=[flatten,{layer: dense, units: '${model.sizes}', activation: '${model.activation}'},"
    "{layer: dropout, rate: %s},{layer: dense, units: outputs}]"
)
FILE = ("problem=file", "dataset.path=f.csv", "dataset.target=a")
NEEDY = """\
# @package _global_
defaults:
  - override /dataset: blobs
  - override /schedule: cosine
problem: needy
epochs: ${tags.n}
"""
"""A problem that composes with a further override only."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("conf")
    (made / "problem").mkdir()
    (made / "problem" / "needy.yaml").write_text(NEEDY)
    (made / "problem" / "mine.yaml").write_text("# @package _global_\nproblem: mine\nepochs: 3\nbatch_size: 16\n")
    return made


@pytest.fixture(scope="module")
def hydra():
    with own_hydra() as made:
        return made  # which is then no more the one of this process: commands make their own


@pytest.fixture(scope="module")
def single(hydra):
    def name(*words):
        composed = hydra.compose_config("config", list(words), run_mode=RunMode.RUN, with_log_configuration=False)
        config = check(plain_data(composed))
        return setting_of(config, composed.hydra.runtime.choices, composing(hydra.config_loader, composed.hydra))

    return name


def composer(hydra, *words):
    composed = hydra.compose_config("config", list(words), run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    return Composer(hydra.config_loader, composed)


@pytest.fixture(scope="module")
def swept(hydra):
    made = composer(hydra)
    return lambda *words: [job.setting for job in made.jobs(split(list(words)), 0)]


NAMES = {
    "defaults": ([], "adam lr=0.001"),
    "seed": (["seed=7", "tags.note=a", "kernel=numpy", "progress=false"], "adam lr=0.001"),
    "rate": (["optimizer.lr=1e-2"], "adam lr=0.01"),
    "rate-default": (["optimizer.lr=0.001", "optimizer.beta1=0.9"], "adam lr=0.001"),
    "rate-whole": (["optimizer.lr=1"], "adam lr=1"),
    "rate-digits": (["optimizer.lr=0.012345678901"], "adam lr=0.012345678901"),
    "no-rate": (["optimizer=blog/adam"], "blog/adam"),
    "fields": (["optimizer.beta1=0.95", "optimizer.amsgrad=true"], "adam lr=0.001 beta1=0.95 amsgrad=true"),
    "settings": (["batch_size=64", "threads=2"], "adam lr=0.001 batch_size=64 threads=2"),
    "group": (["schedule=cosine", "schedule.warmup_steps=5"], "adam lr=0.001 schedule=cosine schedule.warmup_steps=5"),
    "field-of-default": (["schedule.warmup_steps=5"], "adam lr=0.001 schedule.warmup_steps=5"),
    "stages": (
        ["stages=[clip_norm,ema]", "stages.clip_norm.max_norm=2.5"],
        "adam lr=0.001 stages=[clip_norm,ema] stages.clip_norm.max_norm=2.5",
    ),
    "metrics": (["metrics=[accuracy,{metric: top_k, k: 2}]"], "adam lr=0.001 metrics=[accuracy,{metric:top_k,k:2}]"),
    "sizes": (["model.sizes=[32,16]"], "adam lr=0.001 model.sizes=[32,16]"),
    "model": (["model=softmax_regression"], "adam lr=0.001 model=softmax_regression"),
    "model-and-sizes": (
        ["problem=digits_cnn", "model=mlp", "model.sizes=[16]"],
        "adam lr=0.001 model=mlp model.sizes=[16]",
    ),
    "null": (["problem=file", "dataset.path=f.csv"], "adam lr=0.001 dataset.path=f.csv"),
    "number-as-text": (
        ["problem=file", "dataset.path=f.csv", "dataset.target='1'"],
        'adam lr=0.001 dataset.path=f.csv dataset.target="1"',
    ),
    "list": ([*FILE, "dataset.ignore=[b,c]"], "adam lr=0.001 dataset.path=f.csv dataset.target=a dataset.ignore=[b,c]"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_holds_what_differs_from_the_problem(single, swept, name):
    words, expected = NAMES[name]
    assert single(*words) == expected
    assert swept(*words) == [expected]


@pytest.mark.parametrize(
    "problem",
    ["blog_conv8", "diabetes_regression", "digits_cnn", "file", "linear_regression", "mnist_autoencoder"],
)
def test_a_problem_as_it_is_needs_no_words(swept, problem):
    assert swept(f"problem={problem}", "seed=0,1") == ["adam lr=0.001"] * 2


SAME = {
    "notation": [["optimizer.lr=1e-2"], ["optimizer.lr=0.01"], ["optimizer.lr=0.010"], ["++optimizer.lr=.01"]],
    "default": [["batch_size=64"], ["batch_size=64", "optimizer.lr=0.001", "model=mlp", "problem=digits_mlp"]],
    "order": [["batch_size=64", "optimizer.beta1=0.8"], ["optimizer.beta1=0.8", "batch_size=64"]],
    "sizes": [["model.sizes=[32]"], ["model.sizes=[32]", "model.activation=relu"]],
    "interpolation": [["epochs=16", "batch_size=16"], ["epochs=${batch_size}", "batch_size=16"]],
    "unused-keys": [
        ["~model.sizes", "~model.activation", LAYERS % 9],
        [LAYERS % 9, "~model.activation", "~model.sizes"],
    ],
}


@pytest.mark.parametrize("case", SAME)
def test_one_setting_has_one_name(single, swept, case):
    assert len({name for words in SAME[case] for name in (single(*words), *swept(*words))}) == 1


DIFFERENT = {
    "numbers": [["optimizer.lr=0.1"], ["optimizer.lr=0.1000001"], ["optimizer.lr=0.10000001"]],
    "layers": [["~model.sizes", "~model.activation", LAYERS % units] for units in (9, 10, 11)],
    "layers-and-sizes": [["model.sizes=[16]", INTERPOLATED % rate] for rate in (0.5, 0.6)] + [["model.sizes=[16]"]],
    "layers-alone": [[INTERPOLATED % 0.5], [INTERPOLATED % 0.6], []],
    "stages": [["stages=[clip_norm,ema]"], ["stages=[ema,clip_norm]"], ["stages=[ema]"]],
    "spaces": [["problem=file", f"dataset.path='{name}.csv'"] for name in ("a b", "a_b", "a  b", "a\tb")],
    "commas": [[*FILE, "dataset.ignore=['b,c']"], [*FILE, "dataset.ignore=[b,c]"]],
    "long": [["problem=file", f"dataset.path={'d/' * 50}{name}.csv"] for name in "ab"],
    "null": [["keep=null"], ["keep=last"], ["keep=best"]],
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_settings_that_differ_have_names_that_differ(single, case):
    names = [single(*words) for words in DIFFERENT[case]]
    assert len(set(names)) == len(names)
    assert not any("\t" in name or "  " in name for name in names)
    # Words stand between spaces, each value in one of them.
    assert all("=" in word for name in names for word in name.split(" ")[1:])


def test_the_words_of_a_name_are_short(single):
    name = single("problem=file", f"dataset.path={'d/' * 50}a.csv")
    assert max(map(len, name.split(" "))) < 90


@pytest.mark.parametrize("kind", ["optimizer", "schedule", "loss", "dataset", "stage"])
def test_all_that_is_registered_is_named_by_its_name_alone(hydra, kind):
    base = plain_data(hydra.compose_config("config", [], run_mode=RunMode.RUN, with_log_configuration=False))
    default = check(base)
    for entry in manager.current().names(kind):
        fields = plain(manager.find(kind, entry).cls.defaults())
        section = {"stages": {entry: fields}} if kind == "stage" else {kind: {"name": entry, **fields}}
        words = setting_of(replace(default, data={**default.data, **section}), {}, lambda _: base).split(" ")
        if kind == "optimizer":
            assert words[0] == entry
            assert [word.partition("=")[0] for word in words[1:]] == (["lr"] if "lr" in fields else [])
        elif default.data.get(kind, {}).get("name") != entry:
            assert words[2:] == [f"stages=[{entry}]" if kind == "stage" else f"{kind}={entry}"]


def test_an_optimizers_field_is_not_taken_for_a_setting(hydra):
    class Patient(framework.ElementwiseOptimizer):
        """Descent with a field that has a setting's name."""

        lr: float = framework.hyper(0.1, above=0)
        patience: int = framework.integer(1, at_least=1)

        def rule(p, g, *, lr):  # noqa: N805 - a plain function, as authors write them
            return p - lr * g

    base = plain_data(hydra.compose_config("config", [], run_mode=RunMode.RUN, with_log_configuration=False))
    section = {"name": "patient", "lr": 0.1, "patience": 5}
    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("inline", "inline"), lambda: ImplicitPlugin([Patient]))
        name = setting_of(remade({**check(base).data, "optimizer": section, "patience": 3}), {}, lambda _: base)
    assert name == "patient lr=0.1 optimizer.patience=5 patience=3"


# Problems of the user's own


def test_a_problem_that_needs_more_overrides_is_named_by_what_differs_from_the_main_job(hydra, single, folder):
    path = f"hydra.searchpath=[file://{folder}]"
    names = [single(path, "problem=needy", "+tags.n=4", *more) for more in ([], ["schedule=constant"], ["epochs=5"])]
    assert names[0] == "adam lr=0.001 dataset=blobs schedule=cosine epochs=4"
    assert len(set(names)) == 3


def test_defaults_are_composed_once_in_a_sweep_even_if_they_do_not_compose(hydra, folder, monkeypatch):
    asked, load = [], hydra.config_loader.load_configuration
    made = composer(hydra, f"hydra.searchpath=[file://{folder}]")

    def counted(config_name, overrides, **more):
        asked.append(tuple(overrides))
        return load(config_name, overrides, **more)

    monkeypatch.setattr(hydra.config_loader, "load_configuration", counted)
    jobs = made.jobs(split(["problem=needy", "+tags.n=4", "seed=range(9)", "optimizer.lr=0.1,0.2"]), 0)
    assert len({job.setting for job in jobs}) == 2
    assert len(asked) == len(set(asked)) <= 5


QUICK = ("dataset.train_limit=75", "tracking.enabled=false", "progress=false")


def test_a_run_has_one_name_by_every_way(command, folder, tmp_path):
    words = ["problem=mine", "optimizer.lr=0.05", "epochs=2", *QUICK]
    expected = "adam lr=0.05 dataset.train_limit=75 epochs=2"
    for place, more in {"alone": [], "swept": ["-m"], "basic": ["-m", "hydra/launcher=basic"]}.items():
        flags = ["--config-dir", str(folder), *more]
        code, _, err = command(*flags, *words, f"hydra.{'sweep' if more else 'run'}.dir={place}")
        assert (code, err) == (0, "")
        run = framework.load(tmp_path / place / ("0" if more else ""))
        assert run.setting == expected
    assert framework.run(f"hydra.searchpath=[file://{folder}]", *words).setting == expected
