"""What differs between two policies, in the words that an operator reads before activating one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.policy.diff import changes
from controller.core.policy.maintenance import MaintenanceSettings
from controller.core.policy.mandate import Share
from controller.core.policy.settings import PolicySettings
from controller.core.policy.treasury import TreasurySettings
from tests.controller.fleet import POLICY
from tests.controller.policy_world import AI, at, contract, owing, rule


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (POLICY, POLICY, []),
        (POLICY, replace(POLICY, margin_usd_per_h=0.01), ["margin: $0.004/h → $0.01/h"]),
        (
            POLICY,
            replace(POLICY, mining_switch=replace(POLICY.mining_switch, duration_s=300.0)),
            ["mining switch: duration: 60 s → 5 min"],
        ),
        (
            owing(contract(), contract("bolt")),
            owing(contract("bolt"), contract(gpus=16, sites=("oslo", "rome"))),
            ["contract acme: gpus: 1 → 16", "contract acme: sites: none → oslo, rome"],
        ),
        (
            owing(contract()),
            owing(),
            [
                (
                    "contract acme is gone (was customer acme inc, workload llama, gpus 1, "
                    "price $0.5/GPU-h, penalty $2/GPU-h, start 1970-01-11 13:46 UTC)"
                )
            ],
        ),
        (
            replace(POLICY, desks=(AI,)),
            replace(POLICY, desks=(replace(AI, min_share_ratio=0.25, operators=()),)),
            ["desk ai: operators: ada → none", "desk ai: min share: 0 → 0.25"],
        ),
        (
            POLICY,
            replace(POLICY, treasury=TreasurySettings(cash_usd=1e6, runway_days_min=90.0)),
            ["treasury: cash: none → $1e+06", "treasury: runway: 0 days → 90 days"],
        ),
        (
            replace(POLICY, rules=(rule(margin_usd_per_h=0.1), rule("b", margin_usd_per_h=0.2))),
            replace(POLICY, rules=(rule("b", margin_usd_per_h=0.2), rule(margin_usd_per_h=0.1))),
            ["rules stand in another order: b, dear; the later has the last word"],
        ),
        (
            replace(POLICY, rules=(rule(workload_premium_usd_per_gpu_h={"etc": 0.1}),)),
            replace(POLICY, rules=(rule(workload_premium_usd_per_gpu_h={"xmr": 0.1}),)),
            [
                "rule dear: then: workload premium of etc: $0.1/GPU-h → none",
                "rule dear: then: workload premium of xmr: none → $0.1/GPU-h",
            ],
        ),
        (
            POLICY,
            replace(POLICY, rules=(rule(shares={"ai": Share(min_share_ratio=0.5)}),)),
            [
                (
                    "rule dear is new: when quote.etc > 1, then (shares ai (min share 0.5)), "
                    "reason coin is dear"
                )
            ],
        ),
        (
            POLICY,
            replace(
                POLICY,
                maintenance=(MaintenanceSettings(name="fans", begin=at(0.0), end=at(60.0)),),
            ),
            [
                "maintenance fans is new: begin 1970-01-12 13:46 UTC, end 1970-01-12 13:47 UTC",
            ],
        ),
    ],
)
def test_differences_in_words(old: PolicySettings, new: PolicySettings, said: list[str]) -> None:
    assert list(changes(old, new)) == said


ledgers = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=3, unique_by=lambda each: each[0]
).map(lambda rows: owing(*(contract(name, gpus=gpus) for name, gpus in rows)))


@given(ledgers, ledgers)
def test_nothing_differs_only_where_nothing_differs(a: PolicySettings, b: PolicySettings) -> None:
    same = sorted(a.contracts, key=lambda c: c.name) == sorted(b.contracts, key=lambda c: c.name)
    assert (changes(a, b) == ()) is same
    assert len(changes(a, b)) == len(changes(b, a))
