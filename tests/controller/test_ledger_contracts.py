"""Contracts in the books: paid at their price, missed at their penalty, booked to their desk."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from controller.core.books.entries import Entry, Measure
from controller.core.policy.mandate import DeskSettings
from controller.core.policy.settings import PolicySettings
from tests.controller.bookshop import BEGIN, CHEAP, Shop, summed
from tests.controller.fleet import status, view
from tests.controller.governed import OWING, policy
from wire.model import Kind, Phase

near = partial(pytest.approx, abs=2e-6)

DESKS = (
    DeskSettings(name="ai", kinds=(Kind.INFERENCE,)),
    DeskSettings(name="mining", kinds=(Kind.MINING,)),
)


def owing(**changes: object) -> PolicySettings:
    """One GPU of llama for ACME at $0.50, $2.00 if it is missing."""
    settings = replace(policy(OWING).settings, desks=DESKS)
    (contract,) = settings.contracts
    return replace(settings, contracts=(replace(contract, **changes),))  # type: ignore[arg-type]


def booked(settings: PolicySettings, *reports: object) -> list[Entry]:
    """Ten minutes of groups that report this."""
    shop = Shop(settings)
    views = [
        view(n, assigned="llama" if n == 0 else "etc", status=one) for n, one in enumerate(reports)
    ]
    for at in (BEGIN, BEGIN + 600.0):
        shop.turn(at, views, CHEAP)
    return list(shop.drained())


def of(entries: list[Entry], **parts: object) -> list[Entry]:
    return [
        one
        for one in entries
        if all(getattr(one.account, name) == part for name, part in parts.items())
    ]


def test_what_serves_a_contract_is_paid_at_its_price_whatever_the_market_says() -> None:
    entries = booked(owing(), status("llama"), status("etc"))
    served = summed(of(entries, rig="rig000"))
    assert served[Measure.CONTRACT_USD] == near(0.5 / 6)
    assert Measure.INCOME_USD not in served
    assert {one.account.item for one in of(entries, rig="rig000")} == {"acme"}
    assert summed(of(entries, desk="mining"))[Measure.INCOME_USD] == near(0.03 / 6)
    owed = summed(of(entries, rig=""))
    assert owed[Measure.OWED_GPU_H] == near(1 / 6)
    assert Measure.SHORT_GPU_H not in owed


def test_what_is_missing_is_booked_to_the_contract_and_its_desk() -> None:
    entries = booked(owing(), status("llama", Phase.STARTING))
    (missed,) = of(entries, rig="")
    assert missed.account[1:] == ("", "", "", "llama", "ai", 0, "acme")
    found = summed([missed])
    assert found[Measure.SHORT_GPU_H] == near(1 / 6)
    assert found[Measure.PENALTY_USD] == near(2.0 / 6)
    assert found[Measure.ALLOWED_GPU_H] == near(0.01 / 6)


def test_a_contract_may_belong_to_a_desk_that_does_not_own_its_workload() -> None:
    entries = booked(owing(desk="mining"), status("llama"))
    assert {one.account.desk for one in entries} == {"mining"}


def test_before_it_is_owed_nothing_is_owed() -> None:
    settings = owing(start=policy(OWING).settings.contracts[0].start.replace(year=2090))
    entries = booked(settings, status("llama"))
    assert not of(entries, rig="")
    assert Measure.CONTRACT_USD not in summed(entries)


def test_standing_still_is_nobodys() -> None:
    entries = booked(replace(owing(), contracts=()), status("etc"), status(None))
    assert {one.account.desk: one.account.workload for one in of(entries, rig="rig001")} == {"": ""}


def test_what_a_contract_may_not_be_served_by_it_does_not_pay_for() -> None:
    here = owing(sites=("oslo",))
    (acme,) = here.contracts
    away = replace(acme, name="zenith", sites=("bergen",))
    anywhere = replace(acme, name="apex", sites=())
    for others, items in (((away,), {"acme"}), ((anywhere,), {"acme or apex"})):
        entries = booked(replace(here, contracts=(acme, *others)), status("llama"))
        assert {one.account.item for one in of(entries, rig="rig000")} == items
