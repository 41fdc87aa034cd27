"""One run and its folder: from a checked configuration to its files, and back."""
