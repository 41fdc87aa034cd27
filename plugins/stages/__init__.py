"""Stages around the optimizer's rule."""
