"""Which groups serve which contract: bound before any price is looked at, the cheapest first.

A group that serves a contract keeps serving it while it can: contracts are never moved about for
money. First those that serve already are dealt out, so that nobody moves who need not, and no
contract is broken for a dearer one; then others are fetched. Every contract that can be served is
served; what cannot be is told, never dropped. Who serves one is handed to another only when those
who take over serve already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from controller.core.contracts import candidates
from controller.core.contracts.candidates import Candidacy, Party
from controller.core.model import GroupView
from controller.core.obligation import Coverage
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class Bond:
    """What ties a group to a contract."""

    contract: ContractSettings
    paid_gpus: int
    """What the customer pays for; 0: it only waits to take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Who serves what."""

    bonds: Mapping[int, Bond] = field(default_factory=dict)
    """By place in the order of all keys."""
    coverages: tuple[Coverage, ...] = ()


@dataclass(slots=True)
class _Sums:
    """GPUs that a contract has; kept as groups come and go, for they are asked for each time."""

    bound: int = 0
    sound: int = 0
    serving: int = 0

    def add(self, one: Candidacy, sign: int) -> None:
        """Enter a group of this party, or take it out."""
        self.bound += sign * one.gpus
        self.sound += sign * one.gpus * one.sound
        self.serving += sign * one.gpus * one.serves


@dataclass(slots=True)
class _Search:
    """The state of one search for a cover."""

    contracts: Sequence[ContractSettings]
    ranked: Mapping[str, list[Candidacy]]
    """By contract: all that could serve it, the best first."""
    claims: dict[int, str] = field(default_factory=dict)
    """Which contract a group serves."""
    holding: dict[str, dict[int, Candidacy]] = field(default_factory=dict)
    _sums: dict[str, _Sums] = field(default_factory=dict)

    def held(self, contract: str) -> dict[int, Candidacy]:
        return self.holding.setdefault(contract, {})

    def sums(self, contract: str) -> _Sums:
        return self._sums.setdefault(contract, _Sums())

    def take(self, contract: str, member: int, one: Candidacy) -> None:
        self.claims[member] = contract
        self.held(contract)[member] = one
        self.sums(contract).add(one, 1)

    def drop(self, member: int) -> None:
        contract = self.claims.pop(member)
        self.sums(contract).add(self.held(contract).pop(member), -1)


def freed(views: Sequence[GroupView], policy: PolicySettings) -> tuple[GroupView, ...]:
    """Groups whose contract does not stand in the policy any more are free again."""
    known = {contract.workload for contract in policy.contracts}
    return tuple(
        replace(view, committed=False) if view.committed and view.assigned not in known else view
        for view in views
    )


def cover(
    parties: Sequence[Party],
    policy: PolicySettings,
    now: float,
    guarded: Set[str] = frozenset(),
) -> Cover:
    """Bind groups to all contracts that are owed now, or must be prepared for now.

    `guarded`: those that can bear hardly any more downtime. They are asked first what they need,
    and who serves them is left alone even where others could.
    """
    owed = sorted(
        (c for c in policy.contracts if now < c.ends_at),
        key=lambda c: (c.name not in guarded, -c.penalty_usd_per_gpu_h, c.name),
    )
    ranked = {c.name: candidates.ranked(c, parties, policy) for c in owed}
    due = [c for c in owed if candidates.due(c, ranked[c.name], policy, now)]
    search = _Search(due, {name: [c for c in every if c.stays] for name, every in ranked.items()})
    # Each gets all it can before a lesser one takes any: so the same ones are short each time.
    for contract in due:
        _claim(search, contract, 0)
        _rearrange(search, contract)
    search.ranked = ranked
    under_way = sum(len(p.members) for p in parties if p.case.standing.in_switch)
    slots = policy.switches_max - under_way
    urgent = [c for c in due if candidates.high_time(c, ranked[c.name], now)]
    for contract in due:
        slots -= _claim(search, contract, None if contract in urgent else max(0, slots))
        if contract in urgent:
            _rearrange(search, contract)
    for contract in due:
        if contract.in_force(now):
            _hand_over(search, contract, spared=contract.name in guarded)
    bonds = {member: bond for c in due for member, bond in _bonds(search, c)}
    coverages = tuple(_coverage(search, c, parties, now, late=c in urgent) for c in due)
    return Cover(bonds=bonds, coverages=coverages)


def _claim(search: _Search, contract: ContractSettings, moves_max: int | None) -> int:
    """Take the best that nobody has; return how many set out, at most `moves_max`."""
    moves = 0
    for one in search.ranked[contract.name]:
        for member in one.members:
            if not _needs(search, contract, one):
                break
            if member in search.claims:
                continue
            if one.moves and moves_max is not None and moves >= moves_max:
                break
            moves += one.moves
            search.take(contract.name, member, one)
    _prune(search, contract)
    return moves


def _needs(search: _Search, contract: ContractSettings, one: Candidacy) -> bool:
    """Whether a contract still wants GPUs of this sort; silent rigs cannot be relied on."""
    sums = search.sums(contract.name)
    if sums.bound < contract.gpus + contract.warm_spare_gpus:
        return True
    # Who comes back before others have taken over has never been away.
    return (sums.sound if one.sound else sums.serving) < contract.gpus


def _prune(search: _Search, contract: ContractSettings) -> None:
    """Groups differ in size: let go of those without which it is enough, the worst first."""
    held = search.held(contract.name)
    if len({one.gpus for one in held.values()}) < 2:
        return
    for member, one in reversed(list(held.items())):
        if one.tied:
            continue
        search.drop(member)
        if _needs(search, contract, one):
            search.take(contract.name, member, one)


def _rearrange(search: _Search, contract: ContractSettings) -> None:
    """Where a contract lacks groups that another one has and could do without."""
    while _lacks(search, contract) and _pulled(search, contract, {contract.name}):
        pass


def _lacks(search: _Search, contract: ContractSettings) -> bool:
    sums = search.sums(contract.name)
    return sums.bound < contract.gpus + contract.warm_spare_gpus or sums.sound < contract.gpus


def _pulled(search: _Search, contract: ContractSettings, asked: set[str]) -> bool:
    """Get one more group, from nobody or from a contract that gets another one for it."""
    mine = [
        (member, one)
        for one in search.ranked[contract.name]
        if one.sound
        for member in one.members
        if search.claims.get(member) != contract.name
    ]
    for member, one in mine:
        if member not in search.claims:
            search.take(contract.name, member, one)
            return True
    by_name = {c.name: c for c in search.contracts}
    for member, one in mine:
        other = by_name[search.claims[member]]
        theirs = search.held(other.name)[member]
        if other.name in asked or theirs.tied:
            continue
        search.drop(member)
        search.take(contract.name, member, one)
        if not _needs(search, other, theirs) or _pulled(search, other, asked | {other.name}):
            return True
        search.drop(member)
        search.take(other.name, member, theirs)
    return False


def _hand_over(search: _Search, contract: ContractSettings, *, spared: bool) -> None:
    """Take back who serves it until they do who were found instead; those are fetched meanwhile.

    From one that is spared nobody is taken at all.
    """
    workloads = {one.name: one.workload for one in search.contracts}
    for one in search.ranked[contract.name]:
        for member in one.members:
            taker = search.claims.get(member)
            if search.sums(contract.name).serving >= contract.gpus and not (spared and taker):
                continue
            if not (one.serves and one.stays) or workloads.get(taker or "") == contract.workload:
                continue
            if taker is not None:
                search.drop(member)
            search.take(contract.name, member, one)


def _bonds(search: _Search, contract: ContractSettings) -> Iterator[tuple[int, Bond]]:
    """The customer pays for what is owed and no more: what came last waits to take over."""
    left = contract.gpus
    held = search.held(contract.name).items()
    for member, one in sorted(held, key=lambda entry: (entry[1].rank, entry[0])):
        paid = min(one.gpus, left) if one.sound else 0
        left -= paid
        yield member, Bond(contract, paid)


def _coverage(
    search: _Search, contract: ContractSettings, parties: Sequence[Party], now: float, *, late: bool
) -> Coverage:
    sums = search.sums(contract.name)
    lacking = max(0, contract.gpus - sums.sound) if late else 0
    return Coverage(
        contract=contract.name,
        owed_gpus=contract.gpus,
        bound_gpus=sums.bound,
        serving_gpus=sums.serving,
        lacking_gpus=lacking,
        in_force=contract.in_force(now),
        why=candidates.obstacles(contract, parties, search.claims) if lacking else "",
    )
