"""Plugins: where they are found, how they are loaded, and who provides which name."""
