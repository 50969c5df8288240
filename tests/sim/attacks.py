"""Hostile frames: old ones, altered ones, forged ones, and orders signed with a stolen key."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.sim.faults import Fault, Mishap
from tests.sim.network import Letter, SimNetwork, spoiled
from wire import codec, messages
from wire.model import Assignment
from wire.signing import KEY_BYTES, SIGNATURE_BYTES, Signer

LEASE_S = 5.0
"""Shorter than the controller's own, so that it renews nothing that the controller would not."""

LEAP = 20
"""How many generations an attacker skips."""

THIEF = "thief"
"""A workload that is on no rig's list."""

NOISE_BYTES_MAX = 200

ATTACKS = frozenset(
    {
        Fault.REPLAY_DOWN,
        Fault.REPLAY_UP,
        Fault.ASTRAY,
        Fault.FLIPPED,
        Fault.FORGED,
        Fault.IMPERSONATED,
        Fault.GARBAGE,
        Fault.STOLEN,
    }
)


class Attacker:
    """Sits on the network; has seen everything, and holds a key of its own."""

    def __init__(
        self,
        network: SimNetwork,
        rng: random.Random,
        stolen: Signer,
        newest: Callable[[str, str], int],
        tell: Callable[[str, Assignment], None],
    ) -> None:
        """`newest`: generation that a rig's group obeys; `tell` hears of orders that will count."""
        self._network = network
        self._rng = rng
        self._own = Signer(rng.randbytes(KEY_BYTES))
        self._stolen = stolen
        self._newest = newest
        self._tell = tell

    def strike(self, mishap: Mishap) -> None:
        """Do it now, if there is anything yet to do it with."""
        rig, network, rng = mishap.who, self._network, self._rng
        sent, made = network.up.get(rig, []), network.down.get(rig, [])
        if mishap.kind is Fault.GARBAGE:
            self._noise(rig)
        elif mishap.kind is Fault.REPLAY_UP and sent:
            network.deliver_up(rig, rng.choice(sent))
        elif mishap.kind is Fault.REPLAY_DOWN and made:
            network.deliver_down(rig, rng.choice(made))
        elif mishap.kind is Fault.IMPERSONATED:
            self._swap(rig, network.up, network.deliver_up)
        elif mishap.kind is Fault.ASTRAY:
            self._swap(rig, network.down, network.deliver_down)
        elif mishap.kind is Fault.FLIPPED and made:
            network.deliver_down(rig, self._flipped(made[-1]))
        elif mishap.kind is Fault.FORGED and made:
            frame = self._order(rig, made[-1], self._own)
            network.deliver_down(rig, spoiled(made[-1], frame, "it is forged"))
        elif mishap.kind is Fault.STOLEN and made:
            frame = self._order(rig, made[-1], self._stolen)
            network.deliver_down(rig, network.made_for(rig, frame))

    def _swap(
        self, rig: str, letters: dict[str, list[Letter]], deliver: Callable[[str, Letter], None]
    ) -> None:
        """Another rig's newest letter, on this rig's link."""
        others = sorted(name for name in letters if name != rig)
        if others:
            other = self._rng.choice(others)
            letter = letters[other][-1]
            deliver(rig, spoiled(letter, letter, f"it belongs to {other}"))

    def _flipped(self, letter: Letter) -> Letter:
        data = bytearray(letter)
        data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
        return spoiled(letter, bytes(data), "one bit was changed")

    def _noise(self, rig: str) -> None:
        noise = self._rng.randbytes(self._rng.randrange(NOISE_BYTES_MAX))
        letter = spoiled(Letter(), noise, "it is noise")
        letter.rig = rig
        self._network.deliver_up(rig, letter)
        self._network.deliver_down(rig, letter)

    def _order(self, rig: str, pattern: Letter, signer: Signer) -> bytes:
        """A fresh order for the rig's first group, dated as the controller would."""
        read = codec._DOWN.decode(pattern[SIGNATURE_BYTES:])
        genuine = signer is self._stolen
        assignment = Assignment(
            order_id=f"attack-{self._newest(rig, 'g0')}",
            group="g0",
            generation=self._newest(rig, "g0") + LEAP,
            workload=THIEF if genuine else self._rng.choice(("coin", "chat", None)),
            reason="because the attacker says so",
        )
        if genuine:
            self._tell(rig, assignment)
        order = messages.Order((assignment,), LEASE_S)
        down = messages.Down(rig, read.boot_id, read.rig_time_s, read.ttl_s, order)
        return codec.encode_down(down, signer)
