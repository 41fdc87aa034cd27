"""Everything a user can name: one thing a file, all registered through the hooks third parties use."""
