"""A run as its journal records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from framework.runs.journal import Entry
from framework.training import kept
from framework.training.history import History


@dataclass(frozen=True)
class JournalContent:
    """The content of a run's journal.

    Attributes:
        name: name of the run, or "".
        history: one row per epoch.
        figures: the kept model's figures, under the journal's names; empty before the end.
        tags: the run's tags.
        status: status of the ``end`` entry, or "" if there is none or the run was continued after it.
        has_model: whether the journal has an entry for the model.
        digest: the hash of its data set's samples, or "" if the journal does not have it.
    """

    name: str
    history: History
    figures: dict[str, float]
    tags: dict[str, str]
    status: str
    has_model: bool
    digest: str

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> JournalContent:
        """Return the content of a journal's entries."""
        name, digest, history = "", "", History()
        figures, tags = dict[str, float](), dict[str, str]()
        for entry in entries:
            content: dict[str, Any] = entry.content
            if entry.kind == "start":
                name, tags = content["name"], tags | content["tags"]
                digest = (content.get("dataset") or {}).get("digest", "")
            elif entry.kind == "tags":
                tags |= content["values"]
            elif entry.kind == "metrics" and kept.plain(content["values"]):
                figures |= content["values"]
            elif entry.kind == "metrics":
                epoch = content["epoch"]
                if isinstance(epoch, int) and 0 < epoch <= len(history):  # recorded again after a change: this counts
                    del history[epoch - 1 :]
                history.append({"epoch": epoch, "step": content["step"], **content["values"]})
        status = entries[-1].content["status"] if entries and entries[-1].kind == "end" else ""
        has_model = any(entry.kind == "model" for entry in entries)
        return cls(name, history, figures, tags, status, has_model, digest)

    @property
    def finished(self) -> bool:
        """Whether the run has finished and has results."""
        return self.status == "FINISHED" and bool(self.history)

    @property
    def ended(self) -> str:
        """How the run ended, as in `Outcome`, or ``"unfinished"``."""
        return self.tags.get("ended", "unfinished")

    def kept_epoch(self, keeps_best: bool) -> int | None:
        """Return the epoch whose parameters are kept, or None before the first.

        The journals of an earlier version, and of unfinished runs, do not state it.

        Args:
            keeps_best: whether the run's settings keep the best parameters instead of the last ones.
        """
        if kept.EPOCH in self.figures:
            return self._epoch(self.figures[kept.EPOCH])
        best = self.tags.get("best_epoch") if keeps_best else None
        return self._epoch(best) if best else len(self.history) or None

    def _epoch(self, recorded: float | str) -> int | None:
        """Return a recorded number of an epoch, or None if the history has no such epoch."""
        try:
            epoch = int(float(recorded))
        except (ValueError, TypeError, OverflowError):
            return None
        return epoch if 0 < epoch <= len(self.history) else None

    def metrics(self, keeps_best: bool) -> dict[str, float]:
        """Return the metrics of the kept parameters: ``train/…``, ``val/…`` and, if they were tested, ``test/…``.

        Args:
            keeps_best: as in `kept_epoch`.
        """
        epoch = self.kept_epoch(keeps_best)
        row = self.history[epoch - 1] if epoch else {}
        shown = {name: value for name, value in row.items() if name.startswith(("train/", "val/"))}
        return shown | kept.plain(self.figures)
