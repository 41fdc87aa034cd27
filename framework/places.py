"""Where the package's own files are. Imports nothing, for Hydra asks in every application of its environment."""

from __future__ import annotations

from pathlib import Path


def conf_folder() -> Path:
    """Return the folder of config groups: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / "conf" if (here / "conf").is_dir() else here.parent / "conf"
