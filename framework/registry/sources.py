"""Sources of plugins that are saved with runs and models, so that these can be repeated and used elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from framework.registry.manager import Provider, numbered


def files(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Return those plugins whose source is saved with runs and models, by the name of the saved file."""
    named: dict[str, Provider] = {}
    for provider in providers:
        if provider.source:
            stem = numbered(Path(file_name(provider)).stem, {Path(name).stem for name in named})
            named[f"{stem}.py"] = provider
    return named


def file_name(provider: Provider) -> str:
    """Return the name of the file that a plugin's source is saved in, unless another plugin's file has that name."""
    return f"{provider.name.removeprefix('inline ')}.py"
