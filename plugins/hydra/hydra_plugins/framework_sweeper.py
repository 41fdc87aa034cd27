"""The sweeper, in the package where Hydra looks for it; the logic is in `framework.hydra_app.sweeper`."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class FrameworkSweeper(Sweeper):
    """Hydra's entry to `framework.hydra_app.sweeper.Sweep`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's context, task function and configuration."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep."""
        from framework.hydra_app.sweeper import Sweep

        if self.hydra_context is None or self.config is None:
            raise RuntimeError("Hydra calls setup before sweep")
        return Sweep(self.hydra_context, self.task_function, self.config).run(arguments)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="framework",
    node={"_target_": f"{__name__}.FrameworkSweeper"},  # Hydra finds its plugins by target; no other plugins here are
    provider="framework",
)
