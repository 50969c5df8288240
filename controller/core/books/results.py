"""What each desk was promised and earned since somebody began to count: for metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.core.books.entries import MICRO, Entry, Measure

NOBODY = "none"
"""What belongs to no desk, such as standing still."""


@dataclass(frozen=True, slots=True)
class DeskResult:
    """Running sums of one desk, US dollars."""

    expected_usd: float = 0.0
    realized_usd: float = 0.0

    @property
    def error_ratio(self) -> float | None:
        """What was earned beyond the promise as a part of it; none where no gain was promised."""
        return self.realized_usd / self.expected_usd - 1.0 if self.expected_usd > 0.0 else None


Results = Mapping[str, DeskResult]
"""By desk, those of `NOBODY` among them."""


def counted(results: Results, entries: Iterable[Entry]) -> Results:
    """After these entries too; penalties and charges are no part of what a plan promises."""
    found = dict(results)
    for account, sums in entries:
        desk = account.desk or NOBODY
        known = found.get(desk, DeskResult())
        earned = sums[Measure.INCOME_USD] + sums[Measure.CONTRACT_USD]
        spent = sums[Measure.ENERGY_USD] + sums[Measure.WEAR_USD]
        found[desk] = DeskResult(
            known.expected_usd + sums[Measure.EXPECTED_USD] / MICRO,
            known.realized_usd + (earned - spent) / MICRO,
        )
    return found
