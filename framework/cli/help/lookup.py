"""Find the help pages for the words after ``help``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from framework.cli.help import entries, settings
from framework.cli.help.presets import GROUPS as FILES
from framework.cli.help.presets import Presets
from framework.cli.help.topics import AmbiguousTopic, CommandTopic, GroupTopic, Name, Topic
from framework.config.check import SETS
from framework.errors import InputError, nearest
from framework.registry.manager import Registry
from framework.specs import HOOKS, SPECS

_FIRST = ("optimizer", "schedule", "stage", "problem", "dataset", "model", "layer", "loss", "metric")
GROUPS = (*_FIRST, *(kind for kind in SPECS if kind not in _FIRST))
"""All groups of names, in the order of the overview page."""
ALL_SETTINGS = "settings"


@dataclass(frozen=True)
class Lookup:
    """Finds help pages by words.

    Attributes:
        registry: the registry of plugins.
        presets: the problems and models.
        commands: subcommands with their summaries.
    """

    registry: Registry
    presets: Presets
    commands: Mapping[str, str]

    def pages(self, words: Sequence[str]) -> list[Topic]:
        """Return the pages for ``words``: a group, a name, a setting, or a group and names in it.

        Args:
            words: at least one word.

        Raises:
            InputError: a word has no page; the message suggests the nearest names.
        """
        first, *rest = words
        if not rest:
            return [self._word(first)]
        group = group_of(first)
        if group is None:
            raise InputError(f"help: no group is called {first}{nearest(first, GROUPS)}")
        return [self.in_group(group, word) for word in rest]

    def in_group(self, group: str, word: str) -> Topic:
        """Return the page of a name, of a family of names, or of a field in a group.

        Raises:
            InputError: the group has no such name, family or field.
        """
        names = self.names(group)
        if word in names or word in self._sets(group):
            return self._page(group, word)
        if group not in FILES:
            if any(name.startswith(f"{word}/") for name in names):
                return entries.group_page(self.registry, group, word)
            shared = entries.field_page(self.registry, group, word)
            if shared is not None:
                return shared
        raise InputError(f"help: no {group} is called {word}{nearest(word, [*names, *self._sets(group)])}")

    def group(self, group: str) -> GroupTopic:
        """Return the page of a group."""
        if group not in FILES:
            return entries.group_page(self.registry, group)
        names = [*self.names(group), *self._sets(group)]
        listed = (Name(name, self.presets.summary(group, name)) for name in names)
        return GroupTopic(group, f"{group}=NAME", tuple(listed))

    def names(self, group: str) -> list[str]:
        """Return the sorted names of a group."""
        return self.presets.names(group) if group in FILES else self.registry.names(group)

    def _sets(self, group: str) -> list[str]:
        return self.presets.sets() if group == "problem" else []

    def _word(self, word: str) -> Topic:
        """Return the page of a single word."""
        group = group_of(word)
        if group is not None:
            return self.group(group)
        if word == ALL_SETTINGS:
            return settings.settings_page(self.presets)
        if word in self.commands:
            return CommandTopic(word, self.commands[word])
        meanings = list(self._answers(word))
        if len(meanings) == 1:
            return self.in_group(*meanings[0])
        if meanings:
            return AmbiguousTopic(word, tuple(self._choice(group, name) for group, name in meanings))
        setting = settings.setting_page(self.presets, word)
        if setting is not None:
            return setting
        raise InputError(f"help: nothing is called {word}{nearest(word, self._known())}")

    def _answers(self, word: str) -> Iterator[tuple[str, str]]:
        """Yield a group and the word to look up in it for each meaning of ``word``.

        Names come first; families are tried only if no name matches, and fields only if no family does.
        """
        named = [(group, word) for group in GROUPS if word in self.names(group)]
        if named:
            yield from named
            return
        section, dot, field = word.partition(".")
        group = group_of(section) if dot else None
        if group in HOOKS:
            yield from self._fields(group, field)
            return
        families = [(kind, word) for kind in HOOKS if any(n.startswith(f"{word}/") for n in self.registry.names(kind))]
        yield from families
        if not families and settings.setting_page(self.presets, word) is None:
            for kind in (group for group in GROUPS if group in HOOKS):
                yield from self._fields(kind, word)

    def _fields(self, kind: str, field: str) -> Iterator[tuple[str, str]]:
        """Yield the kind and the field, or the kind and the name before the field (``stages.clip_norm.max_norm``)."""
        name, dot, _ = field.rpartition(".")
        if dot and name in self.registry.names(kind):
            yield kind, name
        elif entries.field_page(self.registry, kind, field) is not None:
            yield kind, field

    def _choice(self, group: str, word: str) -> Name:
        """Return the ``help`` words for one meaning of an ambiguous word, with a summary."""
        words = f"help {group} {word}"
        if group in FILES:
            return Name(words, self.presets.summary(group, word))
        if word in self.registry.names(group):
            return Name(words, self.registry.find(group, word).cls.summary())
        shared = entries.field_page(self.registry, group, word)
        return Name(words, shared.variants[0].field.help if shared else f"{group} names that start with {word}/")

    def _page(self, group: str, name: str) -> Topic:
        if group not in FILES:
            return entries.entry_page(self.registry.find(group, name))
        from framework.cli.help import problems  # it builds networks, which only these pages need

        if name.startswith(SETS):
            return problems.set_page(self.presets, name)
        return (
            problems.problem_page(self.presets, name) if group == "problem" else problems.model_page(self.presets, name)
        )

    def _known(self) -> Iterator[str]:
        """Yield every word that has a page, for suggestions."""
        yield from (*GROUPS, ALL_SETTINGS, *self.commands)
        for group in GROUPS:
            yield from self.names(group)
        for section, listed in settings.sections(self.presets).items():
            yield section
            yield from (setting.name for setting in listed)
        for kind in HOOKS:
            for name in self.registry.names(kind):
                yield from (f"{kind}.{field}" for field in self.registry.find(kind, name).cls.fields)


def group_of(word: str) -> str | None:
    """Return the group with this name, in the singular or the plural, or None if there is none."""
    return next((group for group in GROUPS if word in (group, f"{group}s", f"{group}es")), None)
