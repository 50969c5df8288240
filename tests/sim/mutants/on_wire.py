"""Bugs planted where rig and controller meet: codec, uplink, sessions and dispatch."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from agent import reports
from agent.core import words
from agent.core.model import Assigned, Renewed, Rules, State
from agent.uplink import Uplink
from controller.dispatch import Dispatch, _Mail
from controller.sessions import Session, Sessions
from tests.sim.mutants.planting import Mutant, Swaps
from wire import codec, messages, model
from wire.messages import Down, Up
from wire.signing import SIGNATURE_BYTES, Verifier
from wire.transport import Received


def _signature_unchecked(swaps: Swaps) -> None:
    swaps.attribute(Verifier, "verify", lambda self, signature, payload: True)


def _address_unchecked(swaps: Swaps) -> None:
    decode = codec.decode_down

    def for_anybody(frame: bytes, verifier: Verifier, rig: str) -> Down:
        return decode(frame, verifier, _address(frame, rig))

    swaps.attribute(codec, "decode_down", for_anybody)


def _address(frame: bytes, otherwise: str) -> str:
    try:
        return codec._DOWN.decode(frame[SIGNATURE_BYTES:]).rig
    except ValueError:
        return otherwise


def _boot_unchecked(swaps: Swaps) -> None:
    stale = Uplink._stale

    def any_boot(self: Uplink, down: Down) -> str:
        mine = Down(down.rig, self._identity.boot_id, down.rig_time_s, down.ttl_s, down.body)
        return stale(self, mine)

    swaps.attribute(Uplink, "_stale", any_boot)


def _age_unchecked(swaps: Swaps) -> None:
    stale = Uplink._stale

    def any_age(self: Uplink, down: Down) -> str:
        now = self._identity.clock()
        return stale(self, Down(down.rig, down.boot_id, now, down.ttl_s, down.body))

    swaps.attribute(Uplink, "_stale", any_age)


def _lease_unwatched(swaps: Swaps) -> None:
    async def asleep(self: Uplink) -> None:
        await asyncio.Future()

    swaps.attribute(Uplink, "_watch_lease", asleep)


def _lease_endless(swaps: Swaps) -> None:
    order = Uplink._order

    def generous(self: Uplink, body: messages.Order, rig_time_s: float) -> str:
        return order(self, body, rig_time_s + 1e6)

    swaps.attribute(Uplink, "_order", generous)


def _expired_order_renews(swaps: Swaps) -> None:
    order = Uplink._order

    def forgiving(self: Uplink, body: messages.Order, rig_time_s: float) -> str:
        for reactor in self._reactors.values():
            if reactor.state.lapsed:
                reactor.post(Renewed())
        return order(self, body, rig_time_s)

    swaps.attribute(Uplink, "_order", forgiving)


def _only_assigned_renewed(swaps: Swaps) -> None:
    order = Uplink._order

    def partial(self: Uplink, body: messages.Order, rig_time_s: float) -> str:
        named = {assignment.group for assignment in body.assignments}
        everyone, self._reactors = self._reactors, {g: self._reactors[g] for g in named}
        try:
            return order(self, body, rig_time_s)
        finally:
            self._reactors = everyone

    swaps.attribute(Uplink, "_order", partial)


def _any_generation(swaps: Swaps) -> None:
    """Both sides of the rule: the uplink drops what is old, and the machine does so again."""
    accepted = words.accepted

    def row(state: State, event: Assigned, rules: Rules) -> State:
        generation = min(state.desired.generation, event.desired.generation - 1)
        before = _with_generation(state, generation)
        return accepted(before, event, rules)

    def order(self: Uplink, body: messages.Order, rig_time_s: float) -> str:
        self.lease_until_s = max(self.lease_until_s, rig_time_s + body.lease_s)
        self._renew()
        for assignment in body.assignments:
            self._reactors[assignment.group].post(Assigned(reports.desired(assignment)))
        return ""

    swaps.attribute(words, "accepted", row)
    swaps.attribute(Uplink, "_order", order)


def _with_generation(state: State, generation: int) -> State:
    return replace(state, desired=replace(state.desired, generation=generation))


def _outcomes_told_once(swaps: Swaps) -> None:
    send = Uplink._send

    async def once(self: Uplink, body: messages.UpBody) -> None:
        if isinstance(body, messages.Outcomes):
            told = self.__dict__.setdefault("told", set())
            news = tuple(o for o in body.outcomes if (o.group, o.generation) not in told)
            told.update((o.group, o.generation) for o in news)
            if not news:
                return
            body = messages.Outcomes(news)
        await send(self, body)

    swaps.attribute(Uplink, "_send", once)


def _state_made_up(swaps: Swaps) -> None:
    def statuses(self: Uplink) -> tuple[model.GroupStatus, ...]:
        return tuple(reports.status(reactor) for reactor in self._reactors.values())

    swaps.attribute(Uplink, "statuses", statuses)


def _hello_once(swaps: Swaps) -> None:
    hello = Uplink._hello

    async def once(self: Uplink) -> None:
        if not self.__dict__.setdefault("greeted", False):
            self.__dict__["greeted"] = True
            await hello(self)

    swaps.attribute(Uplink, "_hello", once)


def _late_frames_believed(swaps: Swaps) -> None:
    turn = Sessions._turn

    def any_time(self: Sessions, up: Up) -> Session | None:
        session = self._sessions.get(up.rig)
        if session is not None and session.boot_id == up.boot_id:
            session.rig_time_s = float("-inf")
        return turn(self, up)

    swaps.attribute(Sessions, "_turn", any_time)


def _old_boots_believed(swaps: Swaps) -> None:
    swaps.attribute(Sessions, "_misjudged", lambda self, session, up: True)


def _old_boots_shut_out(swaps: Swaps) -> None:
    swaps.attribute(Sessions, "_misjudged", lambda self, session, up: False)


def _any_goodbye_counts(swaps: Swaps) -> None:
    swaps.attribute(Sessions, "_left", lambda self, session, up: session)


def _goodbye_overtaken(swaps: Swaps) -> None:
    def left(self: Sessions, session: Session, up: Up) -> Session | None:
        return session if session.run_id == up.run_id else None

    swaps.attribute(Sessions, "_left", left)


def _sender_unchecked(swaps: Swaps) -> None:
    accept = Sessions.accept

    def trusting(self: Sessions, received: Received) -> messages.UpBody | None:
        try:
            claimed = codec.decode_up(received.frame).rig
        except codec.CodecError:
            claimed = received.rig
        return accept(self, Received(claimed, received.frame))

    swaps.attribute(Sessions, "accept", trusting)


def _orders_sent_once(swaps: Swaps) -> None:
    swaps.attribute(Dispatch, "_pause_s", lambda self, mail, *, unobserved: math.inf)


def _lease_not_renewed(swaps: Swaps) -> None:
    pause_s = Dispatch._pause_s

    def unless_seen(self: Dispatch, mail: _Mail, *, unobserved: bool) -> float:
        return pause_s(self, mail, unobserved=True) if unobserved else math.inf

    swaps.attribute(Dispatch, "_pause_s", unless_seen)


MUTANTS = (
    Mutant("signature-unchecked", "orders are signed", _signature_unchecked),
    Mutant("address-unchecked", "orders are for one rig", _address_unchecked),
    Mutant("boot-unchecked", "a frame counts for one boot", _boot_unchecked),
    Mutant("age-unchecked", "a frame expires", _age_unchecked),
    Mutant("lease-unwatched", "the rig watches its lease", _lease_unwatched),
    Mutant("lease-endless", "a lease counts from the rig's own word", _lease_endless),
    Mutant("expired-order-renews", "an expired order renews nothing", _expired_order_renews),
    Mutant("only-assigned-renewed", "the lease is the whole rig's", _only_assigned_renewed),
    Mutant("any-generation", "a lower generation changes nothing", _any_generation),
    Mutant("outcomes-told-once", "outcomes are told until acknowledged", _outcomes_told_once),
    Mutant("state-made-up", "nothing is reported before it is known", _state_made_up),
    Mutant("hello-once", "a rig says hello when asked", _hello_once),
    Mutant("late-frames-believed", "frames count in order", _late_frames_believed),
    Mutant("old-boots-believed", "an earlier boot's frames are late", _old_boots_believed),
    Mutant("old-boots-shut-out", "a boot that goes on speaking is heard", _old_boots_shut_out),
    Mutant("any-goodbye-counts", "only the present run can leave", _any_goodbye_counts),
    Mutant("goodbye-overtaken", "nobody comes back by an old frame", _goodbye_overtaken),
    Mutant("sender-unchecked", "the link says who speaks", _sender_unchecked),
    Mutant("orders-sent-once", "orders are repeated until observed", _orders_sent_once),
    Mutant("lease-not-renewed", "orders renew the lease", _lease_not_renewed),
)
