"""How long will work take on several threads when the longest piece goes first?"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence


def makespan(work: Iterable[float], threads: int, begun: Sequence[float] = ()) -> float:
    """Return when the last thread is done, where each thread that is free takes the longest piece left.

    When nothing is left to take, threads that are free help with the pieces that others are at, each of which gets as many as every
    other. Longest first is at most a third longer than the best of all schedules (Graham 1969).

    Parameters
    ----------
    work : iterable of float
        The pieces that nobody has begun.
    threads : int
        At least 1.
    begun : sequence of float
        What is left of the pieces that threads are at now; each holds a thread.
    """
    ends = sorted([*begun, *[0.0] * threads], reverse=True)[:threads][::-1]
    clock = 0.0  # when the last piece was taken
    for piece in sorted(work, reverse=True):
        clock = ends[0]
        heapq.heapreplace(ends, clock + piece)
    left = sorted(end - clock for end in ends if end > clock)
    gone = 0.0
    for number, piece in enumerate(left):
        clock += (piece - gone) / max(1, threads // (len(left) - number))
        gone = piece
    return clock
