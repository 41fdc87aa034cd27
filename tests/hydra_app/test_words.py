"""What is typed for a tag or a text field reaches the run as typed, also pasted again; folders may begin with ``~``."""

from __future__ import annotations

import random
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from readings import readings
from sweeping import SMALL, jobs_of, swept, yaml_of

import framework
from framework.errors import InputError
from framework.hydra_app.splitting import split
from framework.hydra_app.words import as_typed, elements, field_of
from framework.registry import manager
from framework.runs.journal import read_journal
from framework.runs.provenance import unquoted

pytestmark = pytest.mark.usefixtures("unrendered")

TYPED = {
    "commit": ("695e0514", "695e0514"),
    "infinite": ("123e456", "123e456"),
    "version": ("1.10", "1.10"),
    "thousands": ("1_000", "1_000"),
    "null": ("null", "null"),
    "capital_true": ("True", "True"),
    "yes": ("yes", "yes"),
    "plus": ("+1", "+1"),
    "half": (".5", ".5"),
    "inf": ("inf", "inf"),
    "nan": ("NaN", "NaN"),
    "octal": ("0o17", "0o17"),
    "hexadecimal": ("0x1F", "0x1F"),
    "date": ("2020-01-01", "2020-01-01"),
    "time": ("12:30:45", "12:30:45"),
    "tilde": ("~", "~"),
    "empty": ("", ""),
    "list": ("[1, 2.0]", "[1, 2.0]"),
    "mapping": ("{a: 1e5}", "{a: 1e5}"),
    "call": ("f(x)", "f(x)"),
    "brackets": ("data (1)", "data (1)"),
    "apostrophe": ("it's", "it's"),
    "accent": ("été", "été"),
    "quoted": ('"1.10"', "1.10"),
    "quoted_space": ("' a'", " a"),
    "escaped": (r"a\,1", "a,1"),
    "words": ("two words", "two words"),
}


def value_of(word: str) -> object:
    return OverridesParser.create().parse_override(word).value()


@pytest.mark.parametrize(("typed", "text"), TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("plus", ["", "+", "++"], ids=["change", "add", "force"])
def test_a_tag_is_text(plus: str, typed: str, text: str) -> None:
    (word,) = as_typed([f"{plus}tags.key={typed}"], sweep=False)
    assert value_of(word) == text
    assert as_typed([word], sweep=False) == [word]


def test_tags_set_together_are_text() -> None:
    (word,) = as_typed(["tags={sha: 123e456, version: 1.10, note: x, list: [1, 2]}"], sweep=False)
    assert value_of(word) == {"sha": "123e456", "version": "1.10", "note": "x", "list": "[1, 2]"}


@pytest.mark.parametrize(
    "word",
    [
        "seed=1_000",
        "optimizer.lr=1e-3,1e-2",
        "+model.tags.sha=1e5",
        "tags.from=${seed}",
        "tags.from=v${seed}",
        "tags.of=range(3)",
        "~tags.sha",
        "tags=[",
    ],
    ids=["number", "sweep", "other", "reference", "part", "range", "delete", "unreadable"],
)
def test_other_words_stay_as_they_are(word: str) -> None:
    assert as_typed([word], sweep=False) == [word]


@pytest.mark.parametrize(
    "sweep", ["1.10,1.2,null", "choice(1.10,1.2,null)", "choice(1.10, 1.2, null)"], ids=["commas", "choice", "spaces"]
)
def test_values_of_a_sweep_over_a_tag_are_text(sweep: str) -> None:
    jobs = split(as_typed([f"tags.version={sweep}", "seed=0,1"], sweep=True))
    assert [value_of(job[0]) for job in jobs] == ["1.10", "1.10", "1.2", "1.2", "null", "null"]


@pytest.mark.parametrize("typed", ["~/runs", "'~/runs'", '"~/runs"'], ids=["bare", "single", "double"])
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_folder_may_be_in_the_home_directory(
    key: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "a b"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "a b"))
    (word,) = as_typed([f"{key}={typed}"], sweep=False)
    assert value_of(word) == str(tmp_path / "a b" / "runs")


