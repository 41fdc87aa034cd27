"""The state of a run between two epochs, on disk: from it a run continues with the same bits."""
