"""A policy as the rules in effect leave it: bands and shares moved, all else as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller.core.policy.mandate import DeskSettings
from controller.core.policy.settings import PolicySettings
from controller.core.policy.signals import RuleSettings


def effective(policy: PolicySettings, rules: Sequence[RuleSettings]) -> PolicySettings:
    """Of two rules that move the same, the later one in the policy has the last word."""
    for rule in rules:
        then = rule.then
        policy = replace(
            policy,
            desks=tuple(_shared(desk, rule) for desk in policy.desks),
            margin_usd_per_h=_or(then.margin_usd_per_h, policy.margin_usd_per_h),
            off_band_usd_per_h=_or(then.off_band_usd_per_h, policy.off_band_usd_per_h),
        )
    return policy


def _shared(desk: DeskSettings, rule: RuleSettings) -> DeskSettings:
    share = rule.then.shares.get(desk.name)
    if share is None:
        return desk
    return replace(
        desk,
        min_share_ratio=_or(share.min_share_ratio, desk.min_share_ratio),
        max_share_ratio=_or(share.max_share_ratio, desk.max_share_ratio),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
