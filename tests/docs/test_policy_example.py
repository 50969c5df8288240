"""The example of a policy can be used as it stands, and the page tells of what there is."""

from __future__ import annotations

from dataclasses import replace

from controller import policyfile
from controller.conditions import FLEET
from controller.core.farm import FarmSettings, SiteSettings
from controller.core.policy.signals import Then
from tests.docs.repository import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "policy.yaml"
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
FARM = FarmSettings(sites=(SiteSettings(name="oslo", power="power"),), earnings=())


def test_the_example_can_be_used_and_shows_every_part() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    settings = policyfile.read(text, EXAMPLE.name, FARM, ["power", "fed.funds"]).settings
    for part in ("desks", "contracts", "rules", "maintenance"):
        assert getattr(settings, part), part
    assert settings.treasury != replace(settings.treasury, fixed_usd_per_day=0.0)


def test_the_page_names_all_that_conditions_know_and_rules_move() -> None:
    for name in FLEET:
        assert f"fleet.{name}" in PAGE
    for name in Then.__dataclass_fields__:
        assert f"`{name}`" in PAGE
