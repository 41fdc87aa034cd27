"""One-line messages for errors of Hydra, OmegaConf and YAML, with the nearest names and a correct spelling."""

from __future__ import annotations

import io
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from framework.config.resolved import flatten
from framework.config.settings import STAGES, everything
from framework.errors import FrameworkError, InputError, nearest, short
from framework.hydra_app.words import chosen, field_of, parsed, quoted
from framework.registry.manager import current, find
from framework.system.addresses import without_password
from framework.system.paths import conf_folder

ERRORS = (HydraException, OmegaConfBaseException)
READERS = ("hydra", "omegaconf", "antlr4", "yaml")
"""Packages that read the configuration: an error that they raise themselves is about the configuration."""


@contextmanager
def explained(overrides: Sequence[str]) -> Iterator[None]:
    """Replace errors that the command line or the configuration causes in Hydra's code by an InputError of one line.

    Args:
        overrides: the command line, to find the wrong override and the names that are valid in its place.

    Raises:
        InputError: instead of the original error.
    """
    try:
        yield
    except FrameworkError:
        raise
    except Exception as error:
        if not isinstance(error, ERRORS) and not _raised_by_a_reader(error):
            raise
        raise InputError(without_password(explain(error, overrides))) from error


def _raised_by_a_reader(error: Exception) -> bool:
    """Return whether the innermost frame outside the standard library belongs to one of `READERS`."""
    frames = traceback.walk_tb(error.__traceback__)
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames]
    return next((name in READERS for name in reversed(packages) if name not in sys.stdlib_module_names), False)


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Return one line for an error of Hydra, OmegaConf or YAML.

    Args:
        error: the error.
        overrides: the command line, to find the names that are valid in place of the wrong one.
    """
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override, str(error).splitlines()[0])
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: {error.problem}: correct the file"
    if isinstance(error, UnicodeDecodeError):
        return f"{_file_being_read(error)} is not UTF-8 ({error.reason}): save it as UTF-8"
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        path = short(error.filename or "a file", 160)
        return f"{path} cannot be used: {error.strerror or error}: choose another (hydra.run.dir, hydra.sweep.dir)"
    if isinstance(error, OmegaConfBaseException):
        return _interpolation(error)
    known = _known_message(error, overrides)
    if known is not None:
        return known
    odd = [item for item in overrides if "=" in item and parsed(item.partition("=")[2]) is None]
    if odd:
        return _unreadable(odd[0], _with_causes(error))
    if isinstance(error, HydraException):
        return _with_causes(error)
    suspects = " or ".join(item for item in overrides if item.startswith("hydra.")) or "the configuration"
    return f"{short(suspects, 160)} cannot be used ({type(error).__name__}: {_with_causes(error)})"


def _file_being_read(error: Exception) -> str:
    """Return the name of the file that a reader had open when it raised an error."""
    variables = [value for frame, _ in traceback.walk_tb(error.__traceback__) for value in frame.f_locals.values()]
    return next((value.name for value in reversed(variables) if isinstance(value, io.TextIOWrapper)), "a file")


def _with_causes(error: BaseException) -> str:
    """Return the messages of an error and its causes, without repetition."""
    messages: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        is_ours = isinstance(cause, OmegaConfBaseException)
        words = _interpolation(cause) if is_ours else " ".join(str(cause).split())  # type: ignore[arg-type]
        if words and not any(words in before for before in messages):
            messages.append(words)
        cause = cause.__cause__
    return ": ".join(messages) or type(error).__name__


def _interpolation(error: OmegaConfBaseException) -> str:
    reason = str(error.msg or error).splitlines()[0]
    return f"{error.full_key}: {reason}" if error.full_key else reason


def _known_message(error: Exception, overrides: Sequence[str]) -> str | None:
    """Return a clearer line for one of Hydra's most frequent messages, or None for another message."""
    message = str(error)
    if message.startswith("Config group override must be"):
        return _no_name(overrides)
    comma = re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'(?:$|\n| requires)", message, re.DOTALL)
    if comma:
        return _needs_multirun(comma[1])
    option = re.search(r"Could not (?:find|load) '([\w/]+)/([^'\n]*)'", message)
    if option:
        group, name = option.groups()
        kind, *below = [group] if group.startswith("hydra/") else group.split("/")
        name = "/".join([*below, name])
        what = "stage" if kind == STAGES else kind
        return f"{kind}={name}: there is no such {what}{nearest(name, _options(message, what))}"
    key = re.search(r"Could not override '([^']*)'|Could not delete from config. '([^']*)' does not", message)
    if key is None:
        return None
    named = key[1] or key[2]
    within = str(getattr(error.__cause__, "full_key", ""))  # the key inside a mapping that an override sets as a whole
    return _unknown_key(within if within.startswith(f"{named}.") else named, overrides, error)


