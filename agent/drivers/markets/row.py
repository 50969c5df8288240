"""What is known of one marketplace: how to look at a machine there, offer it and withdraw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.core.workload import Market
from agent.drivers.http import AUTHORIZATION

Paths = tuple[str, ...]
"""Places to look at, see `agent.drivers.paths`; the first that holds anything counts."""

Body = Callable[[Market], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `{machine}` in the path stands for the machine."""

    method: str
    path: str
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """A place in an answer and the only values in it that mean yes."""

    path: str
    yes: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One marketplace's API for hosts."""

    driver: str
    """Short name, as workloads have it."""
    title: str
    """What it calls itself."""
    url: str = ""
    """Where its API is; empty: the rig's own file says it."""
    token_header: str = AUTHORIZATION
    wants_token: bool = True
    gap_s: float
    """It is asked at most this often, seconds."""
    look: Call
    believed: Sign | None = None
    """Of an answer that counts; others say what is wrong."""
    entries: str = ""
    """Path of the machines in the answer; empty: the answer is about one."""
    entry: str = ""
    """Path of the machine's name in such an entry; empty: the one that there is."""
    rentals: Paths
    """A number above 0 means rented; without any number nobody knows."""
    gpus_rented: str = ""
    """Path of numbers whose sum are the GPUs that tenants have."""
    whole: bool = False
    """A machine is rented with all its GPUs or not at all."""
    occupancy: str = ""
    """Path of a text with one word for each GPU."""
    idle: frozenset[str] = frozenset()
    """Words in `occupancy` that mean no tenant; all others mean one."""
    listed: Sign | None = None
    """None: it does not say; then what was done last counts."""
    online: Sign | None = None
    earning: Paths = ()
    """US dollars per hour."""
    enlist: Call | None = None
    """None: `list_command` of the rig's own file."""
    delist: Call | None = None
    """None: `unlist_command` of the rig's own file."""
    done: Sign | None = None
    """Of an answer to the last two that means success."""
    caution: str = ""
    """What its API does not tell, for people."""
