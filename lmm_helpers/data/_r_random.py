"""R's random numbers, drawn in Python: a seed gives the numbers of R 3.6 or later."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

_WORDS = 624
_UNIT = 2.0**-32
_EDGE = 0.5 / (2**32 - 1)  # as near as a uniform may come to 0 and 1
_BIG = 134217728  # 2**27


class RRandom:
    """A stream of random numbers that R would draw after ``set.seed(seed)``.

    NumPy has the same Mersenne-Twister; what differs is how a seed becomes its state, and how
    uniforms become normals (by inversion) and permutations (by rejection). Source: R's
    documentation of ``Random``, and Matsumoto and Nishimura (1998) for the twister itself.

    >>> RRandom(42).normal(3).round(8)  # as set.seed(42); rnorm(3)
    array([ 1.37095845, -0.56469817,  0.36312841])
    >>> RRandom(42).permutation(list(range(1, 11)))  # as set.seed(42); sample(10)
    [1, 5, 10, 8, 2, 4, 6, 9, 7, 3]
    """

    def __init__(self, seed: int) -> None:
        if seed != int(seed) or not 0 <= seed < 2**31:
            raise ValueError(f"seed must be a whole number from 0 to {2**31 - 1}; got {seed!r}.")
        state = seed
        words = []
        for _ in range(50 + 1 + _WORDS):
            state = (69069 * state + 1) % 2**32
            words.append(state)
        self._twister = np.random.MT19937()
        self._twister.state = {
            "bit_generator": "MT19937",
            "state": {"key": np.array(words[-_WORDS:], dtype=np.uint32), "pos": _WORDS},
        }

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Draw `size` numbers between 0 and 1, both left out, like R's ``runif``."""
        words: NDArray[np.uint64] = self._twister.random_raw(size)
        return np.clip(words * _UNIT, _EDGE, 1 - _EDGE)

    def normal(self, size: int, *, mean: float = 0, sd: float = 1) -> NDArray[np.float64]:
        """Draw `size` normal numbers, like R's ``rnorm``; two uniforms make one of them."""
        coarse, fine = self.uniform(2 * size).reshape(size, 2).T
        standard: NDArray[np.float64] = special.ndtri((np.floor(_BIG * coarse) + fine) / _BIG)
        return mean + sd * standard

    def permutation[Item](self, items: list[Item]) -> list[Item]:
        """Put `items` in a random order, like R's ``sample(items)``."""
        left = list(items)
        taken = []
        while left:
            index = self._below(len(left))
            taken.append(left[index])
            last = left.pop()
            if index < len(left):
                left[index] = last
        return taken

    def _below(self, limit: int) -> int:
        """Draw a whole number below `limit`: random bits, again until they are small enough."""
        bits = (limit - 1).bit_length()
        while True:
            number: int = 0
            for _ in range(0, bits + 1, 16):
                number = 65536 * number + int(65536 * self.uniform(1)[0])
            number %= 2**bits
            if number < limit:
                return number
