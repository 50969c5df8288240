"""When rig and controller mean two things by one generation, the controller says it anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.model import GroupKey, GroupView
from controller.core.options.standing import misunderstood
from wire.model import GroupOffer, GroupStatus, Leg, Phase, Rejection

STATUS = GroupStatus("g0", Phase.RUNNING, Leg.FORWARD, "spare", "spare", 3, 0.0)
VIEW = GroupView(
    key=GroupKey("rig-0", "g0"),
    site="here",
    rig_class="any",
    labels={},
    offer=GroupOffer("g0", ("gpu",), ()),
    status=STATUS,
    online=True,
    generation=3,
    assigned="chat",
    assigned_at=0.0,
)


def test_one_generation_with_two_meanings_is_noticed() -> None:
    assert misunderstood(VIEW)
    idle = replace(STATUS, phase=Phase.IDLE, active=None, target=None)
    assert misunderstood(replace(VIEW, status=idle))


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, assigned="spare"),
        replace(VIEW, status=None),
        replace(VIEW, online=False),
        replace(VIEW, generation=4),
        replace(VIEW, status=replace(STATUS, lapsed=True)),
        replace(VIEW, status=replace(STATUS, phase=Phase.PREPARING)),
        replace(VIEW, status=replace(STATUS, phase=Phase.FAILED)),
        replace(VIEW, status=replace(STATUS, rejected=(Rejection("chat", "it failed"),))),
    ],
)
def test_a_rig_with_a_reason_is_left_alone(view: GroupView) -> None:
    assert not misunderstood(view)
