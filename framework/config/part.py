"""One plugin of a run: the class that a name chose, and the checked values of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from framework.config.settings import plain
from framework.registry.manager import Provider, Registered


@dataclass(frozen=True)
class Part:
    """One plugin of a run.

    Attributes:
        kind: the kind of plugin, such as ``"optimizer"``.
        name: the registered name.
        cls: its class.
        provider: the plugin that provides the class.
        fields: the checked value of every field; not to be changed.
    """

    kind: str
    name: str
    cls: Any
    provider: Provider
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Registered, fields: Any, where: str) -> Part:
        """Return the part of a registered class with checked fields.

        Args:
            entry: the class and its plugin.
            fields: the user's settings by field name.
            where: the place in the configuration, for messages.

        Raises:
            InputError: a field is unknown, of the wrong type or out of range.
        """
        checked = MappingProxyType(entry.cls.resolve(fields, where))
        return cls(entry.kind, entry.name, entry.cls, entry.provider, checked)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The fields as plain data; not to be changed."""
        return plain(self.fields)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The part as a section of the plain configuration: its name and its fields; not to be changed."""
        return {"name": self.name, **self.values}

    @property
    def structure(self) -> dict[str, Any]:
        """The fields that runs of one population share: those that are not columns."""
        return {name: value for name, value in self.fields.items() if not self.cls.fields[name].column}


def stacked(parts: Sequence[Part], where: str, **given: Any) -> Any:
    """Return one object for R runs, from their parts at the same position of the configuration.

    Args:
        parts: one part per run, of one class.
        where: the place in the configuration, for messages.
        **given: as for `Configurable.of_checked`.

    Raises:
        InputError: the structure differs between runs.
    """
    return parts[0].cls.of_checked([part.fields for part in parts], where, **given)
