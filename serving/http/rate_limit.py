"""How many people a key may read: a bucket that fills at its rate, in the memory of this process."""

from __future__ import annotations

import time
from collections.abc import Callable


class RateLimit:
    """Lets readings of people pass while the bucket is not empty; it holds a second's worth.

    A reading takes as many as it reads, and may leave the bucket in debt, so that a batch larger than the bucket passes
    too, and is paid for by waiting after it.

    Parameters
    ----------
    people_per_s
        Rate, and size of the bucket.
    clock_s
        A clock that never goes back, seconds.
    """

    def __init__(self, people_per_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.people_per_s = people_per_s
        self._clock_s = clock_s
        self._left = self._size = max(people_per_s, 1.0)
        self._at_s = clock_s()

    def take(self, people: int) -> float:
        """Take for a reading; returns 0 if it may go on, else the seconds to wait until one may."""
        now_s = self._clock_s()
        self._left = min(self._size, self._left + (now_s - self._at_s) * self.people_per_s)
        self._at_s = now_s
        if self._left <= 0:
            return max(-self._left / self.people_per_s, 1e-3)
        self._left -= people
        return 0.0
