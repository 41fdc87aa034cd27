"""``python -m framework help`` and ``--help``: lists of the available names, and a page for each name.

`topics` defines the data of each page, which ``--json`` prints. `lookup` finds the pages for the given words, and
`text` renders them.
"""
