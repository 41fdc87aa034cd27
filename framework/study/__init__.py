"""Comparison of optimizers: equal tuning, new runs on other seeds, and tests of the differences."""
