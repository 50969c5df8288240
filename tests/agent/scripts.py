"""A switch machine to feed with events, for tests that read like what happens on a rig."""

from __future__ import annotations

from agent.core import machine
from agent.core.effects import Effect
from agent.core.model import Assigned, Desired, Event, Failed, Offline, Rules, State, Succeeded
from wire.model import Outcome, Phase

ROAD = (
    Phase.PREPARING,
    Phase.DRAINING,
    Phase.STOPPING,
    Phase.VACATING,
    Phase.TUNING,
    Phase.STARTING,
    Phase.PROBING,
)


class Group:
    """One GPU group that may run `etc`, `llama` and `spare`; time passes only when told."""

    def __init__(
        self,
        *,
        offline: Offline = Offline.KEEP,
        restarts_max: int = 2,
        lines_max: int = 40,
    ) -> None:
        self.rules = Rules(
            allowed=frozenset({"etc", "llama", "spare"}),
            offline=offline,
            safe_workload="spare",
            restarts_max=restarts_max,
            lines_max=lines_max,
        )
        self.state = State()
        self.now_s = 0.0

    @property
    def phase(self) -> Phase:
        return self.state.phase

    def effect(self) -> Effect | None:
        """What is to be performed now."""
        return machine.effect(self.state)

    @property
    def ended(self) -> list[Outcome]:
        return list(self.state.outcomes)

    def feed(self, event: Event) -> Phase:
        self.state = machine.step(self.state, event, self.rules, self.now_s)
        return self.phase

    def assign(self, workload: str | None, *, committed: bool = False) -> Phase:
        """A newer assignment arrives."""
        generation = self.state.desired.generation + 1
        desired = Desired(
            generation=generation,
            order_id=f"order-{generation}",
            workload=workload,
            committed=committed,
        )
        return self.feed(Assigned(desired))

    def done(self) -> Phase:
        """The effect of this phase has done what it should."""
        return self.feed(Succeeded(self.state.ticket))

    def fails(self, reason: str = "because") -> Phase:
        """The effect of this phase has failed."""
        return self.feed(Failed(self.state.ticket, reason))

    def until(self, phase: Phase) -> Group:
        """All goes well until this phase is reached."""
        for _ in range(2 * len(ROAD)):
            if self.phase is phase:
                return self
            self.done()
        raise AssertionError(f"{phase} was not reached; it is {self.state}")


def running(workload: str, group: Group | None = None) -> Group:
    """A group that was assigned this workload and has proven it."""
    group = group or Group()
    group.assign(workload)
    return group.until(Phase.RUNNING)


def switching(phase: Phase, group: Group | None = None) -> Group:
    """A group on its way from `etc` to `llama`, in this phase."""
    group = running("etc", group)
    group.assign("llama")
    return group.until(phase)
