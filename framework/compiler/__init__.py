"""Compiled training: update rules from the rule to machine code, and NumPy's calls recorded and replayed."""
