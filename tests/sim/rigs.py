"""A simulated machine: the real agent over scripted workloads, and its lives and deaths."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from agent.core.model import State
from agent.rig import Equipment, Rig
from agent.uplink import Identity
from controller.core.model import GroupKey
from tests.sim import checks
from tests.sim.checks import Witness
from tests.sim.disk import PowerCutError, SimDisk
from tests.sim.driving import CheckedDriver
from tests.sim.faults import CALM_S, Schedule
from tests.sim.gpus import CheckedWorld, Eyes, SimTuner
from tests.sim.headquarters import LEASE_S
from tests.sim.journals import SimJournal
from tests.sim.ledger import SimStore
from tests.sim.machine_settings import BOOT_GRACE_S, COOLED_S, REPORT_INTERVAL_S, settings
from tests.sim.network import CheckedLink, Letter, SimNetwork
from tests.sim.trace import Trace
from wire.model import Assignment, Phase

AWAY_S_MAX = 8.0
"""Longest time until a dead agent is started again."""

UPTIME_S = 20.0
"""What the rig clock shows when the agent is first started after a boot."""

LAPSE_GRACE_S = REPORT_INTERVAL_S + 3.0
"""The lease is looked at as often as reports are due, and a full disk delays it."""

EXPIRY_S = 30.0
"""No frame counts for longer than this after it was sent."""


class SimMachine:
    """One machine: what survives an agent (processes, GPUs, disk) and what does not."""

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        network: SimNetwork,
        store: SimStore,
        order_key: str,
        trace: Trace,
        witness: Witness,
    ) -> None:
        self.name = name
        self.settings = settings(name, schedule, order_key)
        self.disk = SimDisk()
        self.tuner = SimTuner(witness)
        self.world = CheckedWorld(self.tuner, witness)
        self.rig: Rig | None = None
        self.dead = True
        """No agent is there, or the one that is there was killed."""
        self.deaths = 0
        self.verbs_left: int | None = None
        """After so many more verbs of a driver the agent is killed."""
        self.power_dies = False
        """When the disk kills the agent, the whole machine dies with it."""
        self.journals = {
            group.name: SimJournal(group.name, self.disk, group.rules(), self, witness)
            for group in self.settings.groups
        }
        gpus = tuple(gpu for group in self.settings.groups for gpu in group.gpus)
        self.eyes = Eyes(self.world, gpus, self._now)
        self._network = network
        self._store = store
        self._trace = trace
        self._witness = witness
        self._rng = random.Random(f"{schedule.seed}/{name}")
        self._boots = 0
        self._booted_s = 0.0
        self._began_s = 0.0
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
                _check_death(self._task.exception())
            self.dead, self.rig = True, None
            self.deaths += 1
            await asyncio.sleep(self._rng.uniform(0.2, AWAY_S_MAX))

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
        self._lose_power()

    def die(self) -> None:
        """See `Surroundings`; whoever calls this lets the agent fall."""
        self._silence()
        if self.power_dies:
            self.power_dies = False
            self._lose_power()

    def verb_kills(self) -> bool:
        """See `Life`."""
        if self.verbs_left is None or self.dead:
            return self.dead
        self.verbs_left -= 1
        if self.verbs_left > 0:
            return False
        self.verbs_left = None
        self.kill()
        return True

    def tamper(self, *, lost: bool) -> None:
        """While the agent is away a bit of its journals flips, or the disk is replaced."""
        self.kill()
        if lost:
            self.disk.wipe()
        elif not self.disk.rot(self._rng):
            return
        self._store.forgive(self.name)
        for journal in self.journals.values():
            journal.forgiven = True

    def crash_workloads(self) -> None:
        """Whatever runs ends by itself."""
        for group in self.settings.groups:
            for key in self.world.alive_on(group.gpus[0]):
                self.world.crash(key)

    def calm(self) -> None:
        """Nothing more goes wrong from here on."""
        self.disk.fuse = self.verbs_left = None

    # What checkers ask.

    def alive(self, group: str) -> frozenset[str]:
        """See `Surroundings`."""
        gpu = self.settings.groups[int(group[1:])].gpus[0]
        return frozenset(key.partition(".")[2] for key in self.world.alive_on(gpu))

    def age_s(self, group: str, workload: str) -> float | None:
        """See `Surroundings`."""
        return self.world.age_s(f"{group}.{workload}")

    def ordered(self, group: str, generation: int) -> Iterable[Assignment]:
        """See `Surroundings`."""
        return self._store.ordered(GroupKey(self.name, group), generation)

    def note(self, text: str) -> None:
        """See `Surroundings`."""
        self._trace.note(f"{self.name}/{text}")

    def state(self, group: str) -> State | None:
        """What a living agent makes of a group; none once it is dead, or before it resumed."""
        if self.rig is None or self.dead or self.journals[group].durable is None:
            return None
        return self.rig.reactors[group].state

    def look(self) -> None:
        """What must be true of a machine at any time, if its agent had time enough for it."""
        for group in self.settings.groups:
            state = self.state(group.name)
            if state is not None and self.rig is not None:
                if not self.rig.reactors[group.name].fault:
                    self._witness(checks.lapsed_in_time(state, self._overdue_s(), LAPSE_GRACE_S))
        self._look_at_heat()

    def _overdue_s(self) -> float:
        ordered_s = self._network.ordered_s.get(self.name, float("-inf"))
        return self._now() - max(ordered_s + LEASE_S, self._began_s + BOOT_GRACE_S)

    def _look_at_heat(self) -> None:
        gpu = self.settings.groups[0].gpus[0]
        state, keys = self.state("g0"), self.world.alive_on(gpu)
        ends = state is None or state.phase in (Phase.STOPPING, Phase.FAILED)
        if self.eyes.hot_since_s is None or state is None or ends or not keys:
            self._hot_work_s = None
            return
        since = self._hot_work_s = self._hot_work_s or self._now()
        hot_s = self._now() - max(since, self.eyes.hot_since_s, self._began_s)
        self._witness(checks.cooled(gpu, hot_s, state.phase, keys, COOLED_S))

    # Inside.

    async def _agent_run(self) -> None:
        self.dead, self._began_s = False, self._now()
        identity = Identity(
            boot_id=self._boot_id,
            run_id=f"{self.name}-run-{self.deaths}",
            version="sim",
            clock=self._rig_clock,
        )
        link = CheckedLink(self._network.agent_link(self.name), self._witness, self._fault)
        driver = CheckedDriver(self.world, self.journals, self, self._witness, _calm)
        self.rig = Rig(
            self.settings,
            identity,
            Equipment(
                link=link,
                journals=self.journals,
                drivers={"scripted": driver},
                probe=self.eyes,
                tuner=self.tuner,
                sampler=self.eyes,
                rng=self._rng,
            ),
        )
        link.counts = self.rig.uplink.counts
        await self.rig.run()

    def _silence(self) -> None:
        """A dead agent says nothing: a link opened in its place silences the old one."""
        self.dead = True
        self._network.agent_link(self.name)

    def _lose_power(self) -> None:
        self._boots += 1
        self._booted_s = self._now() - UPTIME_S
        self.world.reset()
        self.tuner.reset()
        self.disk.cut_power(self._rng)

    def _fault(self, letter: Letter) -> str | None:
        """Why this machine must refuse a letter; empty: it must not; none: it may."""
        if letter.fault:
            return letter.fault
        if letter.rig != self.name:
            return f"it was made for {letter.rig}"
        if letter.boot_id != self._boot_id:
            return "it was made for another boot"
        age_s = self._now() - letter.sent_s
        if age_s > EXPIRY_S:
            return f"it is {age_s:.1f} s old"
        return "" if self._rig_clock() < letter.expires_s else None

    @property
    def _boot_id(self) -> str:
        return f"{self.name}-boot-{self._boots}"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _rig_clock(self) -> float:
        return self._now() - self._booted_s


def _calm() -> bool:
    return asyncio.get_running_loop().time() >= CALM_S


def _check_death(error: BaseException | None) -> None:
    """An agent may die of its disk, and of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        error = error.split(PowerCutError)[1]
    if error is not None and not isinstance(error, PowerCutError):
        raise error
