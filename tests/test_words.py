"""What is typed for a tag reaches the run as it was typed; folders may begin with ``~``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from sweeping import SMALL, jobs_of, swept, yaml_of
from test_yaml_text import readings

import framework
from framework.composition import split
from framework.journal import read_journal
from framework.words import as_typed

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
    (word,) = as_typed([f"{plus}tags.key={typed}"])
    assert value_of(word) == text
    assert as_typed([word]) == [word]


def test_tags_set_together_are_text() -> None:
    (word,) = as_typed(["tags={sha: 123e456, version: 1.10, note: x, list: [1, 2]}"])
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
        "hydra.run.dir=a~b",
        "--config-dir",
    ],
    ids=["number", "sweep", "other", "reference", "part", "range", "delete", "unreadable", "tilde", "flag"],
)
def test_other_words_stay_as_they_are(word: str) -> None:
    assert as_typed([word]) == [word]


@pytest.mark.parametrize(
    "sweep", ["1.10,1.2,null", "choice(1.10,1.2,null)", "choice(1.10, 1.2, null)"], ids=["commas", "choice", "spaces"]
)
def test_values_of_a_sweep_over_a_tag_are_text(sweep: str) -> None:
    jobs = split(as_typed([f"tags.version={sweep}", "seed=0,1"]))
    assert [value_of(job[0]) for job in jobs] == ["1.10", "1.10", "1.2", "1.2", "null", "null"]


@pytest.mark.parametrize("typed", ["~/runs", "'~/runs'", '"~/runs"'], ids=["bare", "single", "double"])
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_folder_may_be_in_the_home_directory(
    key: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "a b"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "a b"))
    (word,) = as_typed([f"{key}={typed}"])
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
