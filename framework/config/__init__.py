"""Configurations of runs: settings, layers, and validation."""
