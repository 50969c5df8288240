"""Planted bugs in how the fleet keeps what it owes; only seeds with contracts can show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from controller.core.contracts import candidates, cover, tie
from controller.core.contracts.candidates import Candidacy, Party
from controller.core.obligation import Coverage
from controller.core.options.case import Case
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import PolicySettings
from controller.reconciler import Reconciler
from controller.records import StoredAssignment
from tests.sim.mutants.planting import Mutant, Swaps


def _contract_outbid(swaps: Swaps) -> None:
    engaged = tie._engaged

    def loose(case: Case, *others: Any) -> Case:
        return replace(engaged(case, *others), standing=case.standing)

    swaps.attribute(tie, "_engaged", loose)


def _shortage_hushed_up(swaps: Swaps) -> None:
    coverage = cover._coverage

    def content(*arguments: Any, **more: Any) -> Coverage:
        return replace(coverage(*arguments, **more), lacking_gpus=0)

    swaps.attribute(cover, "_coverage", content)


def _left_before_relief(swaps: Swaps) -> None:
    swaps.attribute(cover, "_hand_over", lambda search, contract, *, spared: None)


def _wish_taken_for_service(swaps: Swaps) -> None:
    candidacy = candidates._candidacy

    def hopeful(contract: ContractSettings, party: Party, policy: PolicySettings) -> Candidacy:
        wanted = party.case.standing.runs == contract.workload
        return replace(candidacy(contract, party, policy), serves=wanted)

    swaps.attribute(candidates, "_candidacy", hopeful)


def _contract_not_fetched(swaps: Swaps) -> None:
    ranked = candidates.ranked

    def whoever_is_there(
        contract: ContractSettings, parties: Sequence[Party], policy: PolicySettings
    ) -> list[Candidacy]:
        return [one for one in ranked(contract, parties, policy) if not one.moves]

    swaps.attribute(candidates, "ranked", whoever_is_there)


def _commitment_not_sent(swaps: Swaps) -> None:
    assignment = Reconciler._assignment

    def bare(self: Reconciler, *arguments: Any) -> StoredAssignment:
        stored = assignment(self, *arguments)
        return replace(stored, assignment=replace(stored.assignment, committed=False))

    swaps.attribute(Reconciler, "_assignment", bare)


MUTANTS = (
    Mutant("contract-outbid", "no price moves who serves a contract", _contract_outbid),
    Mutant("shortage-hushed-up", "what a contract lacks is told", _shortage_hushed_up),
    Mutant("left-before-relief", "who serves stays until relieved", _left_before_relief),
    Mutant("wish-taken-for-service", "only what runs serves", _wish_taken_for_service),
    Mutant("contract-not-fetched", "groups are fetched for what is owed", _contract_not_fetched),
    Mutant("commitment-not-sent", "rigs know what is owed", _commitment_not_sent),
)
