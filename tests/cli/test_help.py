"""Help pages against what is registered: nothing is missing, nothing is out of date, and they fit a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys

import numpy as np
import pytest
from extras import extra
from hydra import compose, initialize_config_dir

from framework.cli import commands
from framework.cli.help.chosen import explained
from framework.cli.help.command import main
from framework.cli.help.docstrings import Explanation, citation, explanation
from framework.cli.help.lookup import GROUPS, Lookup
from framework.cli.help.presets import Presets
from framework.cli.help.text import WIDTH, text
from framework.config.check import check
from framework.config.settings import everything
from framework.errors import InputError
from framework.hydra_app.composed import plain_data, register_resolvers
from framework.registry import manager
from framework.specs import HOOKS
from framework.system.paths import conf_folder
from framework.training.population import Population

pytestmark = pytest.mark.usefixtures("unrendered")

PROGRAM = "python -m framework "
SOURCED = ("optimizer", "schedule", "loss", "stage")
FILE = '''
from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper

class Mine(ElementwiseOptimizer):
    """Plain descent, by a user."""
    lr: float = hyper(0.05, above=0, below=10, search=(0.01, 1.0), prior="log", help="how far")
    def rule(p, g, *, lr):
        return p - lr * g

@hookimpl
def register_optimizers():
    yield OptimizerSpec("mine", Mine)
    yield OptimizerSpec("mylab/mine", type("Other", (Mine,), {"__doc__": "The same, elsewhere."}))
'''


@pytest.fixture(scope="module")
def held():
    return manager.load(environ={})


@pytest.fixture(scope="module")
def lookup(held):
    manager.install(held)
    yield Lookup(held, Presets.of(), {name: command.summary for name, command in commands.COMMANDS.items()})
    manager.install(None)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in this process; return its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["framework"])

    def call(*words):
        environment = dict(os.environ)
        try:
            code = commands.main(list(words))
        except SystemExit as ended:
            code = ended.code
        finally:
            os.environ.clear()
            os.environ.update(environment)
            manager.install(None)
        return (code, *capsys.readouterr())

    return call


def own(held, *kinds):
    """Return what this project registers itself, of some kinds: other libraries' optimizers need not be installed."""
    return [entry for key, entry in sorted(held.entries.items()) if key[0] in kinds and not foreign(entry)]


def foreign(entry):
    return bool(getattr(entry.cls, "external", ""))


def page(lookup, *words):
    (topic,) = lookup.pages(words)
    return text(topic)


def squeezed(written):
    return " ".join(written.split())


def test_the_first_page_fits_a_terminal_and_names_every_command_and_group(command, lookup):
    code, out, err = command("--help")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    for name, entry in commands.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.summary)}$", out, re.MULTILINE)
    for group in GROUPS:
        count = len(list((conf_folder() / group).glob("*.yaml"))) or len(lookup.registry.names(group))
        assert re.search(rf"help {group} +{count}\b", out)
    assert set(HOOKS) < set(GROUPS)
    assert "plugins/README.md" in out and "--hydra-help" in out and "optimizer.lr=" in out
    assert command("help") == command("-h") == command("-m", "--help") == (0, out, "")


