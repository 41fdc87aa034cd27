"""The epochs of a run: plain rows to compute with, shown as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


class History(list[dict[str, float]]):
    """One row per epoch: ``epoch``, ``step``, ``lr``, ``time/…`` and all metrics, as a list of mappings."""

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas frame with the epoch as its index: ``result.history.to_frame()["val/loss"]``."""
        import pandas

        frame = pandas.DataFrame(list(self))
        return frame if frame.empty else frame.set_index("epoch")

    def __repr__(self) -> str:
        return repr(self.to_frame()) if self else "History of no epochs"

    def _repr_html_(self) -> str | None:
        """Return a table of the first and last epochs, or None to have the text shown."""
        from framework.runs.html import history_html

        return history_html(self) if self else None
