"""Find the four files of an MNIST-like data set in the user's folders, or download them once."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from framework import Dataset, InputError, Layout, Raw, Samples, choice, text

from ._idx import read_idx, write_idx

DATA_FOLDER = "FRAMEWORK_DATA"
"""The environment variable that names the folder with the user's data sets."""

_TRAIN = 60_000
_PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_DIMENSIONS = {"images": 3, "labels": 1}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """The names by which the files of a data set are found or downloaded.

    Attributes:
        name: the registered name; also the name of its folder.
        openml: its name and version at OpenML.
        class_names: the names of its labels, in order.
        loose: whether its files may be in `DATA_FOLDER` itself. At most one data set may set this, because all of
            these data sets use the same file names.
    """

    name: str
    openml: tuple[str, int]
    class_names: tuple[str, ...]
    loose: bool = False

    def load(self, folder: str | None) -> Raw:
        """Return images ``(28, 28, 1)`` as bytes, with the official test set.

        Args:
            folder: the folder of the files; None searches `DATA_FOLDER`, then the cache, then downloads.

        Raises:
            InputError: the files are not in the given folder or are damaged, or the download fails.
        """
        files = self.find(folder) or self._download()
        arrays = {part: read_idx(path, _DIMENSIONS[part.split("-")[1]]) for part, path in files.items()}
        train, test = (self._samples(files, arrays, half) for half in ("train", "t10k"))
        return Raw(train, test, self.class_names, source=str(files["train-images"].parent), full_scale=255)

    def find(self, folder: str | None) -> dict[str, Path] | None:
        """Return the path of each part, or None if no folder has them.

        Raises:
            InputError: ``folder`` or `DATA_FOLDER` does not exist, ``folder`` has no such files, or some are missing.
        """
        for place in self._places(folder):
            found = {part: path for part in _PARTS if (path := _find_part(place, part))}
            missing = [part for part in _PARTS if part not in found]
            if found and missing:
                raise InputError(f"{place} lacks {_file_name(missing[0])}[.gz], which {self.name} needs: add it")
            if found:
                return found
        if folder is not None:
            raise InputError(f"dataset.folder={folder} has no {self.name} files: it must hold {_file_names()}")
        return None

    def _places(self, folder: str | None) -> list[Path]:
        names = (self.name, self.name.replace("_", "-"))
        if folder is not None:
            base = _existing(folder, "dataset.folder")
            return [*(base / name for name in names), base]
        places = []
        if os.environ.get(DATA_FOLDER):
            base = _existing(os.environ[DATA_FOLDER], DATA_FOLDER)
            places = [*(base / name for name in names), *([base] if self.loose else [])]
        return [*places, cache_folder() / self.name]

    def _samples(self, files: dict[str, Path], arrays: dict[str, np.ndarray], half: str) -> Samples:
        images, labels = arrays[f"{half}-images"], arrays[f"{half}-labels"]
        if len(images) != len(labels):
            raise InputError(
                f"{files[f'{half}-images']} has {len(images)} images, {files[f'{half}-labels']} has {len(labels)} "
                "labels: these files do not belong together"
            )
        if labels.max(initial=0) >= len(self.class_names):
            raise InputError(
                f"{files[f'{half}-labels']} has the label {labels.max()}; {self.name} has 0 to "
                f"{len(self.class_names) - 1}: wrong file?"
            )
        return Samples(images[..., None], labels.astype(np.intp))

    def _download(self) -> dict[str, Path]:
        from http.client import HTTPException  # imports ssl

        from sklearn.datasets import fetch_openml

        name, version = self.openml
        _log.info("downloading %s from OpenML into %s", self.name, cache_folder())
        try:
            with warnings.catch_warnings():
                # fetch_openml warns before it retries; only the last result matters.
                warnings.simplefilter("ignore", UserWarning)
                images, labels = fetch_openml(
                    name, version=version, as_frame=False, return_X_y=True, cache=False, n_retries=1
                )
        except (OSError, HTTPException, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"dataset={self.name} is not on this machine and could not be downloaded ({reason}): put "
                f"{_file_names()} into {cache_folder() / self.name}, or name their folder with dataset.folder=… "
                f"or, one level up, with {DATA_FOLDER}"
            ) from error
        return self._store(images.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.uint8))

    def _store(self, images: np.ndarray, labels: np.ndarray) -> dict[str, Path]:
        arrays = (images[:_TRAIN], labels[:_TRAIN], images[_TRAIN:], labels[_TRAIN:])
        goal = cache_folder() / self.name
        goal.parent.mkdir(parents=True, exist_ok=True)
        # The folder must be complete or absent, also if two processes download at once or one is killed.
        with tempfile.TemporaryDirectory(dir=goal.parent, prefix=f".{self.name}-") as work:
            whole = Path(work) / self.name
            whole.mkdir()
            for part, array in zip(_PARTS, arrays, strict=True):
                write_idx(whole / _file_name(part), array)
            if not goal.exists():
                shutil.move(whole, goal)
        return {part: goal / _file_name(part) for part in _PARTS}


class MnistFiles(Dataset):
    """Base class of data sets in the four files of MNIST: 60,000 training and 10,000 test images of 28 x 28 pixels.

    Attributes:
        source: the names by which the files are found or downloaded.
    """

    source: ClassVar[Source]
    downloads = True
    layout = Layout(60_000, 10_000, (28, 28, 1), classes=10)
    scaling: str = choice("none", ("standardize", "none"), help="none: pixels from 0 to 1")
    folder: str | None = text(None, help="folder of IDX files; null: FRAMEWORK_DATA, cache or download")

    def load(self) -> Raw:
        """Return all images in the files' order; errors as `Source.load`."""
        return self.source.load(self.folder)

    def stamp(self) -> Hashable:
        """Return path, modification time and size of the files; () if there are none."""
        return stamp(self.source.find(self.folder))


def stamp(files: dict[str, Path] | None) -> tuple[tuple[str, int, int], ...]:
    """Return path, modification time in ns and size in bytes of each file: they change if a file does."""
    stats = [(path, path.stat()) for path in (files or {}).values()]
    return tuple((str(path.resolve()), stat.st_mtime_ns, stat.st_size) for path, stat in stats)


def cache_folder() -> Path:
    """Return the user's folder for downloaded data sets: ``framework`` in the XDG cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framework"


def _existing(folder: str, where: str) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise InputError(f"{where}={folder} is not a folder: create it or correct the path")
    return path


def _find_part(folder: Path, part: str) -> Path | None:
    plain = _file_name(part)
    # Some archives unpack to names with a dot instead of the original dash.
    names = (plain, plain + ".gz", plain.replace("-idx", ".idx"), plain.replace("-idx", ".idx") + ".gz")
    return next((path for name in names if (path := folder / name).is_file()), None)


def _file_name(part: str) -> str:
    return f"{part}-idx{_DIMENSIONS[part.split('-')[1]]}-ubyte"


def _file_names() -> str:
    return ", ".join(_file_name(part) for part in _PARTS) + " (each may end in .gz)"
