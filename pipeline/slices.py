"""Counting in slices, so that no period has more of something than a rate allows (pure).

A period of so many seconds is counted in twelve slices, each of which is forgotten once all of it has left the period.
So there never is more in any period than was let in, and who waits for room waits a slice too long at most. Times are
Unix seconds.
"""

from __future__ import annotations

import math

SLICES = 12


def slice_of(seconds: int, now: float) -> int:
    """The number of the slice in which `now` is, of a period of so many `seconds`."""
    return math.floor(now * SLICES / seconds)


def end_of(seconds: int, number: int) -> float:
    """The time from which on what is in the slice of that number counts no more: all of it has left the period one
    slice after its beginning has."""
    return (number + SLICES + 1) * seconds / SLICES
