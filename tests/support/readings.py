"""How readers of YAML take a text: PyYAML, and OmegaConf as Hydra does."""

from __future__ import annotations

import io

import yaml
from omegaconf import OmegaConf


def readings(text: str) -> list[object]:
    return [yaml.safe_load(text), OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))]
