"""Help pages of settings that belong to no plugin."""

from __future__ import annotations

from collections.abc import Mapping

from framework.base.fields import Configurable
from framework.cli.help.entries import field_help
from framework.cli.help.examples import value
from framework.cli.help.presets import GROUPS, Presets
from framework.cli.help.topics import PROGRAM, FieldHelp, SettingsTopic
from framework.config.settings import COLLECTIONS, NAMED_SECTIONS, Display, Goal
from framework.config.settings import Settings as Training


def sections(presets: Presets) -> dict[str, tuple[FieldHelp, ...]]:
    """Return all settings, grouped by the title of their section."""
    titled = {
        "choices": _choices(presets),
        "training": _fields(Training),
        "collections": tuple(
            FieldHelp(name, setting.default, "collection", setting.accepts, setting.help)
            for name, setting in COLLECTIONS.items()
        ),
        "goal": _fields(Goal),
        "display": _fields(Display),
    }
    return titled | {name: _fields(section, f"{name}.") for name, section in NAMED_SECTIONS.items()}


def _choices(presets: Presets) -> tuple[FieldHelp, ...]:
    """Return the groups from which a run chooses exactly one option, the problem first."""
    defaults = {group: name for group, name in presets.defaults().items() if isinstance(name, str)}
    ordered = sorted(defaults, key=lambda group: group != "problem")
    return tuple(
        FieldHelp(group, defaults[group], "choice", "a name", f"python -m framework help {group} lists them")
        for group in ordered
    )


def _fields(cls: type[Configurable], prefix: str = "") -> tuple[FieldHelp, ...]:
    return tuple(field_help(prefix + name, field) for name, field in cls.fields.items())


def settings_page(presets: Presets) -> SettingsTopic:
    """Return the page of all settings."""
    return SettingsTopic(sections(presets))


def setting_page(presets: Presets, name: str) -> SettingsTopic | None:
    """Return the page of one setting (``epochs``) or of a section (``tracking``), or None if there is none."""
    every = sections(presets)
    if name in NAMED_SECTIONS:
        return SettingsTopic({name: every[name]}, examples=_example(name, every[name]))
    for title, settings in every.items():
        for setting in settings:
            if setting.name == name:
                return SettingsTopic({title: (setting,)}, _set_by_default(presets, name), _example(title, (setting,)))
    return None


def _set_by_default(presets: Presets, name: str) -> str:
    problem = presets.defaults()["problem"]
    value = presets.content("problem", problem).get(name) if name not in GROUPS else None
    return (
        "" if value is None else f"The default problem, {problem}, sets {name}={value}; other problems set their own."
    )


def _example(title: str, settings: tuple[FieldHelp, ...]) -> tuple[str, ...]:
    cls: Mapping[str, type[Configurable]] = {
        "training": Training,
        "goal": Goal,
        "display": Display,
        **NAMED_SECTIONS,
    }
    if title not in cls:
        return ()
    for setting in settings:
        shown = value(cls[title].fields[setting.name.rpartition(".")[2]])
        if shown is not None:
            return (f"{PROGRAM} {setting.name}={shown}",)
    return ()
