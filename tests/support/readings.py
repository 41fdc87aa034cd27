"""Parse YAML with PyYAML, and with OmegaConf as Hydra does."""

from __future__ import annotations

import io

import yaml
from omegaconf import OmegaConf


def readings(text: str) -> list[object]:
    """Return the values of a YAML text according to PyYAML and to OmegaConf."""
    return [yaml.safe_load(text), OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))]
