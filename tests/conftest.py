"""What holds for all tests: one thread a process for BLAS and torch.

Pytest starts a process a core, and runs train on one thread unless told otherwise. More threads would wait for one
another, busily: the matrix tests took twice the time.
"""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # read when NumPy and torch are first imported
    os.environ.setdefault(name, "1")
