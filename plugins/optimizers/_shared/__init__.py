"""Helpers that several update rules share."""
