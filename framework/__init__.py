"""A workbench for neural-network optimizers: write a rule, compare it fairly, read the result in MLflow.

The public names are those of ``__init__.pyi``, which type checkers and editors read; each is imported when it is used.
"""

import lazy_loader

__version__ = "0.1.0"
DISTRIBUTION = "optimizer-workbench"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
