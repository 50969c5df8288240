"""All that the metrics of the controller say, read at one instant: no two contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.core.books.results import Results
from controller.core.charges.account import Bill
from controller.core.model import GroupView, Plan, Quote
from controller.metrics.switches import SwitchTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSnapshot:
    """All that the controller's metrics say, at one instant."""

    version: str
    now: float
    rigs_online: int
    rigs_offline: int
    views: tuple[GroupView, ...]
    plan: Plan | None
    plan_duration_s: float | None
    quotes: tuple[Quote, ...]
    holds: int
    """Holds that stand."""
    switches: SwitchTimes
    results: Results
    delivered: Mapping[tuple[str, str | None], float]
    """By class and workload: part of the income that is reckoned with; absent: all of it."""
    power_cap_w: Mapping[str, float]
    """By site; sites without a cap are absent."""
    bills: Sequence[Bill]
    """Where each demand charge stands."""
    orders_sent: int
    orders_resent: int
    frames_refused: int
