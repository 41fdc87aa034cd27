"""Text that is written as YAML comes back as the same text, whoever reads it."""

from __future__ import annotations

import pytest
from readings import readings

from framework.runs.yaml_text import dump

TEXTS = {
    "commit": "695e0514",
    "huge_exponent": "123e456",
    "exponent": "1e5",
    "capital_exponent": "1E5",
    "signed_exponent": "5e-1",
    "thousands": "1_000",
    "version": "1.10",
    "octal": "0o17",
    "old_octal": "017",
    "hexadecimal": "0x1F",
    "binary": "0b11",
    "plus": "+1",
    "half": ".5",
    "point": "1.",
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "letter": "y",
    "true": "True",
    "null": "null",
    "tilde": "~",
    "empty": "",
    "date": "2020-01-01",
    "time": "12:30:45",
    "fraction_of_a_minute": "1:30.5",
    "inf": "inf",
    "dotted_inf": "-.inf",
    "nan": "nan",
    "dotted_nan": ".NaN",
    "merge": "<<",
    "equals": "=",
    "quote": "it's",
    "double_quote": 'say "yes"',
    "colon": "a: b",
    "hash": "a #b",
    "first_hash": "#a",
    "dash": "- a",
    "bracket": "[a",
    "anchor": "&a",
    "newline": "a\nb\n",
    "carriage_return": "a\r\nb",
    "tab": "\ta",
    "leading_space": " a",
    "trailing_space": "a ",
    "long": "words " * 60,
    "accent": "été",
    "kanji": "日本",
    "emoji": "🎉",
    "next_line": "a\x85b",
    "bell": "\x07",
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_text_stays_text(value: str) -> None:
    data = {"value": value, "list": [value], value: "key"}
    assert readings(dump(data)) == [data, data]


@pytest.mark.parametrize(
    "value",
    [0, -3, 10**20, 0.1, 1e-5, 1e22, -0.0, 3.0, float("inf"), True, False, None, [], {}],
    ids=lambda value: {"[]": "list", "{}": "mapping"}.get(repr(value), repr(value)),
)
def test_numbers_stay_numbers(value: object) -> None:
    for found in readings(dump({"value": value})):
        assert isinstance(found, dict)
        assert repr(found["value"]) == repr(value)


def test_a_list_in_two_places_is_written_twice() -> None:
    shared = [1, 2]
    assert "&" not in dump({"a": shared, "b": shared})


def test_words_of_any_language_are_readable() -> None:
    assert dump({"path": "données/été.csv"}) == "path: données/été.csv\n"
