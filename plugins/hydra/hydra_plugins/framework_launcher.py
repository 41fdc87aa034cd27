"""The launcher, in the package where Hydra looks for it; the logic is in `framework.hydra_app.launcher`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PopulationLauncher(Launcher):
    """Hydra's entry to `framework.hydra_app.launcher.PopulationLaunch`."""

    planned: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's context, task function and configuration."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train the jobs in populations."""
        from framework.hydra_app.launcher import PopulationLaunch

        launch = PopulationLaunch(self.hydra_context, self.task_function, self.config)
        launch.planned = self.planned
        return launch.launch(job_overrides, initial_job_idx)


ConfigStore.instance().store(
    group="hydra/launcher",
    name="population",
    node={"_target_": f"{__name__}.PopulationLauncher"},  # Hydra finds its plugins by target; no other plugins here are
    provider="framework",
)
