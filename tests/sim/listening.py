"""The controller's sessions, checked: no letter may take them in."""

from __future__ import annotations

from collections.abc import Callable

from controller import sessions
from controller.sessions import Sessions
from tests.sim.checks import letters as checks
from tests.sim.ledger import SimStore
from tests.sim.network import Letter, SimNetwork
from tests.sim.witness import Witness
from wire import messages
from wire.signing import Signer
from wire.transport import Received


class CheckedSessions(Sessions):
    """Sessions of one life of the controller."""

    def __init__(
        self,
        network: SimNetwork,
        signer: Signer,
        clock: Callable[[], float],
        witness: Witness,
        store: SimStore,
    ) -> None:
        super().__init__(network.fleet_link(), signer, clock)
        self._now = clock
        self._witness = witness
        self._store = store
        self._newest: dict[str, Letter] = {}
        self._observed: dict[tuple[str, str, str], int] = {}
        """Newest generation of each rig, boot and group."""

    def accept(self, received: Received) -> messages.UpBody | None:
        """See `Sessions`."""
        heard = self._heard_before(received.rig)
        news = super().accept(received)
        letter = received.frame
        if news is None or not isinstance(letter, Letter):
            return news
        self._witness(checks.judged(letter.fault, refused=False))
        # Of a boot that is new, or comes back after a silence, nobody can say how old it is.
        known = self.all()[received.rig].boot_id in heard
        if known:
            self._check_turn(letter, news)
        self._newest[letter.rig] = letter
        if isinstance(news, messages.StateReport):
            self._check_report(received.rig, news)
        elif isinstance(news, messages.Outcomes):
            for outcome in news.outcomes:
                durable = self._store.was_durable(received.rig, outcome)
                self._witness(checks.told_durably(outcome, durable=durable))
        return news

    def _check_turn(self, letter: Letter, news: messages.UpBody) -> None:
        newest = self._newest.get(letter.rig)
        if newest is not None and isinstance(news, messages.Gone):
            # A broker publishes a will late; but only of the run that is the newest.
            self._witness(checks.in_turn(newest.run - 1, letter.run))
        elif newest is not None:
            self._witness(checks.in_turn(newest.number, letter.number))

    def _check_report(self, rig: str, report: messages.StateReport) -> None:
        for status in report.groups:
            name = rig, self.all()[rig].boot_id, status.group
            if not self._store.forgets(rig):
                self._witness(checks.observed_grows(status, self._observed.get(name, 0)))
            self._observed[name] = status.generation

    def _heard_before(self, rig: str) -> tuple[str, ...]:
        """Boots whose order in time this controller knows."""
        session = self.all().get(rig)
        if session is None:
            return ()
        silent = self._now() - session.heard_at > sessions.TTL_S
        return (session.boot_id,) if silent else (session.boot_id, *session.retired)
