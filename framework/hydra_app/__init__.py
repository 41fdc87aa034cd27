"""Hydra: from the words of a command line to jobs, and from jobs to Hydra's records."""
