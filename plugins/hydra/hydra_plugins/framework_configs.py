"""The config source, in the package where Hydra looks for it; the logic is in `framework.hydra_app.source`."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from framework.system.paths import conf_folder


class RegistrySource(ConfigSource):
    """Hydra's entry to `framework.hydra_app.source`."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of its paths."""
        return "framework"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return one option.

        Raises:
            ConfigLoadError: there is no such option.
        """
        from framework.hydra_app.source import node

        found = node(_bare(config_path))
        if found is None:
            raise ConfigLoadError(f"nothing is registered as {config_path}")
        content, package = found
        config = OmegaConf.create(content)
        if "tags" in config:
            OmegaConf.set_struct(config.tags, False)  # tags.KEY=VALUE for any key, with no + before it
        return ConfigResult(self.provider, self.full_path(), config, {"package": package})

    def available(self) -> bool:
        """Return True: the registry is always there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Whether there are options below the path."""
        from framework.hydra_app.source import children

        return bool(children(_bare(config_path)))

    def is_config(self, config_path: str) -> bool:
        """Whether the path is an option."""
        from framework.hydra_app.source import node

        return node(_bare(config_path)) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names below the path."""
        from framework.hydra_app.source import below, children

        found = children(_bare(config_path))
        if results_filter is ObjectType.GROUP:
            return sorted(name for name, group in found.items() if group)
        if results_filter is ObjectType.CONFIG:
            return below(_bare(config_path))
        return sorted(found)


class RegistrySearchPath(SearchPathPlugin):
    """Puts the registry on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the registry for this project's command only; other applications have their own config groups."""
        ours = str(conf_folder())
        if any(element.path is not None and element.path.endswith(ours) for element in search_path.get_path()):
            search_path.append("framework", "framework://plugins")


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".yaml")
