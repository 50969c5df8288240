"""Kills agents and the controller at random, as the demo's own bad luck."""

from __future__ import annotations

import random
from dataclasses import dataclass

from controller.demo.cast import CONTROLLER, Cast

PAUSE_S = (2.0, 6.0)
"""Between two kills."""

CONTROLLER_SHARE = 0.25
"""Of all kills; the controller is one of many, but the one that everything hangs on."""

QUIET_S = 5.0
"""None before the fleet has once stood up."""


@dataclass(slots=True)
class Chaos:
    """Draws the next victim when its time has come."""

    rng: random.Random
    next_at: float = QUIET_S

    def strike(self, cast: Cast, passed_s: float) -> str:
        """Kill somebody if it is time; who, or nobody."""
        if passed_s < self.next_at:
            return ""
        self.next_at = passed_s + self.rng.uniform(*PAUSE_S)
        agents = sorted(set(cast.parts) - {CONTROLLER})
        the_one = self.rng.random() < CONTROLLER_SHARE
        victim = CONTROLLER if the_one else self.rng.choice(agents)
        if not cast.alive(victim):
            return ""
        cast.kill(victim)
        return victim
