"""The functions that an update rule may use: they give the same bits in every engine.

Rules may also use ``+ - * /``, comparisons, ``x**2`` and ``x**0.5``. Other functions (exp, tanh, ``x**3``) differ in
the last bit between NumPy and compiled code.
"""

from numpy import absolute, copysign, maximum, minimum, sign, sqrt, where

__all__ = ["absolute", "copysign", "maximum", "minimum", "sign", "sqrt", "where"]
