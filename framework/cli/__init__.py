"""The command line: the first words, and a module for each subcommand."""
