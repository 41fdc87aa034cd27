"""Many runs: planned, trained together in blocks over processes, and ranked."""
