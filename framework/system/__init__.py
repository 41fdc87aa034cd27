"""What the machine and the terminal offer: cores, memory, paths of the package's own files, where progress is shown."""
