"""Hydra for the Python API, in a process that may itself use Hydra."""

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
    """Provide a separate Hydra instance; restore the previous global instance when the context is left."""
    reveal_hydra_plugins()
    register_resolvers()
    previous = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="framework"):
            yield GlobalHydra.instance().hydra
    finally:
        GlobalHydra.instance().hydra = previous


def compose_run(hydra: Any, words: Sequence[str]) -> DictConfig:
    """Return the composed configuration of one job.

    Args:
        hydra: from `own_hydra`.
        words: the overrides.

    Raises:
        HydraException: Hydra cannot compose it.
    """
    composed: DictConfig = hydra.compose_config("config", words, run_mode=RunMode.RUN, with_log_configuration=False)
    return composed
