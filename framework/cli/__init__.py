"""The command line: plugin flags and dispatch, and one module per subcommand."""
