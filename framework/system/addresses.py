"""Addresses of tracking stores as text: credentials are masked, and SQLite files are written relative to a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
"""Text that takes the place of a credential."""

HIDDEN = (
    r"[\w.-]*(?:passw|passphrase|pwd|secret|token|credential|signature|odbc_connect|(?:api|access|private|auth)[_-]?key)"
    r"[\w.-]*"
)
"""Pattern of the names of settings and options whose value is a credential."""

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)(\\*://)((?:(?![a-z][a-z0-9+.-]*\\*://)\S)+)", re.I)
"""An address in a text; Hydra writes a backslash before a colon."""
_ENCODED = re.compile(r"(%3A%2F%2F)((?:(?!%3A%2F%2F)[^\s&])*)(%40)", re.I)
_OPTION = re.compile(rf"([?&;]{HIDDEN}(?:\\*=|%3D))([^\s&'\"]+)", re.I)
_INTERPOLATION = re.compile(r"\$\{[\w.]+(:[\w.]*)?\}")
_STORED = re.compile("\ue000(\\d+)\ue001")
"""An interpolation's place while a text is masked, in characters of no meaning."""

_HIDDEN = re.compile(HIDDEN, re.I)
_ITEM = re.compile(rf"({HIDDEN}['\"]?\s*:\s*)([^,}}]+)", re.I)
_SECTIONS = ("tracking", "hydra")
"""Sections of a configuration that are recorded as written and without credentials."""

_FILES = ("sqlite", "file")
_NAMED_USERS = ("postgresql", "mysql", "mssql", "oracle")


def without_password(text: str) -> str:
    """Return ``text`` with the credentials of all addresses in it masked, as in ``postgresql://me:***@host/db``.

    Masked are passwords, a user name that stands alone (it may be a token; for databases it is a name), and options
    such as ``?password=``. If ``/`` or ``@`` gives an address two meanings, more is masked rather than less.
    Interpolations, as in ``http://me:${oc.env:PASSWORD}@host``, are kept as written.
    """
    kept: list[str] = []

    def stored(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\ue000{len(kept) - 1}\ue001"

    masked = _INTERPOLATION.sub(stored, text.replace("\ue000", "?"))
    masked = _ADDRESS.sub(lambda found: f"{found[1]}{found[2]}{_masked(found[1].lower(), found[3])}", masked)
    masked = _ENCODED.sub(lambda found: f"{found[1]}{_hidden(found[2])}{found[3]}", masked)
    masked = _OPTION.sub(lambda found: f"{found[1]}{_hidden(found[2])}", masked)
    return _STORED.sub(lambda found: kept[int(found[1])], masked)


def masked_word(word: str) -> str:
    """Return an override of a command line with credentials masked, as in ``hydra.job.env_set.TOKEN=***``."""
    key, equals, value = word.partition("=")
    section, _, name = key.lstrip("+~").partition(".")
    if equals and section in _SECTIONS:
        if _HIDDEN.fullmatch(name.rpartition(".")[2]):
            return f"{key}={_unless_written(value)}"
        value = _ITEM.sub(lambda found: found[1] + _unless_written(found[2]), value)
    return without_password(key + equals + value)


def masked_words(words: Sequence[str]) -> list[str]:
    """Return the overrides of a command line with credentials masked."""
    return [masked_word(word) for word in words]


def masked_data(value: Any) -> Any:
    """Return plain data of the sections ``tracking`` or ``hydra`` with credentials masked; interpolations are kept."""
    if isinstance(value, Mapping):
        return {name: _masked_item(str(name), item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked_word(item) if isinstance(item, str) else masked_data(item) for item in value]
    return without_password(value) if isinstance(value, str) else value


def masked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as written with the credentials of the sections ``tracking`` and ``hydra`` masked."""
    return {name: masked_data(value) if name in _SECTIONS else value for name, value in config.items()}


def _masked_item(name: str, value: Any) -> Any:
    is_secret = isinstance(value, str) and _HIDDEN.fullmatch(name)
    return _unless_written(value) if is_secret else masked_data(value)


def _unless_written(value: str) -> str:
    """Return the mask for a credential; an interpolation without a default is no credential."""
    return value if re.fullmatch(rf"\s*['\"]?({_INTERPOLATION.pattern})+['\"]?\s*", value) else MASK


def _hidden(secret: str) -> str:
    return secret if re.fullmatch(rf"({_STORED.pattern})+", secret) else MASK


def _masked(scheme: str, rest: str) -> str:
    """Return the part of an address after ``://`` with its user's credentials masked."""
    user, at, place = rest.rpartition("@")
    if not at or scheme.partition("+")[0] in _FILES:
        return rest
    name, colon, password = user.partition(":")
    if colon and "/" not in name:
        return f"{name}:{_hidden(password)}@{place}"
    if "/" in user:  # the at sign belongs to the path
        return rest
    is_name = scheme.partition("+")[0] in _NAMED_USERS and "%3a" not in user.lower()
    return rest if is_name else f"{_hidden(user)}@{place}"


def same_store(one: str, other: str) -> bool:
    """Return whether two resolved addresses name the same store, whatever their credentials are."""
    files = sqlite_file(one), sqlite_file(other)
    if files[0] is not None and files[1] is not None:
        return files[0].resolve() == files[1].resolve()
    return _bare(one) == _bare(other)


def _bare(uri: str) -> str:
    bare = re.sub(r"://[^/@]*@", "://", without_password(uri))
    return re.sub(rf"[?&;][^=&;]*={re.escape(MASK)}", "", bare).rstrip("/")


def sqlite_file(uri: str) -> Path | None:
    """Return the SQLite file of a resolved address, or None for another kind of store."""
    if not uri.startswith("sqlite:"):
        return None
    return Path(unquote(uri.partition("///")[2].partition("?")[0]))


def relative(uri: str, folder: Path) -> str:
    """Return a resolved address as it is stored in a folder, without credentials.

    A SQLite file in a folder that contains ``folder`` is written relative to it, because both are moved together.
    """
    file, folder = sqlite_file(uri), folder.resolve()
    parent = None if file is None else file.parent.resolve()
    if file is None or parent is None or not folder.is_relative_to(parent):
        return without_password(uri)
    return _with_file(uri, Path(os.path.relpath(parent / file.name, folder)))


def absolute(stored: str, folder: Path) -> str:
    """Return an address that is stored in a folder with the path of a SQLite file made absolute: see `relative`."""
    file = sqlite_file(stored)
    if file is None or file.is_absolute():
        return stored
    return _with_file(stored, Path(os.path.normpath(folder.resolve() / file)))


def _with_file(uri: str, file: Path) -> str:
    head = uri.partition("///")[0]
    _, question, options = uri.partition("?")
    return f"{head}///{re.sub('[%?#]', lambda found: quote(found[0]), file.as_posix())}{question}{options}"
