"""Orders are repeated with back-off until they are observed, and renew the lease after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from controller.core.model import GroupKey
from controller.dispatch import RENEWALS_PER_LEASE, RESEND_S
from controller.records import StoredAssignment
from tests.controller.control import LEASE_S, Control, Talker, hello, status
from tests.sim.clock import run
from wire import messages
from wire.model import Assignment

RENEWAL_S = LEASE_S / RENEWALS_PER_LEASE


class Post:
    """A controller that only delivers, and one rig."""

    def __init__(self) -> None:
        self.control = Control()
        self.control.enrol("rig-1")
        self.rig = Talker(self.control.network)
        self.loop = asyncio.get_running_loop()

    async def says(self, body: messages.UpBody) -> None:
        await self.rig.say(body)
        while True:
            try:
                async with asyncio.timeout(0.05):
                    self.control.sessions.accept(await self.control.sessions.receive())
            except TimeoutError:
                return

    def assign(self, workload: str | None, generation: int, group: str = "g0") -> None:
        assignment = Assignment(f"order-{generation}", group, generation, workload)
        stored = StoredAssignment(
            key=GroupKey("rig-1", group), assignment=assignment, created_at=0.0, cause="plan"
        )
        self.control.fleet.assign([stored])

    async def delivered(self, for_s: float, every_s: float = 0.25) -> list[float]:
        """When orders were sent while the controller looked at its post so often."""
        times, end_s = list[float](), self.loop.time() + for_s
        while self.loop.time() < end_s:
            before = self.control.dispatch.sent
            await self.control.dispatch.deliver()
            if self.control.dispatch.sent > before:
                times.append(self.loop.time())
            await self.rig.listen(every_s)
        return times


def posted(scenario: Callable[[Post], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario(Post())

    run(whole())


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_an_unobserved_order_is_repeated_ever_more_slowly() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello())
        post.assign("etc", 1)
        between_s = gaps(await post.delivered(for_s=3 * RENEWAL_S))
        for expected_s, gap_s in zip((1, 2, 4, 8, 16, 32, 64), between_s, strict=False):
            assert RESEND_S * expected_s <= gap_s <= RESEND_S * expected_s + 0.5
        assert max(between_s) <= RENEWAL_S + 0.5
        assert post.control.dispatch.resent == len(between_s)

    posted(scenario)


def test_an_observed_order_is_only_renewed() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello())
        post.assign("etc", 1)
        await post.control.dispatch.deliver()
        await post.says(messages.StateReport((status("etc", 1),)))
        between_s = gaps(await post.delivered(for_s=5 * RENEWAL_S))
        assert between_s
        assert all(RENEWAL_S <= gap_s <= RENEWAL_S + 0.5 for gap_s in between_s)
        assert post.control.dispatch.resent == 0
        assert {order.lease_s for order in post.rig.orders()} == {LEASE_S}

    posted(scenario)


def test_a_newer_generation_is_sent_at_once_with_a_fresh_back_off() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello())
        post.assign("etc", 1)
        await post.delivered(for_s=60.0)
        post.assign("llama", 2)
        times = await post.delivered(for_s=3.5)
        assert [round(gap) for gap in gaps(times)] == [1, 2]
        assert post.rig.assigned() == [(2, "llama")]

    posted(scenario)


def test_a_rig_that_comes_back_is_told_at_once() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello())
        post.assign("etc", 1)
        await post.says(messages.StateReport((status("etc", 1),)))
        await post.delivered(for_s=1.0)
        await post.control.dispatch.greet("rig-1", planned=True)
        assert len(await post.delivered(for_s=1.0)) == 1

    posted(scenario)


def test_nothing_is_sent_to_who_has_not_presented_itself_has_left_or_is_revoked() -> None:
    async def scenario(post: Post) -> None:
        post.assign("etc", 1)
        await post.says(messages.StateReport((status(None, 0),)))
        assert await post.delivered(for_s=5.0) == []
        await post.says(hello())
        assert await post.delivered(for_s=0.5)
        await post.says(messages.Gone())
        assert await post.delivered(for_s=200.0) == []
        await post.says(hello())
        post.control.fleet.records.clear()
        assert await post.delivered(for_s=200.0) == []

    posted(scenario)


def test_a_rig_without_assignments_still_has_its_lease_renewed() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello())
        times = await post.delivered(for_s=3.5 * RENEWAL_S)
        assert len(times) == 4
        assert post.rig.assigned() == []

    posted(scenario)


def test_only_groups_that_the_rig_has_are_ordered_about() -> None:
    async def scenario(post: Post) -> None:
        await post.says(hello("g0", "g2"))
        for group in ("g2", "g1", "g0"):
            post.assign("etc", 1, group)
        await post.control.dispatch.deliver()
        await post.rig.listen()
        assert [a.group for a in post.rig.orders()[-1].assignments] == ["g0", "g2"]
        observed = [status("etc", 1, group=group) for group in ("g0", "g2")]
        await post.says(messages.StateReport(tuple(observed)))
        assert not post.control.fleet.unobserved("rig-1"), (
            "a group that is no more is not waited for"
        )

    posted(scenario)
