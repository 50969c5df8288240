"""What would be if prices, caps or contracts were others; nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from controller import orders
from controller.answers import Supposed
from controller.core import supposing
from controller.core.farm import FarmSettings
from controller.core.model import Quote
from controller.core.supposing import Supposition, SuppositionError
from controller.orders import BadRequestError
from controller.ports import Board
from controller.regime import Regime

HOW = "`rigshift whatif --help` shows how a supposition is written"


class Suppositions:
    """Answers what if. Raises `BadRequestError` for what supposes nothing."""

    def __init__(
        self,
        regime: Regime,
        board: Board,
        farm: FarmSettings,
        quotes: Callable[[], Mapping[str, Quote]],
    ) -> None:
        """`quotes`: every series as it stands now."""
        self._regime = regime
        self._board = board
        self._farm = farm
        self._quotes = quotes

    def ask(self, prices: Sequence[str], caps: Sequence[str], without: Sequence[str]) -> Supposed:
        """Which groups would move, and what the fleet would net."""
        supposed = self._read(prices, caps, without)
        decide = self._regime.supposing(supposed)
        now = self._board.preview({})
        then = self._board.preview({}, decide)
        stay = self._board.preview({d.key: d.chosen for d in now.decisions}, decide)
        return Supposed(
            changes=supposed.told(),
            moves=orders.moves({}, now, then),
            now_usd_per_h=now.net_usd_per_h,
            stay_usd_per_h=stay.net_usd_per_h,
            then_usd_per_h=then.net_usd_per_h,
            lasting=tuple(sorted(supposing.unforeseen(self._farm, supposed))),
            contracts=then.contracts,
            requirements=then.requirements,
            warnings=then.warnings,
        )

    def _read(
        self, prices: Sequence[str], caps: Sequence[str], without: Sequence[str]
    ) -> Supposition:
        try:
            supposed = Supposition(
                tuple(map(supposing.price, prices)), tuple(map(supposing.cap, caps)), tuple(without)
            )
        except SuppositionError as error:
            raise BadRequestError(str(error), HOW) from error
        settings = self._regime.policy.settings
        problem = next(supposing.problems(supposed, self._quotes(), self._farm, settings), None)
        if problem is not None:
            raise BadRequestError(problem, HOW)
        return supposed
