"""A simulated machine: the real agent over scripted workloads, and its lives and deaths."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from agent.bedside import WATCHED
from agent.core.model import State
from agent.rig import Equipment, Rig
from agent.uplink import Identity
from controller.core.model import GroupKey
from tests.sim.checks import rig as checks
from tests.sim.disk import check_death
from tests.sim.driving import CheckedDriver
from tests.sim.faults import CALM_S, Schedule
from tests.sim.hardware import Hardware, now_s
from tests.sim.headquarters import LEASE_S
from tests.sim.journals import SimJournal
from tests.sim.ledger import SimStore
from tests.sim.machine_settings import (
    ASTRAY_S,
    BOOT_GRACE_S,
    COOLED_S,
    DERATED_S,
    LAPSE_GRACE_S,
    RETRY_S,
    settings,
)
from tests.sim.network import CheckedLink, Letter, SimNetwork
from tests.sim.routes import SimBalancer, SimRouter
from tests.sim.signatures import KnownSigner
from tests.sim.trace import Trace
from tests.sim.witness import Witness
from wire.model import Assignment, Outcome, Phase

RELAPSE_S_MAX = 12.0
"""Longest from a death by disk to the power cut that follows."""

AWAY_S_MAX = 6.0
"""Longest time until a dead agent is started again."""

SOON_S = 0.2
"""Shortest, also once everything is calm."""

EXPIRY_S = 12.0
"""No frame counts for longer than this after it was sent."""


class SimMachine:
    """One machine: what survives an agent (processes, GPUs, disk) and what does not."""

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        network: SimNetwork,
        store: SimStore,
        signer: KnownSigner,
        trace: Trace,
        witness: Witness,
    ) -> None:
        self.name = name
        self.settings = settings(name, schedule, signer.public_key)
        self._rng = random.Random(f"{schedule.seed}/{name}")
        self.hardware = Hardware(self.settings, self._rng, self, witness, self._durable)
        self.rig: Rig | None = None
        self.dead = True
        """No agent is there, or the one that is there was killed."""
        self.deaths = 0
        self.verbs_left: int | None = None
        """After so many more verbs of a driver the agent is killed."""
        self.power_dies = False
        """When the disk kills the agent, the whole machine dies with it."""
        self.journals = {
            group.name: SimJournal(group.name, self.hardware.disk, group.rules(), self, witness)
            for group in self.settings.groups
        }
        self.balancer = SimBalancer(f"{schedule.seed}/{name}")
        self._signer = signer
        self._network = network
        self._store = store
        self._trace = trace
        self._witness = witness
        self._began_s = 0.0
        self._leased_s = 0.0
        """Rig clock at which the lease runs out."""
        self._hot_work_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    # Lives and deaths.

    async def live(self) -> None:
        """Boot, and let systemd start the agent again whenever it dies. Until cancelled."""
        self.boot()
        while True:
            self._task = asyncio.create_task(self._agent_run(), name=f"agent:{self.name}")
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()
            if not self._task.cancelled():
                check_death(self._task.exception())
            self._remember_stops()
            self.dead, self.rig = True, None
            self.deaths += 1
            away_s = self._rng.uniform(SOON_S, AWAY_S_MAX)
            await asyncio.sleep(min(away_s, max(SOON_S, CALM_S - now_s())))

    def _remember_stops(self) -> None:
        for name, reactor in self.rig.reactors.items() if self.rig is not None else ():
            self.journals[name].stopped = reactor.state.tripped if reactor.resumed else ""

    def kill(self) -> None:
        """kill -9: the agent is gone at once; what it started goes on."""
        if not self.dead:
            self._silence()
            assert self._task is not None
            self._task.cancel()

    def upgrade(self) -> None:
        """The agent is asked to end, and says goodbye."""
        if self._task is not None:
            self._task.cancel()

    def boot(self) -> None:
        """Power cycle: nothing runs any more, the rig clock starts again."""
        self.kill()
        self.hardware.lose_power()

    def die(self) -> None:
        """See `Surroundings`; whoever calls this lets the agent fall."""
        self._silence()
        if self.power_dies:
            self.power_dies = False
            self.hardware.lose_power()
        else:
            # A disk that stutters often heralds the end of its power supply.
            soon_s = now_s() + self._rng.uniform(SOON_S, RELAPSE_S_MAX)
            asyncio.get_running_loop().call_at(min(soon_s, CALM_S), self.boot)

    def verb_kills(self) -> bool:
        """See `Life`."""
        if self.verbs_left is None or self.dead:
            return self.dead
        self.verbs_left -= 1
        if self.verbs_left > 0:
            return False
        self.verbs_left = None
        self.kill()
        if self.power_dies:
            self.power_dies = False
            self.hardware.lose_power()
        return True

    def tamper(self, *, lost: bool) -> None:
        """While the agent is away a bit of its journals flips, or the disk is replaced."""
        self.kill()
        if lost:
            self.hardware.disk.wipe()
        elif not self.hardware.disk.rot(self._rng):
            return
        for journal in self.journals.values():
            journal.forgiven = journal.tampered = True

    def calm(self) -> None:
        """Nothing more goes wrong from here on."""
        self.hardware.disk.fuse = self.verbs_left = None
        self.hardware.disk.dies_renaming = False

    # What checkers ask.

    def forget(self) -> None:
        """See `Surroundings`."""
        self._store.forgive(self.name)

    def ended(self, outcome: Outcome) -> None:
        """See `Surroundings`."""
        self._store.durable_end(GroupKey(self.name, outcome.group), outcome)

    def ordered(self, group: str, generation: int) -> Iterable[Assignment]:
        """See `Surroundings`."""
        return self._store.ordered(GroupKey(self.name, group), generation)

    def _durable(self, group: str) -> State | None:
        return self.journals[group].durable

    def note(self, text: str) -> None:
        """See `Surroundings`."""
        self._trace.note(f"{self.name}/{text}")

    def state(self, group: str) -> State | None:
        """What a living agent makes of a group; none once it is dead, or before it resumed."""
        if self.rig is None or self.dead or not self.rig.reactors[group].resumed:
            return None
        return self.rig.reactors[group].state

    def look(self) -> None:
        """What must be true of a machine at any time, if its agent had time enough for it."""
        overdue_s = self.overdue_s()
        for group in self.settings.groups:
            state = self.state(group.name)
            if state is not None and self.hardware.disk.refusal is None:
                late_s = min(overdue_s, now_s() - self.journals[group.name].assigned_s)
                self._witness(checks.lapsed_in_time(state, late_s, LAPSE_GRACE_S))
            if state is not None and state.phase in WATCHED:
                self._look_at_sleeper(group.name)
        self._look_at_heat()

    def overdue_s(self) -> float:
        """See `Surroundings`."""
        # A line that was refused is written a little after the disk has room again.
        if now_s() - self.hardware.writable_s < RETRY_S:
            return 0.0
        return self.hardware.rig_clock() - self._leased_s

    def _look_at_sleeper(self, group: str) -> None:
        astray_s = min(now_s() - self._began_s, self.hardware.astray_s(group))
        self._witness(checks.alone(astray_s, ASTRAY_S, self.hardware.awake(group)))

    def _look_at_heat(self) -> None:
        gpu = self.settings.groups[0].gpus[0]
        state, keys = self.state("g0"), self.hardware.world.awake_on(gpu)
        ends = state is None or state.phase in (Phase.STOPPING, Phase.FAILED)
        eyes = self.hardware.eyes
        cool = eyes.hot_since_s is None or eyes.first_c <= self.settings.safety.temperature_max_c
        if eyes.hot_since_s is None or cool or state is None or ends or not keys:
            self._hot_work_s = None
            return
        since = self._hot_work_s = self._hot_work_s or now_s()
        hot_s = now_s() - max(since, eyes.hot_since_s, self._began_s)
        grace_s = COOLED_S if eyes.glows else DERATED_S
        self._witness(checks.cooled(gpu, hot_s, state.phase, keys, grace_s))

    # Inside.

    async def _agent_run(self) -> None:
        self.dead, self._began_s = False, now_s()
        self._leased_s = self.hardware.rig_clock() + BOOT_GRACE_S
        identity = Identity(
            boot_id=self.hardware.boot_id,
            run_id=f"{self.name}-run-{self.deaths}",
            version="sim",
            clock=self.hardware.rig_clock,
        )
        link = CheckedLink(self._network.agent_link(self.name), self._witness, self._fault)
        driver = CheckedDriver(
            self.hardware.world, self.journals, self.balancer, self, self._witness, _calm
        )
        self.rig = Rig(
            self.settings,
            identity,
            Equipment(
                link=link,
                journals=self.journals,
                drivers={"scripted": driver},
                probe=self.hardware.eyes,
                tuner=self.hardware.tuner,
                sampler=self.hardware.eyes,
                router=SimRouter(self.balancer, self.journals, self, self._witness, _calm),
                rng=self._rng,
            ),
        )
        link.counts = self.rig.uplink.counts
        self._signer.make_known(self.rig.uplink)
        await self.rig.run()

    def _silence(self) -> None:
        """A dead agent says nothing: a link opened in its place silences the old one."""
        self.dead = True
        self._network.agent_link(self.name)

    def _fault(self, letter: Letter) -> str | None:
        """Why this machine must refuse a letter; empty: it must not; none: it may."""
        fault = self._true_fault(letter)
        if letter.renews and not fault:
            self._leased_s = max(self._leased_s, letter.dated_s + LEASE_S)
        return fault

    def _true_fault(self, letter: Letter) -> str | None:
        if letter.fault:
            return letter.fault
        if letter.rig != self.name:
            return f"it was made for {letter.rig}"
        if letter.boot_id != self.hardware.boot_id:
            return "it was made for another boot"
        age_s = now_s() - letter.sent_s
        if age_s > EXPIRY_S:
            return f"it is {age_s:.1f} s old"
        return "" if self.hardware.rig_clock() < letter.expires_s else None


def _calm() -> bool:
    return now_s() >= CALM_S
