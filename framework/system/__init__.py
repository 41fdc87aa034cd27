"""Machine and terminal: cores, memory, paths of the package's own files, text formatting, display of progress."""
