"""Adapters for the optimizers of other libraries: torch and optax."""