def tags_of(folder: Path) -> dict[str, str]:
    return dict(read_journal(folder)[0].content["tags"])


def test_a_run_has_its_tags_as_typed(tmp_path: Path) -> None:
    tags = ["tags.sha=123e456", "tags.version=1.10", "tags.none=null", "tags.quoted='695e0514'", "tags.seed=${seed}"]
    expected = {"sha": "123e456", "version": "1.10", "none": "null", "quoted": "695e0514", "seed": "0"}
    framework.run(*SMALL, f"hydra.run.dir={tmp_path}/r", "epochs=1", *tags)
    assert tags_of(tmp_path / "r").items() >= expected.items()
    for config in readings((tmp_path / "r" / "config.yaml").read_text(encoding="utf-8")):
        assert isinstance(config, dict)
        assert config["tags"] == expected


@pytest.mark.parametrize("launcher", ["population", "basic"])
def test_runs_of_a_sweep_have_their_tags_as_typed(launcher: str, tmp_path: Path) -> None:
    tags = ["tags.sha=695e0514,1.10", "tags.none=null", "tags.note=été"]
    swept(tmp_path / "s", *SMALL, "epochs=1", f"hydra/launcher={launcher}", *tags)
    found = []
    for job in jobs_of(tmp_path / "s"):
        own = tags_of(job)
        found.append(own["sha"])
        assert (own["none"], own["note"]) == ("null", "été")
        for file in ("config.yaml", ".hydra/config.yaml"):
            for config in readings((job / file).read_text(encoding="utf-8")):
                assert isinstance(config, dict)
                assert config["tags"] == {"sha": own["sha"], "none": "null", "note": "été"}
    assert found == ["695e0514", "1.10"]
    assert tags_of(tmp_path / "s")["note"] == "été"
    assert "tags.note='été'" in yaml_of(tmp_path / "s" / "multirun.yaml")["hydra"]["overrides"]["task"]


TEXTS = {
    "spaces": "data (1).csv",
    "accents": "été/größe.csv",
    "apostrophe": "it's.csv",
    "tilde": "~/d.csv",
    "brackets": "[a].csv",
    "braces": "{a",
    "quotes": 'say "x", it\'s',
    "number": "2020",
    "version": "1.10",
    "exponent": "123e456",
    "zeros": "007",
    "boolean": "true",
    "comma": "a,b",
    "equals": "a=b",
    "backslash": "C:\\data\\x (1).csv",
    "last": "folder (1)\\",
    "call": "mean(x)",
    "hash": "a#b!&;",
    "japanese": "データ.csv",
}


@pytest.fixture(autouse=True)
def plugins():
    manager.install(None)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "key", ["dataset.path", "dataset.target", "target_source", "tags.note", "+tags.note", "tracking.uri"]
)
def test_a_text_field_takes_what_was_typed(key, text):
    [override] = as_typed([f"{key}={text}"], sweep=False)
    assert value_of(override) == text
    assert as_typed([override], sweep=False) == [override]
    assert as_typed([override], sweep=True) == [override]
    assert unquoted(override.partition("=")[2]) == text


def test_random_texts_are_taken_as_typed():
    draw = random.Random(0)  # noqa: S311 - no secret
    for _ in range(300):
        text = "".join(draw.choices("ab0.,'\"\\()[]{}~ =:+-*é", k=draw.randint(1, 9))).strip()
        [override] = as_typed([f"tags.note={text}"], sweep=False)
        again = shlex.split(shlex.join([override]))
        if override == f"tags.note={text}":  # Hydra's own spelling of a text: quoted, or with escapes
            assert isinstance(value_of(override), str)
        else:
            assert value_of(override) == text
            assert unquoted(override.partition("=")[2]) == text
        assert as_typed(again, sweep=False) == [override]


