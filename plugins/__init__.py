"""The built-in plugins: one per file, registered through the same hooks as third-party plugins."""
