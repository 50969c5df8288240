"""What goes wrong, drawn from the seed before it runs. All of it ends at `CALM_S`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.core.model import Offline
from controller.core.policy.contract import ContractSettings

CALM_S = 14.0
"""From here on nothing goes wrong any more, virtual seconds."""

SPARED_ONE_IN = 2
"""Each kind strikes in one of so many seeds: what strikes everywhere hides what takes long."""

RIGS = (1, 1, 2, 3)
GROUPS = (1, 1, 2)
"""Sizes of a fleet, and groups of each rig: the fewer there are, the harder each is struck."""

CONTROLLER = "controller"


class Fault(StrEnum):
    """Kinds of misfortune."""

    # Lives.
    KILL = "kill"
    """kill -9 of an agent or of the controller."""
    UPGRADE = "upgrade"
    """An agent is stopped in good order and started again."""
    REBOOT = "reboot"
    """The machine's power is cut."""
    BACKUP = "backup"
    """The controller's store is lost; it comes back empty."""
    # Networks.
    DEAF = "deaf"
    """Nothing reaches the rig."""
    MUTE = "mute"
    """Nothing from the rig arrives."""
    REPLAY_DOWN = "replay_down"
    """A frame that once was sent to the rig comes again."""
    REPLAY_UP = "replay_up"
    """A frame that the rig once sent comes again."""
    ASTRAY = "astray"
    """The rig is given a frame that was made for another."""
    FLIPPED = "flipped"
    """A frame to the rig with one bit changed."""
    FORGED = "forged"
    """An order that is perfect but for the signature."""
    IMPERSONATED = "impersonated"
    """The rig's link carries a frame in the name of another rig."""
    GARBAGE = "garbage"
    """Noise, in both directions."""
    STOLEN = "stolen"
    """An order with the right signature for something that no rig allows."""
    # Disks.
    DISK_FULL = "disk_full"
    DISK_DEATH = "disk_death"
    """The agent dies within one of its next disk operations, at times with the whole machine."""
    DISK_ROT = "disk_rot"
    """One bit of a journal flips while the agent is away."""
    DISK_LOST = "disk_lost"
    """All journals of the rig are gone."""
    # Workloads, GPUs, drivers.
    EXIT = "exit"
    """Whatever the rig runs ends by itself."""
    HOT = "hot"
    """The first GPU is in danger; at times the disk is full as long, and then the agent dies."""
    BLIND = "blind"
    """The first GPU cannot be looked at."""
    STUCK = "stuck"
    """Looking at the GPUs never ends."""
    UNTUNED = "untuned"
    """The GPUs take no settings."""
    TUNER_STUCK = "tuner_stuck"
    """Setting the GPUs never ends."""
    VERB_DEATH = "verb_death"
    """The agent dies right after a driver or tuner has done what it was asked, before saying so,
    at times with the whole machine."""
    UNTOLD = "untold"
    """Nobody answers who is asked whether a workload is locked."""
    # Surroundings.
    CLOCK_STEP = "clock_step"
    """The controller's wall clock jumps by an hour, and later back."""
    FEED_DOWN = "feed_down"
    OPERATOR = "operator"
    """Somebody holds a group for a while."""
    TURN = "turn"
    """Somebody wants the sleeper, or another workload in its place."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that goes wrong, at an instant or for a while."""

    kind: Fault
    who: str
    start_s: float
    end_s: float
    amount: int
    """As the kind has it: operations, verbs, the side of a step."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a kind strikes and for how long."""

    often: int
    """Mean, where it strikes at all."""
    longest_s: float = 0.0
    controller: bool = False
    """Whether the controller can be struck too."""
    one_in: int = 1
    """Strikes only in one of so many seeds: it would hide much else."""


ODDS: dict[Fault, Odds] = {
    Fault.KILL: Odds(4, controller=True),
    Fault.UPGRADE: Odds(1),
    Fault.REBOOT: Odds(2),
    Fault.BACKUP: Odds(1, one_in=5),
    Fault.DEAF: Odds(2, 25.0),
    Fault.MUTE: Odds(1, 25.0),
    Fault.REPLAY_DOWN: Odds(3),
    Fault.REPLAY_UP: Odds(3),
    Fault.ASTRAY: Odds(1),
    Fault.FLIPPED: Odds(1),
    Fault.FORGED: Odds(1),
    Fault.IMPERSONATED: Odds(1),
    Fault.GARBAGE: Odds(1),
    Fault.STOLEN: Odds(1, one_in=4),
    Fault.DISK_FULL: Odds(2, 12.0, controller=True),
    Fault.DISK_DEATH: Odds(2),
    Fault.DISK_ROT: Odds(1, one_in=3),
    Fault.DISK_LOST: Odds(1, one_in=3),
    Fault.EXIT: Odds(5),
    Fault.HOT: Odds(2, 29.0),
    Fault.BLIND: Odds(2, 12.0),
    Fault.STUCK: Odds(1, 12.0),
    Fault.UNTUNED: Odds(1, 10.0),
    Fault.TUNER_STUCK: Odds(1, 10.0),
    Fault.VERB_DEATH: Odds(2),
    Fault.CLOCK_STEP: Odds(2, 10.0),
    Fault.FEED_DOWN: Odds(1, 30.0),
    Fault.OPERATOR: Odds(3),
}

LATER_ODDS: dict[Fault, Odds] = {Fault.UNTOLD: Odds(2, 20.0)}
"""Drawn after everything else, so that no seed's other misfortune depends on it."""

SLEEPER_ODDS: dict[Fault, Odds] = {Fault.TURN: Odds(1)}
"""Only where a server sleeps: so that it comes to that."""

ALL_ODDS = ODDS | LATER_ODDS | SLEEPER_ODDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One seed's misfortune."""

    seed: int
    rigs: int
    groups: int
    loss: float
    repeat: float
    delay_s: float
    """Mean."""
    mishaps: tuple[Mishap, ...]
    scripts: dict[str, dict[str, dict[str, float | bool | str]]]
    """Misbehaviour of workloads by rig and name."""
    offline: dict[str, Offline]
    """What a rig does when the controller is silent."""
    price_interval_s: float
    parks: bool = False
    """Whether a workload sleeps instead of ending."""
    contracts: tuple[ContractSettings, ...] = ()
    """What the farm owes, each for a workload of its own."""
    classes: dict[str, str] = field(default_factory=dict)
    """Classes of rigs that are not of the class `any`."""

    @property
    def rig_names(self) -> tuple[str, ...]:
        """All rigs, in order."""
        return tuple(f"rig-{number}" for number in range(self.rigs))
