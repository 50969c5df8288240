"""What an operator may do with the policy: look, check, compare, foresee, put in force.

A text that cannot be used changes nothing. One that is put in force is durable, with its line in
the audit, before any plan follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from controller import orders, policyfile
from controller.answers import PolicyChecked, PolicyPreview, PolicyShown, RuleLine
from controller.core.farm import FarmSettings
from controller.core.policy import diff as policy_diff
from controller.core.policy import treasury
from controller.orders import BadRequestError, ConflictError
from controller.policyfile import Policy
from controller.ports import Board, Store
from controller.records import Event, StoredPolicy
from controller.regime import Regime
from wire.configfile import ConfigError

VERSIONS_SHOWN_MAX = 100


class Policies:
    """The policy in force, its history, and how it is replaced.

    All raise `OperationError` (nothing has changed) or `StoreError`.
    """

    def __init__(
        self,
        regime: Regime,
        board: Board,
        store: Store,
        *,
        farm: FarmSettings,
        series: Collection[str],
        now: Callable[[], float],
    ) -> None:
        self._regime = regime
        self._board = board
        self._store = store
        self._farm = farm
        self._series = series
        self._now = now

    def show(self) -> PolicyShown:
        """The policy in force, and how its rules, contracts and money stand."""
        policy, plan = self._regime.policy, self._board.newest
        # Contracts count by the clock of prices, which a replay does not share with people.
        now, settings = plan.at if plan else self._now(), policy.settings
        return PolicyShown(
            version=self._in_force(),
            rules=tuple(self._rule(name) for name in policy.conditions),
            contracts=plan.contracts if plan else (),
            requirements=plan.requirements if plan else (),
            contracted_usd_per_h=treasury.contracted_usd_per_h(settings.contracts, now),
            spent_usd=self._regime.spent_usd(now),
            budget_usd_per_day=settings.treasury.switching_usd_per_day,
            warnings=plan.warnings if plan else (),
        )

    def versions(self, limit: int) -> list[StoredPolicy]:
        """What was in force, newest first."""
        return self._store.policies(limit=limit)

    def check(self, text: str, name: str) -> PolicyChecked:
        """Whether a text can be used, and what would differ."""
        policy = self._read(text, name)
        return PolicyChecked(
            digest=policy.digest,
            changes=policy_diff.changes(self._regime.policy.settings, policy.settings),
            contracts=len(policy.settings.contracts),
            desks=len(policy.settings.desks),
            rules=len(policy.settings.rules),
        )

    def preview(self, text: str, name: str) -> PolicyPreview:
        """What a text would do to the fleet now, its conditions as they are at this moment."""
        policy = self._read(text, name)
        without = self._board.preview({})
        planned = self._board.preview({}, self._regime.foreseeing(policy))
        return PolicyPreview(
            changes=policy_diff.changes(self._regime.policy.settings, policy.settings),
            moves=orders.moves({}, without, planned),
            usd_per_h=orders.gain_usd_per_h(without, planned),
            contracts=planned.contracts,
            requirements=planned.requirements,
            warnings=planned.warnings,
            settled=tuple(text for text in without.warnings if text not in planned.warnings),
        )

    def activate(self, text: str, name: str, operator: str, reason: str) -> StoredPolicy:
        """Put a text in force from the next plan on."""
        policy = self._read(text, name)
        bound = [
            desk.name for desk in self._regime.policy.settings.desks if operator in desk.operators
        ]
        if bound:
            raise ConflictError(
                f"{operator} is an operator of desk {bound[0]}, and the policy is above the desks",
                "ask somebody whom no desk names",
            )
        if not reason.strip():
            raise BadRequestError("the order has no reason", "say why; whoever finds it will ask")
        if policy.digest == self._in_force().digest:
            raise ConflictError("this very text is in force already", "`rigshift policy show`")
        stored = activation(
            self._store, self._regime.policy, policy, self._now(), operator, reason.strip()
        )
        self._regime.adopt(policy)
        self._board.poke()
        return stored

    def _read(self, text: str, name: str) -> Policy:
        try:
            return policyfile.read(text, name, self._farm, self._series)
        except ConfigError as error:
            raise BadRequestError(str(error), "mend it; the policy in force stays") from error

    def _in_force(self) -> StoredPolicy:
        return self._store.policies(limit=1)[0]

    def _rule(self, name: str) -> RuleLine:
        rules = {rule.name: rule for rule in self._regime.policy.settings.rules}
        rule, state = rules[name], self._regime.rules.get(name)
        return RuleLine(
            name=name,
            when=rule.when,
            reason=rule.reason,
            active=state is not None and state.active,
            against_since=None if state is None else state.against_since,
            for_s=rule.for_s,
            trouble="" if state is None else state.trouble,
        )


def activation(
    store: Store, old: Policy | None, new: Policy, at: float, actor: str, reason: str
) -> StoredPolicy:
    """Make a policy durable as the one in force, with a line in the audit. Raises `StoreError`."""
    newest = store.policies(limit=1)
    differs = () if old is None else policy_diff.changes(old.settings, new.settings)
    stored = StoredPolicy(
        number=newest[0].number + 1 if newest else 1,
        digest=new.digest,
        text=new.text,
        at=at,
        actor=actor,
        reason=reason,
        changes="\n".join(differs),
    )
    detail = "; ".join([reason, *(differs or ("no setting differs",))])
    store.put_policy(
        stored,
        Event(
            at=at,
            actor=actor,
            verb="activate policy",
            subject=f"policy {stored.number} {new.digest[:12]}",
            detail=detail,
        ),
    )
    return stored
