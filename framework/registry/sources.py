"""Sources of plugins that are saved with runs and models, so that these can be repeated and used elsewhere."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

from framework.registry.manager import Provider, numbered


def files(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Return those plugins whose source is saved with runs and models, by the name of the saved file."""
    named: dict[str, Provider] = {}
    for provider in providers:
        if provider.source:
            stem = numbered(Path(file_name(provider)).stem, {Path(name).stem for name in named})
            named[f"{stem}.py"] = provider
    return named


@functools.cache
def code_hash(cls: type) -> str:
    """Return a short hash of the source code of a class, or "" if Python cannot find it.

    It covers the modules of the class's own package that define the class and its bases, and those whose functions,
    classes and modules they use. It covers neither other packages nor the framework itself.
    """
    package = cls.__module__.partition(".")[0]
    waiting = [base.__module__ for base in cls.__mro__]
    sources: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        module, (top, _, rest) = sys.modules.get(name), name.partition(".")
        if module is not None and top == package and rest not in sources:
            sources[rest] = _source_of(module)
            waiting += _used(module)
    if not any(sources.values()):
        return ""
    return hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()[:12]


def _used(module: ModuleType) -> Iterator[str]:
    """Yield the names of the modules from which a module takes functions, classes and modules."""
    for value in vars(module).values():
        if isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(value, type | FunctionType):
            yield value.__module__


def _source_of(module: ModuleType) -> str:
    try:
        return str(module.__loader__.get_source(module.__name__) or "")  # type: ignore[union-attr]
    except (AttributeError, ImportError, OSError):  # a module without source, such as an extension
        return ""


def file_name(provider: Provider) -> str:
    """Return the name of the file that a plugin's source is saved in, unless another plugin's file has that name."""
    return f"{provider.name.removeprefix('inline ')}.py"