def _unreadable(override: str, reason: str) -> str:
    key, _, value = override.partition("=")
    plain = key.lstrip("+~")
    field = field_of(plain, ())
    if field is not None:
        return f"{key}={short(value)}: this cannot be read: it must be {field.range()}"
    if plain != STAGES and isinstance(everything().get(plain), Mapping):
        return f"{key}={short(value)}: this cannot be read: write {plain}.KEY=VALUE"
    if "." not in plain and (plain == STAGES or plain not in everything()):
        return f"{key}={short(value)}: {plain} takes a name, as in {plain}=NAME{nearest(value, _options('', plain))}"
    spelled = shlex.quote(f"{key}={quoted(value)}")
    return f"{short(override)}: this cannot be read ({reason}): for a text write {spelled}"


def _needs_multirun(override: str) -> str:
    key, _, value = override.partition("=")
    field = field_of(key.lstrip("+"), ())
    if re.match(r"\w+\s*\(", value) or (field is not None and not field.takes_list):
        return f"{override}: more than one value makes a sweep: put -m before the settings"
    return f"{override}: for a list write '{key}=[{value}]', for a text \"{key}={quoted(value)}\", for a sweep add -m"


def _no_name(overrides: Sequence[str]) -> str:
    """Return a line for an override that has a number, true or null in place of an option's name."""
    for item in overrides:
        key, _, value = item.lstrip("+~").partition("=")
        override = parsed(value)
        if "." in key or (key in everything() and key != STAGES) or override is None or override.is_sweep_override():
            continue
        if not isinstance(override.value(), str | list | dict):
            what = "stage" if key == STAGES else key
            return f"{item}: {key} takes a name, as in {key}=NAME{nearest('', _options('', what))}"
    return "a group of the configuration takes the name of an option: write GROUP=NAME"


def _unknown_key(key: str, overrides: Sequence[str], error: Exception) -> str:
    section, _, field = key.partition(".")
    for name in chosen(section, overrides):
        cls = find(section, name).cls
        if field not in cls.fields:
            return f"{key}: " + (
                cls.absent.get(field) or f"{cls.label()} has no such field{nearest(field, cls.fields)}"
            )
    stage = field if ("stage", field) in current().entries else field.rpartition(".")[0]
    if section == STAGES and (("stage", stage) in current().entries):
        return f"{key}: the run has no stage {stage}: add 'stages=[{stage}]'"
    return f"{key}: there is no such key{nearest(key, _known_keys(error))}"


def _options(message: str, kind: str) -> list[str]:
    registered = [name for of_kind, name in current().entries if of_kind == kind]
    _, _, listed = message.partition("Available options")
    stored = [path.stem for path in (conf_folder() / kind).glob("*.yaml")]
    return [*registered, *stored, *re.findall(r"^\s+([\w-]+)\s*$", listed, flags=re.MULTILINE)]


def _known_keys(error: BaseException) -> list[str]:
    """Return the keys of the configuration to which Hydra was applying an override as it raised ``error``."""
    variables = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
    found = [names["cfg"] for names in variables if isinstance(names.get("cfg"), DictConfig)]
    composed = cast(dict[str, Any], OmegaConf.to_container(found[-1], resolve=False)) if found else {}
    own = {name: value for name, value in composed.items() if name != "hydra"}
    return [*flatten(own), *own]