def test_every_command_on_the_first_page_runs(command, monkeypatch, tmp_path):
    _, out, _ = command("--help")
    lines = [line.strip() for line in out.splitlines() if line.startswith(f"  {PROGRAM}")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(re.split(r" {2,}", line)[0])[3:]
        trains = words[0] not in commands.COMMANDS
        quick = ["tracking.enabled=false", "epochs=1", "progress=false"] if trains else []
        code, _, err = command(*words, *quick, *(["plan=true"] if {"-m", "compare"}.intersection(words) else []))
        assert (code, err) == (0, ""), line
    assert len(list(tmp_path.glob("outputs/*/*/journal.jsonl"))) == 1


def test_the_subcommands_help_is_theirs(command):
    code, out, _ = command("help", "sync")
    assert code == 0
    assert out.startswith("usage: python -m framework sync")


@pytest.mark.parametrize("kind", HOOKS)
def test_every_name_has_a_page_with_its_fields_source_and_plugin(lookup, held, kind):
    for name in held.names(kind):
        entry = held.find(kind, name)
        (topic,) = lookup.pages([kind, name])
        shown = text(topic)
        assert squeezed(entry.cls.summary().replace("``", "`")) in squeezed(shown)
        table = shown[shown.index("Fields\n") :] if entry.cls.fields else ""
        for field, spec in entry.cls.fields.items():
            assert re.search(rf"^  (\S+\.)?{field} ", table, re.MULTILINE), f"{name}.{field}"
            assert set(re.findall(r"\w+", spec.help)) <= set(re.findall(r"\w+", table)), f"{name}.{field}"
        assert squeezed(citation(entry.cls)) in squeezed(shown)
        assert entry.provider.name in shown
        assert [field.name.rpartition(".")[2] for field in topic.fields] == list(entry.cls.fields)


@pytest.mark.parametrize("kind", HOOKS)
def test_every_docstring_has_the_parts_that_its_kind_demands(held, kind):
    for entry in own(held, kind):
        parts = explanation(entry.cls)
        assert parts.summary.endswith("."), entry.name
        assert len(parts.summary) <= 116, entry.name
        assert parts.source or kind not in SOURCED, f"{entry.name} has no paragraph that starts with Source:"
        assert not [note for note in parts.notes if re.search(r"Differs from|Sources?:|::", note)], entry.name
        assert all(spec.help for spec in entry.cls.fields.values()), entry.name
        if kind in ("optimizer", "schedule", "loss"):
            assert "\n\n    " in parts.formula, f"{entry.name} has no formula"


def test_every_optimizer_cites_a_paper_or_published_code(held):
    for entry in own(held, "optimizer"):
        cited = re.search(
            r"arXiv:\d{4}\.\d{4,5}|\b(18|19|20)\d\d\b|q-viper/ML-from-Basics", explanation(entry.cls).source
        )
        assert cited, entry.name


def test_a_docstring_is_split_into_its_parts():
    class Sample:
        """Sample: one line.

        With g the gradient of ``p``, step t is::

            p = p - lr g                    a remark

            q = p

        A note over
        two lines. See below::

            p = 2 * p

        Sources: Doe & Roe 2020, arXiv:2001.00001, Algorithm 2; Roe et al. 2021. More words.

        As usual, g is the gradient. Differs from torch: not at all. It does. Differs from the paper (Differs
        from nothing): the sign.
        """

    parts = explanation(Sample)
    assert parts.summary == "Sample: one line."
    assert parts.formula == (
        "With g the gradient of `p`, step t is:\n\n    p = p - lr g                    a remark\n\n    q = p"
    )
    assert parts.notes == (
        "A note over two lines. See below:\n\n    p = 2 * p",
        "As usual, g is the gradient.",
    )
    assert parts.source == "Doe & Roe 2020, arXiv:2001.00001, Algorithm 2; Roe et al. 2021. More words."
    assert parts.differs == (
        "Differs from torch: not at all. It does.",
        "Differs from the paper (Differs from nothing): the sign.",
    )
    assert citation(Sample) == "Doe & Roe 2020, arXiv:2001.00001, Algorithm 2"
    assert explanation(type("Bare", (Sample,), {})) == Explanation("")


def test_the_page_of_adam_says_what_its_class_says(lookup):
    shown = page(lookup, "adam")
    assert shown == page(lookup, "optimizer", "adam") == page(lookup, "optimizers", "adam")
    assert shown.startswith("optimizer=adam\nAdam: momentum, scaled by a running root mean square of the gradient.\n")
    assert "\n    m = beta1 m + (1 - beta1) g\n" in shown
    assert re.search(r"optimizer\.lr +0\.001 +> 0 +learning rate; tuned from 0\.0001 to 10 \(log\)", shown)
    assert re.search(r"optimizer\.amsgrad +false +true or false", shown)
    assert "arXiv:1412.6980, Algorithm 1" in shown
    assert re.search(r"^differs +from torch: not at all\.$", shown, re.MULTILINE)
    assert re.search(r"^traits +elementwise$", shown, re.MULTILINE)
    assert f"{PROGRAM}optimizer=adam optimizer.lr=0.001\n" in shown


def test_json_has_the_same_as_data(command):
    code, out, _ = command("help", "optimizer", "adam", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["page"], told["kind"], told["name"]) == ("entry", "optimizer", "adam")
    lr = told["fields"][0]
    assert lr == {
        "name": "optimizer.lr",
        "default": 0.001,
        "type": "number",
        "range": "> 0",
        "help": "learning rate",
        "search": [0.0001, 10.0],
        "prior": "log",
        "per_run": True,
    }
    assert told["source"].startswith("Kingma & Ba 2015")
    assert told["provider"]["plugin"] == "plugins.optimizers.adam"


@pytest.mark.parametrize(
    "words", [["optimizer"], ["problem", "digits_cnn"], ["model", "cnn"], ["settings"], ["mae"], []]
)
def test_every_kind_of_page_prints_as_json(lookup, capsys, words):
    assert main([*words, "--json"], lookup.commands) == 0
    assert json.loads(capsys.readouterr().out)["page"]


def test_a_terminal_without_unicode_gets_question_marks(lookup, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert main(["schedule", "warmup_stable_decay"], lookup.commands) == 0
    assert b"H?gele et al. 2024" in written.getvalue()


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_one_line_for_each_name_and_family(lookup, group):
    names = lookup.names(group)
    sets = (
        [f"set/{name}" for name in ("blog", "blog_mnist", "full", "functions", "small", "smoke")]
        if group == "problem"
        else []
    )
    lines = page(lookup, group).splitlines()
    assert f"{len(names) + len(sets)} names" in lines[0]
    listed = [line.split()[0] for line in lines[2:]]
    families = {name.partition("/")[0] for name in names if "/" in name}
    assert [name for name in listed if name in sets] == sets
    listed = [name for name in listed if name not in sets]
    assert sorted(listed) == sorted([n for n in names if "/" not in n] + [f"{family}/…" for family in families])
    assert max(map(len, lines)) <= WIDTH


def test_a_set_lists_its_problems(lookup):
    shown = page(lookup, "problem", "set/smoke").splitlines()
    assert [line.split()[0] for line in shown if line.startswith("  ")] == ["moons_mlp", "iris_mlp", "rosenbrock"]


def test_a_family_is_folded_and_unfolds(lookup):
    blog = [name for name in lookup.names("optimizer") if name.startswith("blog/")]
    assert re.search(rf"^  blog/… +{len(blog)} names: help optimizer blog$", page(lookup, "optimizer"), re.MULTILINE)
    shown = page(lookup, "optimizer", "blog")
    assert [line.split()[0] for line in shown.splitlines()[2:]] == blog
    assert shown == page(lookup, "blog")


def test_the_page_of_a_problem_has_sizes_and_the_models_table(lookup):
    shown = squeezed(page(lookup, "problem", "digits_mlp"))
    assert "1,294 train, 144 validation, 359 test" in shown  # of 1,797: a fifth, then a tenth of the rest
    assert "8 x 8 x 1 -> 10 classes" in shown
    assert "2_dense 64 4,160" in shown and "total 4,810" in shown  # 64 * 64 + 64, and 64 * 10 + 10 more
    assert "softmax_cross_entropy" in shown and "epochs=30" in shown and "batch_size=32" in shown


def test_a_problem_that_downloads_is_explained_without(lookup, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FRAMEWORK_DATA", raising=False)
    shown = squeezed(page(lookup, "problem", "mnist_mlp"))
    assert "54,000 train, 6,000 validation, 10,000 test" in shown
    assert "28 x 28 x 1 -> 10 classes" in shown and "total 50,890" in shown  # 784 * 64 + 64 + 64 * 10 + 10
    assert "1,000 train, 100 validation" in squeezed(page(lookup, "problem", "blog_conv8"))
    assert "dataset.path is not set" in squeezed(page(lookup, "problem", "file"))
    assert list(tmp_path.iterdir()) == []


def test_problems_are_put_together_as_hydra_does(lookup):
    register_resolvers()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for name in lookup.names("problem"):
            composed = check(plain_data(compose("config", [f"problem={name}"])))
            assert lookup.presets.problem(name).config.data == composed.data, name


def test_problems_and_models_of_a_config_folder_are_explained(command, tmp_path):
    folder = tmp_path / "mine"
    for group in ("problem", "model"):
        (folder / group).mkdir(parents=True)
    (folder / "problem" / "wide.yaml").write_text(
        "# @package _global_\n# Wider.\ndefaults:\n  - digits_mlp\n  - override /model: own\nproblem: wide\nepochs: 2\n"
    )
    (folder / "model" / "own.yaml").write_text("# My own.\nname: own\nlayers: [flatten, {layer: dense, units: 10}]\n")
    code, out, _ = command("help", "problem", "wide", "--config-dir", str(folder))
    assert code == 0
    assert "Wider." in out and "batch_size=32" in out and "epochs=2" in out and "650" in out
    code, out, _ = command("--config-dir", str(folder), "model=own", "--help")
    assert code == 0 and "My own." in out and "problem=wide" in out
    code, _, err = command("help", "problem", "wide")
    assert code == 2 and "no problem is called wide" in err
    (folder / "problem" / "wide.yaml").write_text("defaults:\n  - /model: own\n")
    code, _, err = command("help", "problem", "wide", "--config-dir", str(folder))
    assert code == 2 and "help does not support it" in err and err.count("\n") == 1


def leaves(values, prefix=""):
    for key, value in values.items():
        yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]


def test_all_settings_are_listed_with_their_help(lookup):
    (topic,) = lookup.pages(["settings"])
    shown = text(topic)
    listed = {field.name: field for fields in topic.sections.values() for field in fields}
    chosen = {"problem", "model", "dataset", "loss", "optimizer", "schedule"}
    assert set(listed) == {*leaves(everything()), *chosen}
    for name, field in listed.items():
        assert re.search(rf"^  {re.escape(name)} ", shown, re.MULTILINE)
        assert field.help, name
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_one_setting_and_one_section(lookup):
    shown = page(lookup, "epochs")
    assert "budget in passes over the training split" in shown and ">= 1" in shown
    assert "sets epochs=30" in shown and f"{PROGRAM}epochs=" in shown
    assert "tracking.uri" in page(lookup, "tracking") and "batch_size" not in page(lookup, "tracking")
    assert "tracking.uri" in page(lookup, "tracking.uri") and "tracking.enabled" not in page(lookup, "tracking.uri")


def test_a_field_is_explained_over_all_names_that_have_it(lookup, held):
    (topic,) = lookup.pages(["optimizer.lr"])
    assert topic == lookup.pages(["lr"])[0] == lookup.pages(["optimizer", "lr"])[0]
    having = {name for name in held.names("optimizer") if "lr" in held.find("optimizer", name).cls.fields}
    assert {name for variant in topic.variants for name in variant.names} == having
    for variant in topic.variants:
        assert {held.find("optimizer", name).cls.fields["lr"].default for name in variant.names} == {
            variant.field.default
        }
    assert page(lookup, "stages.clip_norm.max_norm") == page(lookup, "stage", "clip_norm")


def test_a_name_of_several_kinds_has_a_line_for_each(lookup):
    assert [line.split()[:6] for line in page(lookup, "mae").splitlines()[1:]] == [
        [*PROGRAM.split(), "help", kind, "mae"] for kind in ("loss", "metric")
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adm"], "nothing is called adm; did you mean adam"),
        (["optimizer", "adm"], "no optimizer is called adm; did you mean adam"),
        (["optimizer", "tor"], "no optimizer is called tor"),
        (["optimzer", "adam"], "no group is called optimzer; did you mean optimizer?"),
        (["adam", "sgd"], "no group is called adam"),
        (["problem", "digits"], "no problem is called digits; did you mean digits_"),
        (["epoch"], "nothing is called epoch; did you mean epochs"),
        (["optimizer.lrr"], "nothing is called optimizer.lrr; did you mean optimizer.lr"),
        (["schedule", "cosin"], "no schedule is called cosin; did you mean cosine"),
    ],
)
def test_a_wrong_name_gets_the_nearest_ones(lookup, words, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        lookup.pages(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["help", "adm"], ["optimizer=adm", "--help"], ["help", "--jsn"]])
def test_wrong_words_are_one_line_and_exit_two(command, words):
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: help: ") and err.count("\n") == 1


def test_a_plugins_file_is_explained_and_named(command, tmp_path):
    path = tmp_path / "my_rule.py"
    path.write_text(FILE)
    code, out, _ = command("--plugin", str(path), "help", "mine")
    assert code == 0
    assert "Plain descent, by a user." in out
    assert re.search(r"optimizer\.lr +0\.05 +in \(0, 10\) +how far; tuned from 0\.01 to 1 \(log\)", out)
    assert f"my_rule (file, {path})" in squeezed(out).replace("- ", "-")
    _, out, _ = command("--plugin", str(path), "help", "optimizer")
    assert re.search(r"^  mylab/… +1 names: help optimizer mylab$", out, re.MULTILINE)
    assert command("--plugin", str(path), "optimizer=mylab/mine", "--help")[1].startswith("optimizer=mylab/mine\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["optimizer=adam"], [("optimizer", "adam")]),
        (["-m", "optimizer=sgd,blog/adam", "optimizer.lr=1,2"], [("optimizer", "sgd"), ("optimizer", "blog/adam")]),
        (["optimizer=choice(sgd,adam)"], [("optimizer", "sgd"), ("optimizer", "adam")]),
        (["optimizer.lr=0.1"], [("optimizer", "adam")]),
        (["stages=[clip_norm]", "stages.clip_norm.max_norm=2"], [("stage", "clip_norm")]),
        (["stages.clip_norm.max_norm=2"], [("stage", "clip_norm")]),
        (["problem=digits_cnn", "model.units=32"], [("problem", "digits_cnn"), ("model", "cnn")]),
        (["metrics=[{metric: top_k, k: 3}]", "metrics=null"], [("metric", "top_k")]),
        (["seed=range(3)", "tracking.uri=x", "+tags.who=me"], [("seed",), ("tracking.uri",), ("tags",)]),
        (["~model.sizes", "hydra/launcher=basic", "--config-dir=x", "plugins"], []),
    ],
)
def test_overrides_before_help_are_explained(lookup, words, expected):
    assert explained(words, lookup) == expected
    assert all(lookup.pages(asked) for asked in expected)


