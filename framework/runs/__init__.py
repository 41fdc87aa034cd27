"""One run and its folder: execution of a checked configuration, the files it writes, and reading them back."""
