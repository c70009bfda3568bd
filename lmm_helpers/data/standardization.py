"""Standard deviations from the mean, and the way back to the units one started with."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Scale(NamedTuple):
    """Mean and standard deviation (divisor n - 1, as in R's ``scale``), in the variable's unit."""

    mean: float
    sd: float

    def apply(self, values: ArrayLike) -> NDArray[np.float64]:
        """Turn `values` from their own unit into standard deviations from the mean."""
        return (np.asarray(values, dtype=float) - self.mean) / self.sd

    def undo(self, values: ArrayLike) -> NDArray[np.float64]:
        """Turn `values` from standard deviations back into their own unit."""
        return np.asarray(values, dtype=float) * self.sd + self.mean


def standardize(values: ArrayLike) -> tuple[NDArray[np.float64], Scale]:
    """Measure values in standard deviations from their mean.

    Parameters
    ----------
    values
        One-dimensional, in any unit, at least two of them different.

    Returns
    -------
    standardized : numpy.ndarray, same shape
        Mean 0 and standard deviation 1 (divisor n - 1), without unit.
    scale : Scale
        ``scale.undo`` gives the values back; ``scale.apply`` treats new values alike.

    Raises
    ------
    ValueError
        If a value is missing or infinite, or if all are equal.

    Notes
    -----
    Source: chapter 1, "The baseline: one line for everybody".

    See Also
    --------
    load_bounce : Data with such a column, ``std_age``.

    Examples
    --------
    >>> standardized, scale = standardize([20, 40, 60])
    >>> standardized
    array([-1.,  0.,  1.])
    >>> scale.undo(standardized)
    array([20., 40., 60.])
    """
    numbers = np.asarray(values, dtype=float)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"values[{row}] is {numbers[row]}; standardize needs finite numbers.")
    if numbers.size < 2 or np.ptp(numbers) == 0:
        raise ValueError("values are all equal; standardize needs at least two different ones.")
    scale = Scale(mean=float(numbers.mean()), sd=float(numbers.std(ddof=1)))
    return scale.apply(numbers), scale