@pytest.mark.parametrize("kind", ["layer", "loss", "metric", "dataset"])
def test_the_examples_fit_together(lookup, held, kind):
    """The last example of each name composes, and its data, model, loss and metrics go together."""
    register_resolvers()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for entry in own(held, kind):
            *_, example = lookup.pages([kind, entry.name])[0].examples
            if not getattr(entry.cls, "downloads", False) and entry.name not in ("mnist1d", "file"):
                config = compose("config", shlex.split(example)[3:])
                Population([check(plain_data(config))])


def parsed(value):
    if value in ("true", "false"):
        return value == "true"
    return float(value) if re.fullmatch(r"[-+.e\d]+", value) else value


def test_the_examples_of_update_rules_are_in_range(lookup, held):
    for entry in own(held, "optimizer", "schedule", "stage"):
        for example in lookup.pages([entry.kind, entry.name])[0].examples:
            values = [word.partition("=")[::2] for word in shlex.split(example)[3:] if "." in word.partition("=")[0]]
            for key, listed in values:
                for value in listed.split(","):
                    name = key.rpartition(".")[2]
                    assert name in entry.cls.resolve({name: parsed(value)})


def test_a_data_sets_declared_layout_is_that_of_its_samples(held):
    extra("mnist1d")
    cls = held.find("dataset", "mnist1d").cls
    raw = cls().load()
    assert cls.layout.samples == len(raw.samples) and cls.layout.official_test == len(raw.official_test)
    assert cls.layout.input_shape == raw.samples.inputs.shape[1:]
    assert cls.layout.classes == len(np.unique(raw.samples.targets))
