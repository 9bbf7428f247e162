"""The number of trials at once in a process: fixed, or found by what is measured."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Packing"]

# Trials differ in how long they take: a stage is judged by so many, and by so many a lane.
_FEWEST_TRIALS, _TRIALS_A_LANE = 16, 4
# Less is taken for chance, or not worth the memory.
_WORTHWHILE = 1.1


class Packing:
    """Number of trials at once; where it is to be found, it grows while more trials end in an hour.

    It begins with one and is doubled as long as that makes trials end at least a tenth faster and memory has
    room for twice as much. Then the smallest number stays that is as fast as the best but for a tenth. In the
    beginning of each stage as many trials as there are lanes do not count, as they began in the stage before.

    Args:
        count: The number; ``None`` to find it.
        most: The largest number to try.
        has_room: Returns whether memory has room for twice the trials that run.

    Attributes:
        count: The number of trials that are to run at once now.
        rates: The trials an hour that were measured with each number.
        settled: Whether the number stays as it is.
    """

    def __init__(
        self, count: int | None, *, most: int = 16, has_room: Callable[[], bool] = lambda: True
    ) -> None:
        self.count, self.settled = count or 1, count is not None
        self.rates: dict[int, float] = {}
        self._most, self._has_room = most, has_room
        self._ends: list[float] = []

    def ended(self, at: float) -> None:
        """Take note that a trial of this process has ended.

        Args:
            at: When, in seconds by a clock that is never set.
        """
        if self.settled:
            return
        self._ends.append(at)
        counted = self._ends[self.count - 1 :]  # from the last one of the stage before on
        if len(counted) <= max(_FEWEST_TRIALS, _TRIALS_A_LANE * self.count):
            return
        self.rates[self.count] = 3600 * (len(counted) - 1) / max(counted[-1] - counted[0], 1e-9)
        self._ends = []
        half = self.rates.get(self.count // 2, 0.0)
        grows = self.rates[self.count] >= _WORTHWHILE * half
        if grows and 2 * self.count <= self._most and self._has_room():
            self.count *= 2
            return
        # The smallest of those that are as good as the best: one of them may have been lucky.
        most = max(self.rates.values())
        self.count = min(count for count, rate in self.rates.items() if rate * _WORTHWHILE >= most)
        self.settled = True
