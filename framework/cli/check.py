"""``python -m framework check``: the conformance kit on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from framework.checks.kit import check
from framework.checks.problems import check_problem
from framework.checks.results import FAILED, PASSED, SKIPPED, CheckResult
from framework.cli.arguments import Arguments
from framework.cli.help.command import FOLDERS
from framework.cli.help.presets import Presets
from framework.config.check import MEMBERS, SETS
from framework.errors import InputError, nearest
from framework.registry import manager
from framework.specs import SPECS

USAGE = "check optimizer adam, check problem digits_mlp, check my_rule.py, or check --all"
PROBLEM = "problem"
NAMED = tuple[str, str]


@dataclass(frozen=True)
class Subject:
    """A plugin or a problem, and the function that checks it."""

    kind: str
    name: str
    check: Callable[[], list[CheckResult]]


def main(words: Sequence[str]) -> int:
    """Run the requested checks and print their results; return 1 if any failed, else 0.

    Raises:
        InputError: there is no such kind, name or file, or a problem is not valid; nothing was checked.
        PluginError: the file cannot be loaded.
    """
    parser = Arguments(
        "check",
        "Check that plugins fulfil the contract of their kind, and that problems are as they declare: a kind and "
        "names, a plugin's file, or every plugin.",
        example=USAGE,
        epilog=f"Kinds: {', '.join(SPECS)}, {PROBLEM}. The exit code is 1 if a check failed, 2 for wrong input.",
    )
    parser.add_argument("words", nargs="*", metavar="KIND NAME… | FILE.py", help="such as: optimizer adam sgd")
    parser.add_argument("--all", action="store_true", help="all plugins except optimizers of other libraries")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object per check")
    parser.add_argument(*FOLDERS, action="append", default=[], help="a folder with your own problems and models")
    asked = parser.parse_args(list(words))
    if asked.words[:1] == [PROBLEM] and not asked.all:
        subjects, left_out = _problems(asked.words[1:], Presets.of(asked.config_dir)), list[NAMED]()
    else:
        named = _subjects(asked.words, everything=asked.all)
        left_out = _foreign(named) if asked.all else []
        subjects = [Subject(*each, partial(check, *each)) for each in named if each not in left_out]
    failed = _run(subjects, as_json=asked.json)
    if left_out and not asked.json:
        sys.stdout.write(f"{len(left_out)} optimizers of other libraries were not checked: name them to check them\n")
    return int(failed)


def _run(subjects: Sequence[Subject], *, as_json: bool) -> bool:
    """Check the subjects and print the results as soon as they are known; return whether a check failed."""
    rows: list[dict[str, Any]] = []
    failed = False
    for subject in subjects:
        kind, name, results = subject.kind, subject.name, subject.check()
        failed |= any(result.status == FAILED for result in results)
        if as_json:
            rows += [{"kind": kind, "name": name, **asdict(result)} for result in results]
        else:
            sys.stdout.write("".join(f"{line}\n" for line in _lines(kind, name, results, brief=len(subjects) > 1)))
            sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    return failed


def _problems(names: Sequence[str], presets: Presets) -> list[Subject]:
    """Return the problems, with sets replaced by their problems, each once.

    Raises:
        InputError: there is no such problem or set, or a problem cannot be composed.
    """
    if not names:
        raise InputError("check: name the problem to check, such as: check problem digits_mlp, or set/small")
    sets = [presets.content(PROBLEM, name).get(MEMBERS, ()) if name.startswith(SETS) else [name] for name in names]
    chosen = dict.fromkeys(str(name) for members in sets for name in members)
    return [Subject(PROBLEM, name, partial(check_problem, presets.problem(name).config)) for name in chosen]


def _subjects(words: Sequence[str], *, everything: bool) -> list[NAMED]:
    if everything == bool(words):
        raise InputError(f"check: name the plugins to check: {USAGE}")
    if everything:
        return sorted(manager.current().entries, key=lambda entry: (list(SPECS).index(entry[0]), entry[1]))
    first, *names = words
    if first.endswith(".py"):
        if names:
            raise InputError(f"check: give one file at a time: leave out {names[0]}")
        return _of_file(Path(first))
    if first not in SPECS:
        raise InputError(f"check: there is no kind of plugin {first}{nearest(first, (*SPECS, PROBLEM))}")
    if not names:
        raise InputError(
            f"check: name the {first} to check, such as: check {first} {manager.current().names(first)[0]}"
        )
    return [(first, manager.find(first, name).name) for name in names]


def _foreign(subjects: Sequence[NAMED]) -> list[NAMED]:
    return [named for named in subjects if getattr(manager.find(*named).cls, "external", "")]


def _of_file(path: Path) -> list[NAMED]:
    """Return kind and name of each plugin in a file, and add the file to this process's registry.

    Raises:
        InputError: there is no such Python file, or it registers nothing.
        PluginError: the file cannot be loaded.
    """
    known, path = manager.current(), path.resolve()
    if not any(provider.path == path for provider in known.providers):
        known.strict = True  # raise an error, not a warning, if the requested file cannot be loaded
        known.add_file(path, "check")
    registered = [key for key, entry in known.entries.items() if entry.provider.path == path]
    if not registered:
        raise InputError(f"check {path}: it registers no plugin: write a class or a hook (see plugins/README.md)")
    return registered


def _lines(kind: str, name: str, results: Sequence[CheckResult], *, brief: bool) -> Iterator[str]:
    counts = {status: sum(result.status == status for result in results) for status in (PASSED, FAILED, SKIPPED)}
    yield f"{kind} {name}: " + ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    shown = [result for result in results if result.status == FAILED or not brief]
    width = max((len(result.check) for result in shown), default=0)
    for result in shown:
        figure = "" if result.figure is None else f"{result.figure:.3g} (at most {result.bound:g})"
        yield f"  {result.check:<{width}}  {result.status:<7}  {figure:<22}  {result.reason}".rstrip()
