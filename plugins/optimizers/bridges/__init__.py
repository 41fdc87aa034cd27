"""Optimizers of other libraries, torch and optax, on the problems of this one."""
