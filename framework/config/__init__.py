"""A configuration: its settings, its layers, and what is checked before a run has one."""
