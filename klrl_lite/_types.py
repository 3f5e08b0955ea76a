"""Types of arrays, for the hints of every module."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "ArrayLike", "ArrayMap", "BoolArray", "ComplexArray", "IntArray"]

#: What the package computes with and returns; a scalar of NumPy where the shape is ().
Array: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int_]
ComplexArray: TypeAlias = NDArray[np.complexfloating]
#: A function of arrays, elementwise or over the last axis.
ArrayMap: TypeAlias = Callable[[Array], Array]
