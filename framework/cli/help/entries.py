"""Help pages of registered names, groups and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framework.base.fields import Configurable, Field
from framework.cli.help.docstrings import explanation
from framework.cli.help.examples import examples
from framework.cli.help.topics import EntryTopic, Family, FieldHelp, GroupTopic, Name, SharedFieldTopic, Variant
from framework.cli.help.traits import traits
from framework.registry.manager import Registered, Registry

USAGE = {
    "stage": "'stages=[{name}]'",
    "layer": "{{layer: {name}}} in model.layers",
    "metric": "'metrics=[{name}]'",
}
"""Override that chooses a name, per kind; ``KIND=NAME`` for all other kinds."""
FIELD = {"stage": "stages.{name}.{field}", "layer": "{field}", "metric": "{field}"}
"""Key of a field, per kind; ``KIND.FIELD`` for all other kinds."""


def usage(kind: str, name: str) -> str:
    """Return the override that chooses a name of a kind."""
    return USAGE.get(kind, f"{kind}={{name}}").format(name=name)


def entry_page(found: Registered) -> EntryTopic:
    """Return the page of a registered name."""
    cls = found.cls
    parts = explanation(cls)
    return EntryTopic(
        kind=found.kind,
        name=found.name,
        usage=usage(found.kind, found.name),
        summary=parts.summary,
        formula=parts.formula,
        notes=parts.notes,
        source=parts.source,
        differs=parts.differs,
        fields=tuple(field_help(_key(found.kind, found.name, field), spec) for field, spec in cls.fields.items()),
        absent={_key(found.kind, found.name, field): reason for field, reason in cls.absent.items()},
        traits=tuple(traits(found.kind, cls)),
        warning=getattr(cls, "warning", ""),
        provider=_provider(found),
        examples=examples(found.kind, found.name, cls),
    )


def field_help(name: str, field: Field) -> FieldHelp:
    """Return the help data of a field, with ``name`` as the key that users type."""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return FieldHelp(name, default, field.kind, field.range(), field.help, field.search, field.prior, field.column)


def _key(kind: str, name: str, field: str) -> str:
    return FIELD.get(kind, f"{kind}.{{field}}").format(name=name, field=field)


def _provider(found: Registered) -> dict[str, str]:
    provider = found.provider
    return {
        "plugin": provider.name,
        "origin": provider.origin,
        "distribution": provider.distribution,
        "version": provider.version,
        "file": str(provider.path or ""),
    }


def group_page(registry: Registry, kind: str, family: str = "") -> GroupTopic:
    """Return the page of a kind with each family as one entry, or the page of one of its families."""
    classes = {name: registry.find(kind, name).cls for name in registry.names(kind)}
    shown = usage(kind, f"{family}/NAME" if family else "NAME")
    if family:
        return GroupTopic(kind, shown, _names({n: cls for n, cls in classes.items() if n.startswith(f"{family}/")}))
    families: dict[str, list[str]] = {}
    for name in classes:
        prefix, slash, _ = name.partition("/")
        if slash:
            families.setdefault(prefix, []).append(name)
    own = {name: cls for name, cls in classes.items() if "/" not in name}
    return GroupTopic(kind, shown, _names(own), tuple(Family(name, tuple(names)) for name, names in families.items()))


def _names(classes: Mapping[str, type[Configurable]]) -> tuple[Name, ...]:
    return tuple(Name(name, cls.summary().replace("``", "`")) for name, cls in classes.items())


def field_page(registry: Registry, kind: str, field: str) -> SharedFieldTopic | None:
    """Return the page of a field: its defaults and ranges for all names of a kind. None if no name has the field."""
    variants: dict[Any, list[str]] = {}
    for name in registry.names(kind):
        spec = registry.find(kind, name).cls.fields.get(field)
        if spec is not None:
            variants.setdefault(spec, []).append(name)
    if not variants:
        return None
    key = _key(kind, "NAME", field)
    ordered = sorted(variants.items(), key=lambda item: (-sum("/" not in name for name in item[1]), -len(item[1])))
    return SharedFieldTopic(key, kind, tuple(Variant(field_help(key, spec), tuple(names)) for spec, names in ordered))
