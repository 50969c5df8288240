"""Orders of the grid: which site draws less, and until when. Durable, audited, and they all end."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from controller.core import duration, reasons
from controller.core.curtailment import GridOrder
from controller.orders import (
    OWNER_CHARS_MAX,
    REASON_CHARS_MAX,
    BadRequestError,
    NothingFoundError,
)
from controller.ports import Store
from controller.records import Event

AHEAD_MAX_S = 31 * 86_400.0
"""Orders further ahead are mistyped dates, or belong in a calendar."""

LENGTH_MAX_S = 7 * 86_400.0
"""A longer limit belongs in the site's `power_cap_w`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """What somebody outside asks of a site."""

    site: str
    cap_w: float
    """What it may still draw."""
    starts_at: float | None
    """None: now."""
    for_s: float
    reason: str


class Curtailments:
    """Enters and ends orders of the grid.

    All raise `OperationError` (nothing has changed) or `StoreError`.
    """

    def __init__(
        self,
        store: Store,
        sites: Collection[str],
        *,
        now: Callable[[], float],
        new_id: Callable[[], str],
        poke: Callable[[], None],
    ) -> None:
        """`poke` asks for a plan soon."""
        self._store = store
        self._sites = sites
        self._now = now
        self._new_id = new_id
        self._poke = poke

    def known(self) -> list[GridOrder]:
        """Those that have not ended, by their beginning."""
        now = self._now()
        return [order for order in self._store.grid_orders() if order.ends_at > now]

    def enter(self, asked: Curtailment, owner: str) -> GridOrder:
        """Limit a site for a while."""
        now = self._now()
        starts_at = now if asked.starts_at is None else asked.starts_at
        self._check(asked, starts_at, owner, now)
        order = GridOrder(
            order_id=f"grid-{self._new_id()}",
            site=asked.site,
            cap_w=asked.cap_w,
            starts_at=starts_at,
            ends_at=starts_at + asked.for_s,
            owner=owner,
            reason=asked.reason.strip(),
        )
        told = f"{reasons.kilowatts(order.cap_w)} for {duration.show(asked.for_s)}; {order.reason}"
        self._store.put_grid_order(order, self._line("curtail", order, owner, told))
        self._poke()
        return order

    def end(self, order_id: str, owner: str) -> GridOrder:
        """Let a site draw again before an order ends by itself."""
        now = self._now()
        found = next((order for order in self.known() if order.order_id == order_id), None)
        if found is None:
            raise NothingFoundError(
                f"no order {order_id!r} of the grid stands", "`rigshift curtail list` names them"
            )
        ended = replace(found, ends_at=now)
        self._store.put_grid_order(ended, self._line("resume", ended, owner, found.reason))
        self._poke()
        return ended

    def _check(self, asked: Curtailment, starts_at: float, owner: str, now: float) -> None:
        if asked.site not in self._sites:
            known = ", ".join(sorted(self._sites))
            raise NothingFoundError(f"no site {asked.site!r}", f"known are {known}")
        if not 0 <= asked.cap_w < math.inf:
            raise BadRequestError(
                f"a site cannot draw {asked.cap_w:g} W", "give what it may still draw, 0 or more"
            )
        if not 0 < asked.for_s <= LENGTH_MAX_S:
            raise BadRequestError(
                f"an order cannot last {duration.show(asked.for_s)}",
                f"at most {duration.show(LENGTH_MAX_S)}; a lasting limit is the site's power_cap_w",
            )
        if not now - LENGTH_MAX_S < starts_at < now + AHEAD_MAX_S or starts_at + asked.for_s <= now:
            raise BadRequestError(
                "the order has ended already, or begins in another season",
                f"it may begin up to {duration.show(AHEAD_MAX_S)} ahead and must end after now",
            )
        if not 1 <= len(asked.reason.strip()) <= REASON_CHARS_MAX or len(owner) > OWNER_CHARS_MAX:
            raise BadRequestError("the order has no fit reason", "say who asks for it, and why")

    def _line(self, verb: str, order: GridOrder, owner: str, told: str) -> Event:
        return Event(at=self._now(), actor=owner, verb=verb, subject=order.site, detail=told)
