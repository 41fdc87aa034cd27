"""Sweeps: plan many runs, train them together in blocks over worker processes, and rank them."""
