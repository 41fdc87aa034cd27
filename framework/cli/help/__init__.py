"""``python -m framework help`` and ``--help``: what there is to choose from, and everything about one name.

`topics` defines the data of each page, which ``--json`` prints; `lookup` finds the pages that words ask for, and
`text` renders them.
"""
