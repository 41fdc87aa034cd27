"""Hydra for Python users: in a process that may use Hydra for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from framework.hydra_app.composed import register_resolvers, reveal_hydra_plugins
from framework.system.paths import conf_folder


@contextmanager
def own_hydra() -> Iterator[Any]:
    """Give a Hydra of our own, and give back the one that was there."""
    reveal_hydra_plugins()
    register_resolvers()
    held = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="framework"):
            yield GlobalHydra.instance().hydra
    finally:
        GlobalHydra.instance().hydra = held


def compose_run(hydra: Any, words: Sequence[str]) -> DictConfig:
    """Return the configuration of one job; ``words`` are overrides.

    Raises:
        HydraException: it does not compose.
    """
    composed: DictConfig = hydra.compose_config("config", words, run_mode=RunMode.RUN, with_log_configuration=False)
    return composed
