"""Samples on their way to a batch: read, split, scaled, shuffled."""
