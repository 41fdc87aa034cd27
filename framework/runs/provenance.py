"""Information for reproducing a run: name, command, versions, commit and hashes."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from threadpoolctl import threadpool_info

from framework import DISTRIBUTION, __version__
from framework.config.resolved import RunConfig
from framework.config.settings import OUTSIDE
from framework.registry.manager import current
from framework.registry.sources import file_name
from framework.system.addresses import masked_words
from framework.system.paths import root_folder

FLAGS = "FRAMEWORK_FLAGS"
"""Environment variable with the command-line flags that a run's command must repeat."""

PACKAGES = ("numpy", "hydra-core", "omegaconf", "mlflow", "pluggy", "scikit-learn", "threadpoolctl")


def outside(key: str) -> bool:
    """Return whether a dotted key belongs to a section of `OUTSIDE`."""
    return key.partition(".")[0] in OUTSIDE


def run_name(config: RunConfig, overrides: Sequence[str] = ()) -> str:
    """Return the name of a run in lists, such as ``"adam lr=0.001 seed=0"``; at most 200 characters.

    Args:
        config: the checked configuration.
        overrides: the user's overrides; those that are not in the name already are added.
    """
    optimizer = config.optimizer
    parts = [optimizer.name]
    if "lr" in optimizer.fields:
        parts.append(f"lr={optimizer.fields['lr']:g}")
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        gone = override.startswith("~")
        if not gone and key not in ("optimizer", "optimizer.lr", "seed") and not outside(key):
            parts.append(f"{key.removeprefix('optimizer.')}={unquoted(value)}")
    parts.append(f"seed={config.settings.seed}")
    return " ".join(parts)[:200]


def unquoted(value: str) -> str:
    """Return the text of a quoted override value, as Hydra reads it; return any other value unchanged."""
    quote = value[:1]
    if quote not in ("'", '"') or len(value) < 2 or value[-1] != quote:
        return value
    # Backslashes are escapes only before a quote: one escapes the quote, and two stand for one backslash.
    return re.sub(rf"(\\+)({quote}|$)", lambda found: found[1][: len(found[1]) // 2] + found[2], value[1:-1])


def command(overrides: Sequence[str], *, sweep: bool = False) -> str:
    """Return the shell command that repeats a run or a sweep, without credentials.

    A class from a notebook is named as the file that is saved with the run.

    Args:
        overrides: the user's overrides.
        sweep: whether the command starts a sweep.
    """
    loaded = [provider for provider in current().providers if provider.status == "ok"]
    files = [str(provider.path) for provider in loaded if provider.path]
    files += [file_name(provider) for provider in loaded if provider.source and not provider.path]
    flags = shlex.split(os.environ.get(FLAGS, ""))
    words = ["python", "-m", "framework", *(f"--plugin={path}" for path in files), *flags, *(["-m"] if sweep else [])]
    return shlex.join([*words, *masked_words(overrides)])


def tags(
    config: RunConfig, overrides: Sequence[str], folder: Path, *, sweep_id: str = "", setting: str = ""
) -> dict[str, str]:
    """Return the tags of a run, including the user's.

    Args:
        config: the checked configuration.
        overrides: the user's overrides.
        folder: folder of the run's files.
        sweep_id: name of its sweep's folder, or "".
        setting: name of its setting, which lets the UI average over seeds.
    """
    plugin = config.optimizer.provider
    seen: dict[str, str] = {
        "optimizer": config.optimizer.name,
        "setting": setting,
        "problem": str(config.problem),
        "seed": str(config.settings.seed),
        "sweep_id": sweep_id,
        "config_hash": config.identity,
        "plugin": plugin.name,
        "plugin_version": plugin.version,
        "command": command(overrides),
        "folder": str(folder.resolve()),
        **git_state(),
    }
    return {**{key: value for key, value in seen.items() if value}, **config.tags}


def description(config: RunConfig, overrides: Sequence[str]) -> str:
    """Return the note on a run's page in Markdown: optimizer, problem, and the command that repeats the run."""
    names = {kind: part.name for kind, part in config.parts.items()}
    return (
        f"{config.optimizer.cls.summary()}\n\nProblem `{config.problem}`: data set `{names['dataset']}`, "
        f"model `{config.model or 'own'}`, loss `{names['loss']}`.\n\n"
        f"Run it again:\n\n```\n{command(overrides)}\n```\n"
    )


@functools.cache
def environment() -> str:
    """Return versions, machine, BLAS and commits as text, one fact per line."""
    facts = {"python": platform.python_version(), "platform": platform.platform(), "processor": _processor()}
    facts[DISTRIBUTION] = __version__
    for package in PACKAGES:
        facts[package] = version(package)
    for provider in current().providers:
        if provider.origin == "entry point" and provider.status == "ok":
            facts[f"plugin {provider.name}"] = f"{provider.distribution} {provider.version}"
    for library in threadpool_info():
        if library.get("user_api") == "blas":
            facts["blas"] = (
                f"{library['internal_api']} {library.get('version')} {library.get('architecture', '')}".strip()
            )
    facts |= {**git_state(), **own_commit()}
    return "".join(f"{name}: {value}\n" for name, value in facts.items())


def version(package: str) -> str:
    """Return an installed package's version, or "absent"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@functools.cache
def git_state(folder: str = ".") -> Mapping[str, str]:
    """Return ``git_commit`` and ``git_dirty`` of the checkout that contains ``folder``; empty if there is none."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {"git_commit": commit, "git_dirty": "true" if _git(folder, "status", "--porcelain") else "false"}


@functools.cache
def own_commit() -> Mapping[str, str]:
    """Return ``framework_commit`` if this package is imported from its checkout, else an empty mapping.

    The suffix ``-dirty`` marks a checkout with changes.
    """
    root = root_folder()
    state = git_state(str(root)) if (root / ".git").exists() else {}
    if not state:
        return {}
    return {"framework_commit": state["git_commit"] + ("-dirty" if state["git_dirty"] == "true" else "")}


def _git(folder: str, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            # a lock of the index would remain if git were killed
            ["git", "--no-optional-locks", "-C", folder, *words],  # noqa: S607 - git is found as the user's shell finds it
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or sys.platform
