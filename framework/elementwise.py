"""The functions an update rule may use: exact to the last bit in every engine.

Beside these, rules may use ``+ - * /``, comparisons, ``x**2`` and ``x**0.5``. Others (exp, tanh, ``x**3``) differ in
the last bit between NumPy and compiled code.
"""

from numpy import absolute, copysign, maximum, minimum, sign, sqrt, where

__all__ = ["absolute", "copysign", "maximum", "minimum", "sign", "sqrt", "where"]
