"""``python -m framework compare``: a study of several optimizers; the same as ``-m study=…``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from framework.cli.help.presets import Presets
from framework.study.settings import Study

USAGE = """usage: python -m framework compare OVERRIDES

Tune each optimizer equally, train the chosen settings with other seeds, test the differences, and write a report.
It is the same as python -m framework -m study=fair OVERRIDES.

  compare optimizer=adam,sgd,lion problem=digits_mlp,moons_mlp
  compare study=quick optimizer=adam,my_rule --plugin my_rule.py
  compare study=thorough optimizer=adam,sgd schedule=constant,cosine study.trials=40 plan=true

Commas of other settings make more entrants; a field with a fixed value is not tuned.
"""

SETTINGS = "Settings, with the defaults of the preset fair; each can be given, as in study.trials=40:"

FURTHER = """
study.fields=[lr,beta1] tunes these fields, where an optimizer has them, in place of those its class names;
study.search.adam.lr=[1e-4,1e-1] replaces a range; the name torch/adamw is written torch.adamw.
"""


def main(words: Sequence[str], train: Callable[[Sequence[str]], int]) -> int:
    """Run a study; return the exit code.

    Args:
        words: the arguments after ``compare``.
        train: function that executes the arguments of a command that trains.
    """
    if not words or {"--help", "-h"}.intersection(words):
        sys.stdout.write(help_text())
        return 0
    from framework.hydra_app.study_words import with_preset

    flags = [word for word in words if word not in ("-m", "--multirun")]
    return train(["-m", *with_preset(flags)])


def help_text() -> str:
    """Return the command's help."""
    presets = Presets.of()
    named = [f"  study={name}".ljust(18) + presets.summary("study", name) for name in presets.names("study")]
    rows = [(f"study.{name}", _default(field.default), field.help) for name, field in Study.fields.items()]
    width = max(len(name) + len(default) for name, default, _ in rows) + 3
    lines = [f"  {name}={default}".ljust(width + 2) + f"  {text}" for name, default, text in rows]
    return "\n".join([USAGE, "Presets:", *named, "", SETTINGS, *lines, FURTHER])


def _default(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
