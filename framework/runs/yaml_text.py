"""Plain data as YAML that YAML 1.1, YAML 1.2 and OmegaConf read back as the same data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from framework.errors import InputError
from framework.system.files import read_regular

_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The dumper of libyaml if it is installed: ten times faster."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 100
"""Most levels of nesting that are read."""


class _Dumper(_BASE):
    """Quotes text that YAML 1.1, YAML 1.2 or OmegaConf reads as a number; PyYAML alone covers YAML 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True, so that a list that occurs twice is written twice, not as an anchor and an alias."""
        return True


# OmegaConf reads 695e0514 and YAML 1.2 reads 0o17 as numbers, YAML 1.1 as text.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d[\d_]*|\d[\d_]*(\.[\d_]*)?)(e[-+]?\d+)?", re.I), "-+.0123456789"
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?0(o[0-7_]+|x[\da-f_]+|b[01_]+)", re.I), "-+0")


def dump(value: Any) -> str:
    """Return plain data as YAML; mappings keep the order of their keys."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def read(path: Path) -> Any:
    """Return the plain data of a YAML file that a run wrote: mappings, lists, texts, numbers, true, false and null.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the file is damaged.
    """
    try:
        text = read_regular(path).decode()
        _refuse_odd(text)
        value = yaml.load(text, _LOADER)  # noqa: S506 - one of the safe loaders
        if not _plain(value):
            raise ValueError("it holds other values than dump writes")
        return value
    except FileNotFoundError:
        raise
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise InputError(f"{path} is damaged: {line}{error.problem or error.context}") from None
    except Exception as error:  # noqa: BLE001 - PyYAML's constructors raise anything for damaged values
        raise InputError(f"{path} is damaged: {error}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file that holds a mapping; errors as for `read`."""
    value = read(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged: it holds no mapping")
    return value


def _refuse_odd(text: str) -> None:
    """Raise `ValueError` for what `dump` does not write: aliases, of which few lines stand for gigabytes, and depth."""
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return {type(key) for key in value} in (set(), {str}, {int}) and all(map(_plain, value.values()))
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)
