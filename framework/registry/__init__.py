"""The plugin registry: discovery and loading of plugins, and the provider of each registered name."""
