"""Hydra: convert command-line arguments to jobs, and results of jobs to Hydra's records."""
