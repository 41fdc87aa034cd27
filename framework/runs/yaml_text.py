"""Plain data as YAML that YAML 1.1, YAML 1.2 and OmegaConf read back as the same data."""

from __future__ import annotations

import re
from typing import Any

import yaml

_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The dumper of libyaml if it is installed: ten times faster."""


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
