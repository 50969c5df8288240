"""How long to wait for the next look at something that will change by itself, but says nothing.

Waiting adds to every switch, and each look costs whoever is looked at. So the pause grows with the
time waited: what is quick is seen at once, what is slow is asked seldom. It must never be zero.
"""

from __future__ import annotations

PAUSE_MIN_S = 0.02
"""Shortest time between two looks."""

SHARE = 0.1
"""Of the time waited so far: a look comes at most so much later than what it looks for."""


VACANT_PAUSE_MAX_S = 0.25
"""Longest time between two looks whether GPUs are empty."""

PROBE_PAUSE_MAX_S = 1.0
"""Longest time between two looks whether a workload is ready."""


def pause_s(waited_s: float, longest_s: float) -> float:
    """Seconds until the next look, after so many seconds of waiting."""
    return max(PAUSE_MIN_S, min(longest_s, SHARE * waited_s))