@pytest.mark.parametrize(
    "override",
    [
        "tags.a='two words'",
        'tags.a="x"',
        "dataset.path=${oc.env:HOME}/x.csv",
        "dataset.path=null",
        "tags.a=a\\,b",
        "tags.a=",
        "tags.a=plain/path-1.csv",
        "optimizer.lr=0.1",
        "seed=range(3)",
        "tags.a=choice(a,b)",
        "model.sizes=[1,2]",
        "dtype=float64",
        "~tags.a",
        "hydra.sweep.subdir=${hydra.job.num}",
        "dataset.ignore='a,b'",
    ],
)
def test_what_hydra_reads_as_meant_stays_as_it_is(override):
    assert as_typed([override], sweep=False) == [override]


SWEEPS = {
    "numbers": ("tags.v=1.10,1.20", ["1.10", "1.20"]),
    "choice": ("tags.v=choice(1.10,1e3)", ["1.10", "1e3"]),
    "range": ("tags.v=range(3)", ["0", "1", "2"]),
    "paths": ("dataset.path=data (1).csv,it's.csv", ["data (1).csv", "it's.csv"]),
    "quoted": ("dataset.target='a,b',c", ["a,b", "c"]),
    "one": ("dataset.target=2020", ["2020"]),
}


@pytest.mark.parametrize(("override", "texts"), SWEEPS.values(), ids=SWEEPS)
def test_each_value_of_a_sweep_is_taken_as_typed(override, texts):
    jobs = split(as_typed([override], sweep=True))
    assert [value_of(job[0]) for job in jobs] == texts


LISTS = {
    "comma": ("dataset.ignore=a,b", ["a", "b"]),
    "list": ("dataset.ignore=[a,b]", ["a", "b"]),
    "one": ("dataset.ignore=a", ["a"]),
    "numbers": ("dataset.ignore=2019,2020", ["2019", "2020"]),
    "spaces": ("dataset.ignore=sepal length (cm),b", ["sepal length (cm)", "b"]),
    "listed": ("dataset.ignore=[sepal length (cm),b]", ["sepal length (cm)", "b"]),
    "inside": ("dataset.ignore=['a,b',c]", ["a,b", "c"]),
}


@pytest.mark.parametrize(("override", "names"), LISTS.values(), ids=LISTS)
def test_a_list_of_names_takes_commas_and_brackets(override, names):
    [rewritten] = as_typed([override], sweep=False)
    assert value_of(rewritten) == names
    assert as_typed([rewritten], sweep=True) == [rewritten]


def test_a_sweep_does_not_cut_a_list_of_names():
    with pytest.raises(InputError, match=r"write 'dataset\.ignore=\[a,b\]' for one list"):
        as_typed(["dataset.ignore=a,b"], sweep=True)
    with pytest.raises(InputError, match=r"takes a list of names"):
        framework.sweep("problem=file", "dataset.ignore=a,b")
    jobs = split(as_typed(["dataset.ignore=[a],[b,c],null"], sweep=True))
    assert [value_of(job[0]) for job in jobs] == [["a"], ["b", "c"], None]
    jobs = split(as_typed(["dataset.ignore=choice(a,b)"], sweep=True))
    assert [value_of(job[0]) for job in jobs] == [["a"], ["b"]]


def test_folders_begin_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = as_typed(["hydra.run.dir=~/run 1", "hydra.sweep.dir=~/${now:%Y}"], sweep=False)
    assert [value_of(word) for word in words] == [f"{tmp_path}/run 1", f"{tmp_path}/${{now:%Y}}"]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("a,b", ["a", "b"]),
        ("'a,b', c", ["'a,b'", "c"]),
        ("[a,b],c", ["[a,b]", "c"]),
        ("a),b(", ["a)", "b("]),
        ("it's,b", ["it's", "b"]),
        ("a\\,b", ["a\\,b"]),
        ("", []),
    ],
)
def test_commas_outside_of_quotes_and_brackets_separate(value, parts):
    assert elements(value) == parts


def test_a_key_is_the_field_of_the_chosen_plugin():
    assert field_of("dataset.path", ["dataset=file"]).kind == "text"
    assert field_of("dataset.path", ["dataset=iris"]) is None
    assert field_of("optimizer.lr", []).kind == "number"
    assert field_of("stages.clip_norm.max_norm", []).kind == "number"
    assert field_of("launcher.backend", []).choices
    assert field_of("model.name", []) is None
    assert field_of("nothing", []) is None
